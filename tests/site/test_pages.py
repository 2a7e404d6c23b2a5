"""The built pages as documents: valid, and with every link leading somewhere."""

from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from conftest import NODE_MODULES, need, page, run

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
    checked = run("java", "-jar", VNU, "--errors-only", *pages(site))
    assert checked.returncode == 0, checked.stderr


def test_every_link_within_the_site_leads_to_one_place(site: Path) -> None:
    anchors = {path: [*attributes(path, "id"), ""] for path in pages(site)}
    for path, ids in anchors.items():
        assert len(set(ids)) == len(ids) > 1, path.name
    broken = []
    followed = 0
    for path in anchors:
        for link in attributes(path, "href", "src"):
            address, anchor = urldefrag(urljoin(f"/{path.relative_to(site)}", link))
            if urlsplit(address).scheme:
                continue
            followed += 1
            target = site / unquote(urlsplit(address).path).lstrip("/")
            if not target.is_file() or unquote(anchor) not in anchors.get(target, [""]):
                broken.append(f"{path.name}: {link}")
    assert followed > len(anchors)
    assert not broken, "\n".join(broken)
