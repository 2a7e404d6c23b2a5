"""What StripePy sends, captured from real runs, compared with what the site says."""

import os
import sys

# Before any module that an older Python cannot even read.
if sys.version_info < (3, 11):  # noqa: UP036 -- whoever has stripepy can have an older one
    print(
        f"error: {sys.executable} is older than Python 3.11"
        " -- fix: use a newer Python that has stripepy-hic",
        file=sys.stderr,
    )
    raise SystemExit(2)

# PYTHONPATH is for the stripepy that is run. A cluster sets it for another Python, too: what it
# brings along comes last here, where it can break nothing.
if "STRIPEPY_CAPTURE_RECORD" not in os.environ:
    _paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    _theirs = set(map(os.path.abspath, _paths))
    sys.path.sort(key=_theirs.__contains__)
