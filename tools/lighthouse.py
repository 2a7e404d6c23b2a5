"""Print how Lighthouse rates the built telemetry page; exit status 5 if a score is too low."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import chromium
from site_server import SITE, served

ROOT = Path(__file__).resolve().parent.parent
LIGHTHOUSE = ROOT / "tests" / "browser" / "node_modules" / ".bin" / "lighthouse"
LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}


def main() -> int:
    flags = shlex.join(("--headless=new", *chromium.ARGUMENTS))
    options = ("--no-enable-error-reporting", "--quiet", "--output=json")
    with served(SITE) as address:
        run = subprocess.run(
            [LIGHTHOUSE, f"{address}telemetry.html", *options, f"--chrome-flags={flags}"],
            env={**os.environ, "CHROME_PATH": chromium.found()},
            stdout=subprocess.PIPE,
            check=True,
        )
    categories = json.loads(run.stdout)["categories"]
    found = {name: round(category["score"] * 100) for name, category in categories.items()}
    for name, least in LEAST.items():
        print(f"{name:15} {found[name]:3} (at least {least})")
    return 5 if any(found[name] < least for name, least in LEAST.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
