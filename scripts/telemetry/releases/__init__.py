"""Every release of StripePy in environments of its own, and what changed between them."""
