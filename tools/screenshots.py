"""Take screenshots of the built pages, for people to look at."""

import sys
from typing import Any

from playwright.sync_api import ViewportSize, sync_playwright

from chromium import ARGUMENTS, found
from site_server import SITE, served

PICTURES = SITE.parent / "screenshots"
DESKTOP = ViewportSize(width=1280, height=900)
VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": DESKTOP},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": ViewportSize(width=360, height=740), "has_touch": True},
}


def main() -> int:
    """Write one picture of each page in each view."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with served(SITE) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=ARGUMENTS)
        for view, options in VIEWS.items():
            page = browser.new_context(**options).new_page()
            for path in sorted(SITE.glob("*.html")):
                page.goto(f"{address}{path.name}", wait_until="networkidle")
                page.screenshot(path=PICTURES / f"{path.stem}-{view}.png", full_page=True)
        browser.close()
    print("The pictures: build/screenshots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
