"""Conditions, claims and judges: runs of StripePy decide what the site may state."""
