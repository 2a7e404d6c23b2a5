"""The parts that pages are made of, as docutils nodes."""

import html
import re
from collections.abc import Iterable, Sequence

from docutils import nodes
from docutils.nodes import Node
from docutils.parsers.rst import DirectiveError
from docutils.utils import Reporter
from sphinx import addnodes

Piece = str | Node


def _nodes(pieces: Iterable[Piece]) -> list[Node]:
    return [nodes.Text(piece) if isinstance(piece, str) else piece for piece in pieces]


def inline(*pieces: Piece, class_: str = "") -> nodes.inline:
    return nodes.inline("", "", *_nodes(pieces), classes=class_.split())


def paragraph(*pieces: Piece, class_: str = "") -> nodes.paragraph:
    """A generated paragraph; `made` tells `sentences.check` that nobody typed it."""
    return nodes.paragraph("", "", *_nodes(pieces), classes=class_.split(), made=True)


def joined(pieces: Iterable[Piece], separator: str = ", ") -> nodes.inline:
    line = inline()
    for piece in pieces:
        line += _nodes([separator, piece] if line.children else [piece])
    return line


def literal(text: str) -> nodes.literal:
    return nodes.literal(text=text)


def code(name: str) -> nodes.literal:
    """Code that a narrow column may break after a dot or an underscore; an option stays whole."""
    if name.startswith("-"):
        return nodes.literal(text=name, classes=["whole"])
    first, *others = (nodes.Text(piece) for piece in re.split(r"(?<=[._])", name))
    broken = nodes.literal("", "", first)
    for piece in others:
        broken += [nodes.raw("", "<wbr/>", format="html"), piece]
    return broken


def codes(texts: Iterable[str]) -> nodes.inline:
    return joined(code(text) for text in texts)


def hidden(words: str) -> nodes.inline:
    """Words that explain a symbol to users of screen readers."""
    return inline(f" {words}", class_="visuallyhidden")


def mark(symbol: str, kind: str, words: str = "") -> nodes.inline:
    """A mark, with words for screen readers."""
    return inline(symbol, hidden(words) if words else "", class_=f"mark mark-{kind}")


def picture(svg: str) -> Node:
    """An inline SVG picture; the EPUB omits it, as Sphinx cannot declare it in the manifest."""
    return addnodes.only("", nodes.raw("", svg, format="html"), expr="not epub")


def bar(number: float, whole: float) -> Node:
    """A number, with a bar beside it that screen readers ignore."""
    start = '<svg class="bar" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
    shown = picture(f'{start}<rect width="{number / whole:.3f}" height="1"/></svg>')
    return inline(inline(str(number), class_="numbers"), shown, class_="measured")


def bullets(items: Iterable[Piece], class_: str = "") -> nodes.bullet_list:
    listed = (nodes.list_item("", _block(item)) for item in items)
    return nodes.bullet_list("", *listed, classes=class_.split())


def definitions(pairs: Iterable[tuple[str, Piece]], class_: str = "") -> nodes.definition_list:
    """A list of terms with their definitions, each of which is a list or becomes a paragraph."""
    listing = nodes.definition_list(classes=class_.split())
    for term, said in pairs:
        item = nodes.term(text=term, made=True), nodes.definition("", _block(said))
        listing += nodes.definition_list_item("", *item)
    return listing


def section(identifier: str, title: Piece, class_: str = "") -> nodes.section:
    heading = nodes.title("", "", *_nodes([title]))
    return nodes.section("", heading, ids=[identifier], classes=class_.split())


def folded(summary: str, *content: Node) -> list[Node]:
    """Content that is folded on the screen until a reader opens it, but always printed."""
    start = nodes.raw("", f"<details><summary>{html.escape(summary)}</summary>", format="html")
    return [start, *content, nodes.raw("", "</details>", format="html")]


def table(
    title: str,
    headings: Sequence[Piece],
    rows: Sequence[Sequence[Piece]],
    class_: str = "evidence-table",
) -> nodes.table:
    """A table with a caption; the first cell of each row is its heading."""
    if not rows:
        # An empty table would look like a result.
        raise DirectiveError(Reporter.ERROR_LEVEL, f"the table {title!r} would have no rows")
    group = nodes.tgroup(cols=len(headings))
    group += [nodes.colspec(stub=None if number else 1) for number in range(len(headings))]
    group += [nodes.thead("", _row(headings)), nodes.tbody("", *map(_row, rows))]
    return nodes.table("", nodes.title(text=title), group, classes=[class_])


def _row(cells: Iterable[Piece]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", _block(cell)) for cell in cells))


def _block(piece: Piece) -> Node:
    return piece if isinstance(piece, nodes.bullet_list | nodes.paragraph) else paragraph(piece)
