"""The sources of the pages: slips that neither Sphinx nor sphinx-lint sees."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from conftest import ROOT
from telemetry.records.findings import Kind

# A lower-case letter, digit or closing mark ends a sentence; so `e.g. A` would not pass either. The
# number of an item does not.
TWO_SENTENCES = re.compile(r"(?<!^)(?<!^ )[a-z0-9)`\"'][.?!] +(?:``|[A-Z])")
ONE_COLON = re.compile(r"^\s*\.\. [a-z][a-z-]*: ?$|^\s*\.\. (?:note|tip|warning|code-block): ")
ITEM = re.compile(r"(?:[*-]|\d+\.|#\.) +\S")


def two_sentences(lines: list[str]) -> list[int]:
    """Lines that hold more than one sentence."""
    return [number for number, line in enumerate(lines, 1) if TWO_SENTENCES.search(line)]


def comments_meant_as_directives(lines: list[str]) -> list[int]:
    """Directives with one colon, which are comments and do not show."""
    return [number for number, line in enumerate(lines, 1) if ONE_COLON.search(line)]


def lists_without_blank_line(lines: list[str]) -> list[int]:
    """Items right below a paragraph, which become part of it."""
    return [
        number
        for number, (above, line) in enumerate(pairwise(lines), 2)
        if ITEM.match(line) and above and not above.startswith(" ") and not ITEM.match(above)
    ]


Rule = Callable[[list[str]], list[int]]
RULES: dict[Rule, str] = {
    two_sentences: "One. Two.\n",
    comments_meant_as_directives: ".. note:\n\n   Text.\n",
    lists_without_blank_line: "Text:\n* item\n",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_such_a_slip_would_be_found_and_no_page_has_one(rule: Rule) -> None:
    assert rule(RULES[rule].splitlines())
    pages = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.rst")}
    assert pages
    slips = [f"{name}:{line}" for name, prose in pages.items() for line in rule(prose.splitlines())]
    assert not slips, "\n".join(slips)


def test_the_page_for_maintainers_explains_every_finding() -> None:
    page = (ROOT / "docs/maintaining.rst").read_text()
    explained = re.findall(r"^``([a-z-]+)``\n   \S", page, re.MULTILINE)
    assert sorted(explained) == sorted(kind.value for kind in Kind)
