"""What StripePy sends, captured from real runs, compared with what the site says."""

import sys

# Before any module that an older Python cannot even read.
if sys.version_info < (3, 11):  # noqa: UP036 -- whoever has stripepy can have an older one
    print(
        f"error: {sys.executable} is older than Python 3.11"
        " -- mend: use a newer Python that has stripepy-hic",
        file=sys.stderr,
    )
    raise SystemExit(2)

RECORD_VARIABLE = "STRIPEPY_CAPTURE_RECORD"
"""Environment variable by which `capture` tells `child` where to record what happens."""
