"""What StripePy sends, captured from real runs, compared with what the site says."""

RECORD_VARIABLE = "STRIPEPY_CAPTURE_RECORD"
"""Environment variable by which `capture` tells `child` where to record what happens."""
