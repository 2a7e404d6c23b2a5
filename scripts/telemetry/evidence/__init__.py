"""Conditions, claims and judges: what the site states, decided by runs."""
