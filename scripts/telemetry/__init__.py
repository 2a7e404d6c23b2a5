"""What StripePy sends, captured from real runs, compared with what the site says."""

import os
import sys

# This comes before any module that an older Python could not even parse.
if sys.version_info < (3, 11):  # noqa: UP036 -- stripepy-hic also runs on Python 3.10
    print(
        f"error: {sys.executable} is older than Python 3.11"
        " -- fix: use a newer Python that has stripepy-hic",
        file=sys.stderr,
    )
    raise SystemExit(2)

# PYTHONPATH selects the stripepy to run, but clusters set it for another Python, too. Except in the
# process that runs stripepy, search its folders last, so that they cannot shadow what we import.
if "STRIPEPY_CAPTURE_RECORD" not in os.environ:
    _paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    _theirs = set(map(os.path.abspath, _paths))
    sys.path.sort(key=_theirs.__contains__)
