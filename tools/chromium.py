"""This machine's Chromium, and arguments that keep it from reaching any other machine."""

import shutil
import sys

ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    # A page that asks another host for something is shown without it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def found() -> str:
    """Return its path; if it is missing, say how to install it and exit."""
    path = shutil.which("chromium")
    if path is None:
        print("chromium is missing: apt-get install chromium", file=sys.stderr)
        raise SystemExit(2)
    return path
