"""The built pages as documents: valid, and with every link leading somewhere."""

import subprocess
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from conftest import NODE_MODULES, need, page

# The checker of the W3C, which knows what browsers and their standard say.
VNU = NODE_MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert found, f"no page in {site}"
    return found


def attributes(path: Path, *names: str) -> list[str]:
    """Values of attributes, wherever they stand in a page."""
    elements = list(page(path).iter())
    return [each.attrib[name] for each in elements for name in names if name in each.attrib]


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
    for path in pages(site):
        ids = attributes(path, "id")
        assert ids, path.name
        assert sorted(ids) == sorted(set(ids)), path.name


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    anchors = {path: {*attributes(path, "id"), ""} for path in pages(site)}
    broken = []
    followed = 0
    for path in anchors:
        for link in attributes(path, "href", "src"):
            address, anchor = urldefrag(urljoin(f"/{path.relative_to(site)}", link))
            if urlsplit(address).scheme:
                continue
            followed += 1
            target = site / unquote(urlsplit(address).path).lstrip("/")
            if not target.is_file() or unquote(anchor) not in anchors.get(target, {""}):
                broken.append(f"{path.name}: {link}")
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
