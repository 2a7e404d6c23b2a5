"""The sources of the pages: slips that neither Sphinx nor sphinx-lint sees."""

import re

import pytest

from conftest import ROOT
from telemetry.records.findings import Kind

ITEM = r"(?:[*-]|\d+\.|#\.) +\S"
RULES = {
    # A lower-case letter, digit or closing mark ends a sentence; so `e.g. A` would not pass either.
    # The number of an item does not.
    "two sentences in a line": (
        r"(?<!^)(?<!^ )[a-z0-9)`\"'][.?!] +(?:``|[A-Z])",
        "One. Two.\n",
    ),
    "a directive with one colon, which is a comment and does not show": (
        r"^\s*\.\. (?:[a-z][a-z-]*: ?$|(?:note|tip|warning|code-block): )",
        ".. note:\n\n   Text.\n",
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
    pages = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.rst")}
    assert pages
    slips = [f"{name}: {m[0]!r}" for name, prose in pages.items() for m in rule.finditer(prose)]
    assert not slips, "\n".join(slips)


def test_the_page_for_maintainers_explains_every_finding() -> None:
    page = (ROOT / "docs/maintaining.rst").read_text()
    explained = re.findall(r"^``([a-z-]+)``\n   \S", page, re.MULTILINE)
    assert sorted(explained) == sorted(kind.value for kind in Kind)
