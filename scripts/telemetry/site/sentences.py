"""Sentences: each claim or statement is written once; pages include it, or draw it."""

import html
import re
from collections.abc import Iterator

from docutils import nodes
from docutils.nodes import Node
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from telemetry.records import files
from telemetry.records.words import capitalised
from telemetry.site import markup
from telemetry.site.content import MARKS, look_up
from telemetry.site.page import Page

TELLS = re.compile(
    r"\b(?:sends|sent|collects|collected|stores|stored|keeps|kept|contacts|contacted|connects"
    r"|encrypts|encrypted|identifies|identified|reports|reported|transmits|transmitted|uploads"
    r"|uploaded|adds|includes|writes|shares|logs)\b"
    r"|(?:^|[.:;] )(?:StripePy|It|The (?:program|message|command)|A (?:run|message)) "
)
"""Words that state what the program does; guidance must not contain them."""

PICTURE = files.PAGES / "_templates" / "data_flow.svg"
KEPT = "{fact:%s.place}; {fact:%s.link} on the way there and {fact:%s.at_rest} at rest"
COLLECTOR = (
    "an {fact:collector.software} on a {fact:collector.kind} of the {fact:collector.place};"
    " {fact:collector.managed_by} manage both"
)
STATIONS = (
    ("Collector", COLLECTOR, "{fact:collector.retention}"),
    (
        "Dashboard, for {fact:dashboard.purpose}",
        KEPT.replace("%s", "dashboard"),
        "{fact:dashboard.retention}",
    ),
    ("Backup", KEPT.replace("%s", "backup"), "{fact:backup.retention}"),
)

logger = logging.getLogger(__name__)


class Sentences(SphinxDirective):
    """`.. sentences:: NAME...`: sentences with their marks; each line of names is a paragraph.

    A name is that of a claim, or `stated.KEY` or `not_stated.KEY` in `data_handling.toml`. With
    `:bullets:`, each line is an item of a list; `:folded: SUMMARY` folds that list.
    """

    has_content = True
    option_spec = {  # noqa: RUF012 -- as Sphinx declares it
        "bullets": directives.flag,
        "folded": directives.unchanged_required,
    }

    def run(self) -> list[Node]:
        self.assert_has_content()
        page = Page(self.env, self.state.document)
        told = [
            markup.paragraph(markup.joined((_sentence(page, name) for name in line.split()), " "))
            for line in self.content
            if line.strip()
        ]
        if summary := self.options.get("folded"):
            if TELLS.search(summary):
                raise self.error(f"a summary that states something: {summary}")
            return markup.folded(summary, markup.bullets(told))
        return [markup.bullets(told)] if "bullets" in self.options else [*told]


class Guidance(SphinxDirective):
    """`.. guidance::`: text that is typed, on a page where everything else is generated."""

    has_content = True

    def run(self) -> list[Node]:
        self.assert_has_content()
        typed = self.parse_content_to_nodes()
        for node in typed:
            for text in _texts(node):
                text["guidance"] = True
        return typed


def _sentence(page: Page, name: str) -> Node:
    text = look_up(page.content.sentences, name, "sentence")
    return markup.inline(page.prose(text), " ", mark(page, name))


def mark(page: Page, name: str) -> Node:
    """The mark of a sentence: a link to its evidence, "stated", or a link to whom to ask."""
    if claim := page.content.verification.claim(name):
        symbol = markup.mark(*MARKS[claim.verdict], f"{claim.verdict}, evidence: {name}")
        return page.link("claim-link", name, symbol)
    if name.startswith("stated."):
        return markup.mark("stated", "stated")
    return page.link("ref", "contact", markup.inline("ask the maintainers"))


def _texts(node: Node) -> Iterator[nodes.TextElement]:
    """Every text that can hold a sentence, except headings and Sphinx's own messages."""
    kinds = nodes.paragraph, nodes.term, nodes.line, nodes.rubric, nodes.caption, nodes.attribution
    for kind in kinds:
        for text in node.findall(kind):
            if not isinstance(text.parent, nodes.system_message):
                yield text


def legend(name: str) -> Node:
    """A mark for a page to explain: that of a verdict, or "stated"."""
    marks = {verdict.value: (*mark, f"({verdict})") for verdict, mark in MARKS.items()}
    return markup.mark(*look_up(marks | {"stated": ("stated", "stated", "")}, name, "mark"))


def show_data_flow(page: Page) -> list[Node]:
    """Where a message goes, as a picture and as a table."""
    drawn = page.content.filled(PICTURE.read_text(encoding="utf-8"), html.escape)
    rows = [[capitalised(page.content.filled(cell)) for cell in cells] for cells in STATIONS]
    headings = "Component", "Where", "How long data are kept"
    table = markup.table("Where data are kept, and for how long", headings, rows)
    return [markup.picture(drawn), *markup.folded("As a table", table)]


def check(app: Sphinx, document: nodes.document) -> None:
    """On a page with `:marked:` at its top, warn of typed text that states something.

    There, all text that `markup` did not make counts as typed, and has to be guidance.
    """
    page = app.env.current_document.docname
    if "marked" not in app.env.metadata[page]:
        return
    typed = [text for text in _texts(document) if not text.get("made")]
    for text in typed:
        where = (page, text.line)
        if not text.get("guidance"):
            logger.warning("typed, and not in guidance: %s", text.rawsource, location=where)
        elif told := TELLS.search(text.astext()):
            complaint = "guidance that says '%s' states something: %s"
            logger.warning(complaint, told[0].strip(".:; "), text.rawsource, location=where)
    if not typed:
        logger.warning("there is no guidance", location=(page, 1))
