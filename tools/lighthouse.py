"""Print how Lighthouse rates the built telemetry page; exit status 5 if a score is too low."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from site_server import served

ROOT = Path(__file__).resolve().parent.parent
LIGHTHOUSE = ROOT / "tests" / "browser" / "node_modules" / ".bin" / "lighthouse"
LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
# Nothing is asked of any other host: neither by the page nor by the browser itself.
FLAGS = (
    "--headless=new --no-sandbox --disable-background-networking --disable-component-update"
    " --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'"
)


def scores(address: str, chromium: str) -> dict[str, int]:
    """Return Lighthouse's score by category, out of 100."""
    options = ("--no-enable-error-reporting", "--quiet", "--output=json")
    run = subprocess.run(
        [LIGHTHOUSE, address, *options, f"--chrome-flags={FLAGS}"],
        env={**os.environ, "CHROME_PATH": chromium},
        stdout=subprocess.PIPE,
        check=True,
    )
    categories = json.loads(run.stdout)["categories"]
    return {name: round(category["score"] * 100) for name, category in categories.items()}


def main() -> int:
    """Run Lighthouse once."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is missing: apt-get install chromium", file=sys.stderr)
        return 2
    with served(ROOT / "build" / "html") as address:
        found = scores(f"{address}telemetry.html", chromium)
    for name, least in LEAST.items():
        print(f"{name:15} {found[name]:3} (at least {least})")
    return 5 if any(found[name] < least for name, least in LEAST.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
