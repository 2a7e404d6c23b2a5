"""The built pages as documents: valid, and with every link leading somewhere."""

import subprocess
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import html5lib
import pytest

from conftest import NODE_MODULES, need

# The checker of the W3C, which knows what browsers and their standard say.
VNU = NODE_MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert found, f"no page in {site}"
    return found


def attributes(page: Path, *names: str) -> list[str]:
    """Values of attributes, wherever they stand in a page."""
    tree = html5lib.parse(page.read_text(encoding="utf-8"), namespaceHTMLElements=False)
    return [
        element.attrib[name] for element in tree.iter() for name in names if name in element.attrib
    ]


def test_every_page_is_valid_html(site: Path) -> None:
    need("java", "vnu")
    run = subprocess.run(
        ["java", "-jar", VNU, "--errors-only", *pages(site)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_no_page_uses_an_id_twice(site: Path) -> None:
    for page in pages(site):
        ids = attributes(page, "id")
        assert ids, page.name
        assert sorted(ids) == sorted(set(ids)), page.name


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    anchors = {page: {*attributes(page, "id"), ""} for page in pages(site)}
    broken = []
    followed = 0
    for page in anchors:
        for link in attributes(page, "href", "src"):
            address, anchor = urldefrag(urljoin(f"/{page.relative_to(site)}", link))
            if urlsplit(address).scheme:
                continue
            followed += 1
            target = site / unquote(urlsplit(address).path).lstrip("/")
            if not target.is_file() or unquote(anchor) not in anchors.get(target, {""}):
                broken.append(f"{page.name}: {link}")
    assert followed > len(anchors)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("slip", ["telemetry.html#nowhere", "missing.html", "_static/missing.css"])
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, slip: str) -> None:
    (tmp_path / "telemetry.html").write_text(
        "<title>a</title><p id=x><a href=#x>x</a> <a href=#x>x</a>"
    )
    (tmp_path / "a.html").write_text(f"<title>a</title><p id=y><a href={slip}>x</a>")
    with pytest.raises(AssertionError, match=slip):
        test_every_link_within_the_site_leads_somewhere(tmp_path)
