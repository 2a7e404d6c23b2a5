"""The page of releases."""

from itertools import pairwise
from pathlib import Path

import html5lib

from telemetry.records import releases


def test_the_time_line_tells_which_field_came_with_which_release(site: Path) -> None:
    page = html5lib.parse((site / "releases.html").read_text(), namespaceHTMLElements=False)
    tables = ["".join(table.itertext()) for table in page.iter("table")]
    [shown] = [" ".join(text.split()) for text in tables if "Fields over time" in text]
    setups = releases.load().of("contemporary")
    for before, after in pairwise(setups):
        new = after.fields.keys() - before.fields.keys()
        told = f"new: {len(new)} fields" if len(new) > 5 else f"new: {', '.join(new)}"
        row = f"{after.release} {after.uploaded} {len(after.fields)} {told if new else 'nothing'}"
        assert row in shown


def test_the_page_shows_every_field_and_release(site: Path) -> None:
    text = (site / "releases.html").read_text()
    page = html5lib.parse(text, namespaceHTMLElements=False)
    read = releases.load()
    identifiers = {element.get("id") for element in page.iter()}
    assert {f"release-{r.replace('.', '-')}" for r in read.releases} <= identifiers
    [matrix] = [
        table
        for table in page.iter("table")
        if "Fields that some of the releases send"
        in "".join(text for caption in table.iter("caption") for text in caption.itertext())
    ]
    head, *rows = matrix.iter("tr")
    assert all(cell.tag == "th" or cell.get("scope") == "col" for cell in head)
    shown = {
        "".join(row[0].itertext()).strip(): ["".join(cell.itertext()).split() for cell in row[1:]]
        for row in rows
    }
    columns = [s for s in read.of("contemporary") if s.state == "sends"] + [read.newest()]
    names = {name for setup in columns for name in setup.fields}
    same = {name for name in names if all(name in setup.fields for setup in columns)}
    assert shown.keys() == names - same
    for name, cells in shown.items():
        assert [cell[0] == "✓" for cell in cells] == [name in s.fields for s in columns], name
    [folded] = [
        element
        for element in page.iter("details")
        if "Fields that all of them send" in "".join(element.itertext())
    ]
    listed = {"".join(item.itertext()).strip() for item in folded.iter("li")}
    assert listed == same
