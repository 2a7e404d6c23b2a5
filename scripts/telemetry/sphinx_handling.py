"""Sphinx extension: where the data go, as a picture and a table; what nobody has stated."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from jinja2 import Environment, FileSystemLoader
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from telemetry import assets
from telemetry.sphinx_ext import captioned_table, evidence_of, table_row

TEMPLATE = "data_flow.svg"

TITLE = "Where a message of StripePy goes"

# All in units of the picture, which is as wide as a phone has pixels.
WIDTH = 360
GAP = 16
LINE = 16
CHARACTER = 7
MARGIN = 8
ARROW = 54


@dataclass(frozen=True)
class Box:
    """A station of the picture.

    Attributes:
        x, y: Where its upper left corner is, in units of the picture.
        width: Its width, likewise.
        lines: What stands in it, the name first.
    """

    x: int
    y: int
    width: int
    lines: Sequence[str]

    @property
    def height(self) -> int:
        """Its height, in units of the picture."""
        return len(self.lines) * LINE + 2 * MARGIN

    @property
    def foot(self) -> int:
        """Where it ends, in units of the picture."""
        return self.y + self.height


@dataclass(frozen=True)
class Arrow:
    """A connection of the picture, downwards.

    Attributes:
        x, y: Where it begins, in units of the picture.
        label: What stands beside it.
    """

    x: int
    y: int
    label: str
    length: int = ARROW


def draw(handling: Mapping[str, str]) -> str:
    """Draw the way of a message as SVG.

    Args:
        handling: What the maintainers state, by "section.key".
    """
    half = (WIDTH - GAP) // 2
    here = _box(half // 2, 1, half + GAP, "Your computer", "a run of stripepy")
    server = f"on a {handling['collector.kind']},"
    collector = _box(
        GAP, here.foot + ARROW, WIDTH - 2 * GAP, "Collector", server, handling["collector.place"]
    )
    kept = [
        _box(
            x,
            collector.foot + ARROW,
            half - 1,
            name,
            handling[f"{section}.place"],
            f"{handling[f'{section}.at_rest']} at rest",
            f"kept {handling[f'{section}.retention']}",
        )
        for x, name, section in (
            (1, "Dashboard", "dashboard"),
            (half + GAP, "Backup", "backup"),
        )
    ]
    arrows = [
        Arrow(WIDTH // 2, here.foot, "encrypted (TLS)"),
        *(
            Arrow(box.x + half // 2, collector.foot, handling[f"{section}.link"])
            for box, section in zip(kept, ("dashboard", "backup"), strict=True)
        ),
    ]
    environment = Environment(loader=FileSystemLoader(assets.PAGES / "_templates"), autoescape=True)
    return environment.get_template(TEMPLATE).render(
        title=TITLE,
        text=describe(handling),
        boxes=[here, collector, *kept],
        arrows=arrows,
        width=WIDTH,
        height=max(box.foot for box in kept) + 1,
        line=LINE,
    )


def _box(x: int, y: int, width: int, *texts: str) -> Box:
    fits = (width - 2 * MARGIN) // CHARACTER
    return Box(x, y, width, [line for text in texts for line in textwrap.wrap(text, fits)])


def describe(handling: Mapping[str, str]) -> str:
    """The way of a message in words."""
    return (
        f"From stripepy on your computer, over an encrypted connection, to the"
        f" {handling['collector.software']} on a {handling['collector.kind']} of the"
        f" {handling['collector.place']}; from there, over {handling['dashboard.link']}"
        f" connections, to a dashboard in {handling['dashboard.place']}, which keeps data for"
        f" {handling['dashboard.retention']}, and to a backup in {handling['backup.place']}, which"
        f" keeps them {handling['backup.retention']}."
    )


class DataFlow(SphinxDirective):
    """`.. data-flow::`: the way of a message as a picture, then as a table."""

    def run(self) -> list[nodes.Node]:
        handling = evidence_of(self.env).handling
        self.env.note_dependency(assets.PAGES / "_templates" / TEMPLATE)
        # Readers of EPUB need not know SVG within a page; the table tells the same.
        picture = addnodes.only("", nodes.raw("", draw(handling), format="html"), expr="not epub")
        return [picture, self._table(handling)]

    def _table(self, handling: Mapping[str, str]) -> nodes.table:
        collector = (
            f"An {handling['collector.software']} on a {handling['collector.kind']} of the"
            f" {handling['collector.place']}; {handling['collector.managed_by']} manage both"
        )
        rows = [
            ("Collector", collector, handling["collector.retention"]),
            (f"Dashboard, for {handling['dashboard.purpose']}", *_kept("dashboard", handling)),
            ("Backup", *_kept("backup", handling)),
        ]
        body = (table_row([nodes.Text(_sentence(text)) for text in row]) for row in rows)
        table = captioned_table(
            "Who keeps what, where, and for how long",
            ("Station", "Where", "How long data are kept"),
            (22, 46, 32),
            body,
            "evidence-table",
        )
        self.set_source_info(table)
        return table


def _kept(section: str, handling: Mapping[str, str]) -> tuple[str, str]:
    where = (
        f"{handling[f'{section}.place']}; {handling[f'{section}.link']} on the way there and"
        f" {handling[f'{section}.at_rest']} at rest"
    )
    return where, handling[f"{section}.retention"]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class NotStated(SphinxRole):
    """`:not-stated:`KEY``: a question that neither a run nor the maintainers' pages answer."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        question = evidence_of(self.env).handling.get(f"not_stated.{self.text}")
        if question is None:
            message = self.inliner.reporter.error(f"no open question is called {self.text!r}")
            return [], [message]
        mark = addnodes.pending_xref(
            "",
            nodes.inline(
                "", "not stated: ask the maintainers", classes=["mark", "mark-not-stated"]
            ),
            refdomain="std",
            reftype="ref",
            reftarget="contact",
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )
        return [nodes.Text(f"{_sentence(question)}. "), mark], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("telemetry.sphinx_ext")
    app.add_directive("data-flow", DataFlow)
    app.add_role("not-stated", NotStated())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
