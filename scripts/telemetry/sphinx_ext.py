"""Sphinx extension: tables of fields, facts in prose, links to the source. Reads assets only.

Everything is read and checked once, before any page: a missing, malformed or outdated asset ends
every build, incremental ones too, even if no page has to be written.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective, SphinxRole

from telemetry import assets, documented, fields, findings, verification
from telemetry.capture import FIRST_RELEASE_WITH_TELEMETRY
from telemetry.errors import UserError
from telemetry.receiver import Network
from telemetry.rows import Row
from telemetry.trial import Verdict

SOURCES = (
    assets.TABLE,
    assets.PROVENANCE,
    assets.FIELDS,
    assets.DATA_HANDLING,
    assets.CLAIMS,
)

# Those that take no time, and the one that takes longer than the others.
UNUSUAL_DELAYS = frozenset(
    {
        Network.ANSWERS,
        Network.BAD_REQUEST,
        Network.NOT_FOUND,
        Network.ERROR,
        Network.SILENT_NAME_SERVER,
    }
)

REPOSITORY = "https://github.com/paulsengroup/StripePy"


PUBLISHED = frozenset({Verdict.HOLDS, Verdict.KNOWN_LIMIT, Verdict.NOT_TRIED})


@dataclass(frozen=True)
class Evidence:
    """What the pages show.

    Attributes:
        run: The documented run.
        dictionary: What each field means.
        handling: What the maintainers state, by "section.key".
        verification: What became of every claim.
    """

    run: documented.Documented
    dictionary: fields.Dictionary
    handling: dict[str, str]
    verification: verification.Verification

    def facts(self) -> dict[str, str]:
        """Every fact that a page can quote, by name."""
        origin, table = self.run.provenance, dict(self.run.table)
        exporter = origin.exporters[0]
        verified = self.verification.this_run
        return {
            "command": origin.command,
            "verified": verified.date,
            "claims": str(len(self.verification.claims)),
            "runs": str(verified.runs),
            "delay": self._delay(lambda met: met not in UNUSUAL_DELAYS),
            "delay.no-network": self._delay(lambda met: met == Network.NO_NETWORK),
            "delay.name-server": self._delay(lambda met: met == Network.SILENT_NAME_SERVER),
            "stripepy": origin.stripepy_hic,
            "sdk": origin.this_run.opentelemetry_sdk,
            "python": origin.this_run.python,
            "body": f"{origin.this_run.body_bytes} bytes",
            "gzip": f"{origin.this_run.gzip_bytes} bytes",
            "endpoint": exporter["endpoint"],
            "timeout": f"{exporter['timeout']} seconds",
            "compression": exporter["compression"],
            "count": str(sum(field != "duration_ms" for field in table)),
            "first": ".".join(map(str, FIRST_RELEASE_WITH_TELEMETRY)),
            **self.handling,
        }

    def _delay(self, counts: Callable[[str], bool]) -> str:
        """The range of delays that were measured, in words."""
        measured = [d for met, d in self.verification.this_run.delays.items() if counts(met)]
        if not measured:
            return "some seconds"
        least = min(least for least, _ in measured)
        most = max(most for _, most in measured)
        if round(least) == round(most):
            return f"about {round(most)} seconds"
        return f"about {round(least)} to {round(most)} seconds"


def read_evidence() -> Evidence:
    """Read every asset and hold the table against the dictionary.

    Raises:
        UserError: If an asset is missing or malformed, or the two disagree.
    """
    run, dictionary = documented.load(), fields.load()
    handling = {
        f"{section}.{key}": str(value)
        for section, entries in fields.read_toml(assets.DATA_HANDLING).items()
        if isinstance(entries, dict)
        for key, value in entries.items()
    }
    origin = run.provenance
    found = findings.against_dictionary(
        [_row(field, value, dictionary) for field, value in run.table],
        dictionary,
        origin.subcommand,
        outcome="failure" if origin.exit_status else "success",
        versions={
            "stripepy-hic": origin.stripepy_hic,
            "opentelemetry-sdk": origin.this_run.opentelemetry_sdk,
        },
    )
    if found:
        raise UserError(f"{assets.shown(assets.TABLE)}: {found[0]}", documented.MEND)
    claims = verification.load()
    if claims.stripepy_hic != origin.stripepy_hic:
        raise UserError(
            f"{assets.shown(assets.CLAIMS)}: is of stripepy-hic {claims.stripepy_hic}, the table of"
            f" {origin.stripepy_hic}",
            verification.MEND,
        )
    if bad := [claim for claim in claims.claims if claim.verdict not in PUBLISHED]:
        raise UserError(
            f"{assets.shown(assets.CLAIMS)}: {bad[0].id}: {bad[0].verdict}", verification.MEND
        )
    return Evidence(run, dictionary, handling, claims)


def _row(field: str, value: str, dictionary: fields.Dictionary) -> Row:
    # The table does not say part and type; the capture has checked them against the dictionary.
    entry = dictionary.get(field)
    return Row(field, value, entry.part if entry else "datum", entry.type[0] if entry else "")


def evidence_of(env: BuildEnvironment) -> Evidence:
    """What was read for this build; the page that asks depends on it."""
    for source in SOURCES:
        env.note_dependency(source)
    return read_evidence_of(env.app)


def read_evidence_of(app: Sphinx) -> Evidence:
    """What was read for this build."""
    evidence: Evidence = app.telemetry_evidence  # type: ignore[attr-defined]
    return evidence


class _FieldTable(SphinxDirective):
    """A table with one row per field, which has an anchor and leads to the field's reference."""

    headings: ClassVar[tuple[str, ...]]
    widths: ClassVar[tuple[int, ...]]

    def table(self, title: str, rows: Sequence[tuple[str, Sequence[nodes.Node]]]) -> nodes.table:
        """Build the table.

        Args:
            title: Caption.
            rows: For each field its name, and the content of every further cell.
        """
        body = []
        for name, cells in rows:
            row = table_row([field_link(name, self.env.current_document.docname), *cells])
            row["ids"].append(anchor_of(name))
            body.append(row)
        table = captioned_table(title, self.headings, self.widths, body, "telemetry-table")
        self.set_source_info(table)
        return table


def anchor_of(field: str) -> str:
    """The anchor of a field, on whatever page; Sphinx's search cannot cope with one with dots."""
    return nodes.make_id(f"field-{field}")


def field_link(name: str, page: str) -> addnodes.pending_xref:
    """A field's name, which leads to its reference."""
    return addnodes.pending_xref(
        "",
        breakable(name),
        refdomain="telemetry",
        reftype="field",
        reftarget=name,
        refdoc=page,
        refexplicit=True,
        refwarn=True,
    )


def breakable(name: str) -> nodes.literal:
    """A dotted name that a narrow column breaks after a dot or an underscore, not in a word."""
    pieces = [nodes.Text(piece) for piece in re.split(r"(?<=[._])", name)]
    literal = nodes.literal("", "", pieces[0])
    for piece in pieces[1:]:
        literal += nodes.raw("", "<wbr/>", format="html")
        literal += piece
    return literal


def captioned_table(
    title: str,
    headings: Sequence[str],
    widths: Sequence[int],
    rows: Iterable[nodes.row],
    class_: str,
) -> nodes.table:
    """A table with a caption, whose first cells are headings of their rows.

    Args:
        title: Caption.
        headings: One for each column.
        widths: Of the columns, in per cent or in parts of the whole.
        rows: At least one.
        class_: For the style sheet.

    Raises:
        SphinxError: If there are no rows: a table that shows nothing would look like a finding.
    """
    group = nodes.tgroup(cols=len(headings))
    for number, width in enumerate(widths):
        group += nodes.colspec(colwidth=width, stub=1 if number == 0 else None)
    group += nodes.thead("", table_row([nodes.Text(heading) for heading in headings]))
    body = nodes.tbody("", *rows)
    if not body.children:
        raise SphinxError(f"the table {title!r} would have no rows")
    group += body
    return nodes.table("", nodes.title(text=title), group, classes=[class_])


def table_row(cells: Sequence[nodes.Node]) -> nodes.row:
    """A row of a table, a paragraph in each cell."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def text_with_code(text: str) -> nodes.inline:
    """A text with code between backticks."""
    line = nodes.inline()
    for number, piece in enumerate(text.split("`")):
        line += breakable(piece) if number % 2 else nodes.Text(piece)
    return line


def codes(texts: Sequence[str]) -> nodes.inline:
    """Code, separated by commas."""
    line = nodes.inline()
    for number, text in enumerate(texts):
        line += nodes.Text(", " if number else "")
        line += breakable(text)
    return line


def facts_list(facts: Iterable[tuple[str, nodes.Node]]) -> nodes.definition_list:
    """A list of facts, each with its name."""
    listing = nodes.definition_list(classes=["facts"])
    for term, content in facts:
        listing += nodes.definition_list_item(
            "",
            nodes.term(text=term),
            nodes.definition("", nodes.paragraph("", "", content)),
        )
    return listing


def _meaning(evidence: Evidence, name: str) -> nodes.Node:
    entry = evidence.dictionary[name]
    text = text_with_code(evidence.dictionary.meaning(name))
    text += nodes.Text(f" {entry.why}")
    if entry.because:
        text += nodes.Text(" ")
        text += nodes.inline("", f"Varies {entry.varies}.", classes=["varies"])
    if entry.since.package != "stripepy-hic":
        text += nodes.Text(f" Only with {entry.since.package} {entry.since.version} or newer.")
    return text


class TelemetryTable(_FieldTable):
    """`.. telemetry-table:: CATEGORY`: what the documented run sent, of one category."""

    required_arguments = 1
    headings = ("Field", "Value in this run", "What it says, and why it is collected")
    widths = (34, 24, 42)

    def run(self) -> list[nodes.Node]:
        evidence, category = evidence_of(self.env), self.arguments[0]
        rows = [
            (field, [nodes.literal(text=value), _meaning(evidence, field)])
            for field, value in _by_dictionary(evidence)
            if evidence.dictionary[field].category == category
        ]
        command = evidence.run.provenance.command
        return [self.table(f"{category.capitalize()}: sent by {command}", rows)]


def _by_dictionary(evidence: Evidence) -> list[tuple[str, str]]:
    order = list(evidence.dictionary)
    return sorted(evidence.run.table, key=lambda pair: order.index(pair[0]))


class OtherFields(_FieldTable):
    """`.. other-fields::`: fields that the documented run did not send, and what sends them."""

    headings = ("Field", "Sent by", "What it says, and why it is collected")
    widths = (34, 24, 42)

    def run(self) -> list[nodes.Node]:
        evidence = evidence_of(self.env)
        shown = {field for field, _ in evidence.run.table}
        rows = [
            (field, [sent_by(entry), _meaning(evidence, field)])
            for field, entry in evidence.dictionary.items()
            if field not in shown
        ]
        return [self.table(self.options.get("title", "Sent by other commands"), rows)]

    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {"title": directives.unchanged}


def sent_by(entry: fields.Field) -> nodes.Node:
    """Which subcommands send a field, and when."""
    text = nodes.inline()
    for number, (subcommand, when) in enumerate(entry.sent_by.items()):
        text += nodes.Text("; " if number else "")
        if subcommand == "*":
            text += nodes.Text("every subcommand")
        else:
            text += nodes.literal(text=subcommand)
        text += nodes.Text("" if when == "always" else f" {when}")
    return text


class Fact(SphinxRole):
    """`:fact:`NAME``: a fact from an asset, as text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        facts = evidence_of(self.env).facts()
        if self.text not in facts:
            known = ", ".join(sorted(facts))
            message = self.inliner.reporter.error(f"no fact {self.text!r}; there are: {known}")
            return [], [message]
        return [self.node(facts[self.text])], []

    def node(self, text: str) -> nodes.Node:
        return nodes.Text(text)


class LiteralFact(Fact):
    """`:literal-fact:`NAME``: a fact from an asset, to the letter."""

    def node(self, text: str) -> nodes.Node:
        return nodes.literal(text=text)


class Source(SphinxRole):
    """`:source:`PATH``: a file of StripePy, linked at the tag of the documented release."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        release = evidence_of(self.env).run.provenance.stripepy_hic
        uri = f"{REPOSITORY}/blob/v{release}/src/stripepy/{self.text}"
        link = nodes.reference("", "", nodes.literal(text=f"src/stripepy/{self.text}"), refuri=uri)
        return [link], []


def end_build(complaint: object) -> NoReturn:
    """End a build with one line."""
    # Sphinx shows an exception, whatever its class, with a traceback and as a fault of its own;
    # this is neither.
    raise SystemExit(f"error: {complaint}")


def _read(app: Sphinx) -> None:
    try:
        app.telemetry_evidence = read_evidence()  # type: ignore[attr-defined]
    except UserError as error:
        end_build(error)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("telemetry-table", TelemetryTable)
    app.add_directive("other-fields", OtherFields)
    app.add_role("fact", Fact())
    app.add_role("literal-fact", LiteralFact())
    app.add_role("source", Source())
    app.connect("builder-inited", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
