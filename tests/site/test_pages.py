"""The pages as documents: no slips in their sources, valid HTML, and no broken links."""

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from conftest import NODE_MODULES, ROOT, need, page, run
from telemetry.records.findings import Kind

# The W3C's Nu Html Checker.
VNU = NODE_MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"

ITEM = r"(?:[*-]|\d+\.|#\.) +\S"
# Slips that neither Sphinx nor sphinx-lint finds.
RULES = {
    # A sentence ends after a lower-case letter, digit or closing mark, so `e.g. A` would not pass
    # either. The number of a list item does not count.
    "two sentences in a line": (
        r"(?<!^)(?<!^ )[a-z0-9)`\"'][.?!] +(?:``|[A-Z])",
        "One. Two.\n",
    ),
    "a directive with one colon, which is a comment and does not show": (
        r"^\s*\.\. [a-z-]+:(?: |$)",
        ".. sentences: one-span\n",
    ),
    "an item right below a paragraph, which becomes part of it": (
        rf"^(?! )(?!{ITEM}).+\n{ITEM}",
        "Text:\n* item\n",
    ),
}


@pytest.mark.parametrize(("pattern", "slip"), RULES.values(), ids=RULES)
def test_such_a_slip_would_be_found_and_no_page_has_one(pattern: str, slip: str) -> None:
    rule = re.compile(pattern, re.MULTILINE)
    assert rule.search(slip)
    sources = [*(ROOT / "docs").rglob("*.rst")]
    assert sources
    slips = [f"{path.name}: {m[0]!r}" for path in sources for m in rule.finditer(path.read_text())]
    assert not slips, "\n".join(slips)


def test_the_page_for_maintainers_explains_every_finding() -> None:
    source = (ROOT / "docs/maintaining.rst").read_text()
    explained = re.findall(r"^``([a-z-]+)``\n   \S", source, re.MULTILINE)
    assert sorted(explained) == sorted(kind.value for kind in Kind)


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert found, f"no page in {site}"
    return found


def attributes(path: Path, *names: str) -> list[str]:
    """The values that these attributes have anywhere on a page."""
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
