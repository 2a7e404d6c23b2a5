"""Sphinx extension: marks beside sentences, tables of the verification. Reads assets only."""

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_id

from telemetry.sphinx_ext import (
    REPOSITORY,
    breakable,
    captioned_table,
    codes,
    evidence_of,
    facts_list,
    field_link,
    table_row,
    text_with_code,
)
from telemetry.trial import Verdict
from telemetry.verification import ClaimResult, OptionResult, Verification

# The pages on which every sentence bears a mark.
MARKED_PAGES = frozenset({"telemetry", "data-protection"})

MARKS = (":claim:`", ":stated:`", ":not-stated:`", "|guide|")

SYMBOLS = {
    Verdict.HOLDS.value: ("✓", "mark-holds"),
    Verdict.KNOWN_LIMIT.value: ("!", "mark-limit"),
    Verdict.NOT_TRIED.value: ("?", "mark-not-tried"),
}

logger = logging.getLogger(__name__)


def _mark(verdict: str, hidden: str) -> nodes.inline:
    symbol, class_ = SYMBOLS[verdict]
    return nodes.inline(
        "",
        "",
        nodes.Text(symbol),
        nodes.inline("", f" {hidden}", classes=["visually-hidden"]),
        classes=["mark", class_],
    )


class ClaimMark(SphinxRole):
    """`:claim:`ID``: the mark of a claim, which leads to its evidence."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        claim = evidence_of(self.env).verification.claim(self.text)
        if claim is None:
            message = self.inliner.reporter.error(f"no claim {self.text!r} was tried")
            return [], [message]
        link = addnodes.pending_xref(
            "",
            _mark(claim.verdict, f"{claim.verdict}, evidence: {claim.id}"),
            refdomain="std",
            reftype="claim-link",
            reftarget=claim.id,
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )
        return [link], []


class StatedMark(SphinxRole):
    """`:stated:`SECTION.KEY``: the mark of what only the maintainers can vouch for."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in evidence_of(self.env).handling:
            message = self.inliner.reporter.error(f"no statement {self.text!r} of the maintainers")
            return [], [message]
        return [nodes.inline("", "stated", classes=["mark", "mark-stated"])], []


class ClaimLegend(SphinxRole):
    """`:claim-legend:`holds`` or `limit`: a mark, to be explained."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        verdict = Verdict.KNOWN_LIMIT if self.text == "limit" else Verdict.HOLDS
        return [_mark(verdict.value, f"({verdict.value})")], []


class StatedLegend(SphinxRole):
    """`:stated-legend:`TEXT``: the other mark, to be explained."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.inline("", self.text, classes=["mark", "mark-stated"])], []


class _Evidence(SphinxDirective):
    """Something that shows the verification."""

    @property
    def verification(self) -> Verification:
        return evidence_of(self.env).verification

    def table(
        self,
        title: str,
        headings: Sequence[str],
        widths: Sequence[int],
        rows: Iterable[Sequence[nodes.Node]],
    ) -> list[nodes.Node]:
        body = (table_row(row) for row in rows)
        table = captioned_table(title, headings, widths, body, "evidence-table")
        self.set_source_info(table)
        return [table]


def _codes(texts: Sequence[str], none: str) -> nodes.Node:
    return codes(texts) if texts else nodes.Text(none)


class Claims(_Evidence):
    """`.. claims::`: every claim with its evidence, each a target for the `claim` role."""

    def run(self) -> list[nodes.Node]:
        return [self._claim(claim) for claim in self.verification.claims]

    def _claim(self, claim: ClaimResult) -> nodes.Node:
        identifier = make_id(self.env, self.state.document, "claim", claim.id)
        section = nodes.section(ids=[identifier], classes=["claim"])
        self.env.domains.standard_domain.note_object(
            "claim", claim.id, identifier, location=self.get_location()
        )
        section += nodes.title("", "", nodes.Text(claim.id))
        section += nodes.paragraph("", "", text_with_code(claim.sentence))
        counts = self.verification.this_run.counts.get(claim.id, {})
        facts: list[tuple[str, nodes.Node]] = [
            (
                "Verdict",
                nodes.inline("", "", _mark(claim.verdict, ""), nodes.Text(f" {claim.verdict}")),
            )
        ]
        if claim.reason:
            why = nodes.inline("", claim.reason + " ")
            why += self._source(claim.source)
            facts.append(("Why", why))
        if claim.grounds:
            facts.append(("Reason", nodes.Text("; ".join(claim.grounds))))
        if claim.runs:
            facts.append(("Runs", nodes.Text(f"{claim.runs}, {' and '.join(claim.modes)}")))
        if counts:
            counted = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()))
            facts.append(("Counted", nodes.Text(counted)))
        if claim.commands:
            more = ", …" if claim.runs > len(claim.commands) else ""
            commands = _codes(claim.commands, "")
            facts.append(("Among them", nodes.inline("", "", commands, nodes.Text(more))))
        facts.append(
            ("Repeat", nodes.literal(text=f"python scripts/telemetry_claims.py --only {claim.id}"))
        )
        section += facts_list(facts)
        return section

    def _source(self, source: str) -> nodes.Node:
        if not source.endswith(".py"):
            return nodes.literal(text=source)
        uri = f"{REPOSITORY}/blob/v{self.verification.stripepy_hic}/src/stripepy/{source}"
        return nodes.reference("", "", nodes.literal(text=source), refuri=uri)


class ClaimFields(_Evidence):
    """`.. claim-fields::`: which subcommands send which field, ending well or not."""

    def run(self) -> list[nodes.Node]:
        everything = self.verification.subcommands()
        rows = [
            [
                field_link(field.field, self.env.current_document.docname),
                _who(field.success, everything),
                _who(field.failure, everything),
            ]
            for field in self.verification.fields
        ]
        headings = ("Field", "When all goes well", "When the run fails")
        return self.table("Subcommands that send each field", headings, (34, 33, 33), rows)


def _who(names: Sequence[str], everything: set[str]) -> nodes.Node:
    if set(names) == everything:
        return nodes.Text("every subcommand")
    return _codes(names, "no subcommand")


class ClaimOptions(_Evidence):
    """`.. claim-options::`: for each subcommand, what its options change in what is sent.

    Each is a target for the `option` role.
    """

    def run(self) -> list[nodes.Node]:
        subcommands = dict.fromkeys(option.subcommand for option in self.verification.options)
        return [self._subcommand(name) for name in subcommands]

    def _subcommand(self, name: str) -> nodes.section:
        identifier = make_id(self.env, self.state.document, "options", name)
        section = nodes.section(ids=[identifier])
        section += nodes.title("", "", nodes.literal(text=f"stripepy {name}"))
        options = [option for option in self.verification.options if option.subcommand == name]
        if sent := [option for option in options if option.fields]:
            rows = [[self._target(option), self._links(option.fields)] for option in sent]
            title = f"Options of stripepy {name} that are sent"
            section += self.table(title, ("Option", "Field"), (50, 50), rows)
        not_sent = nodes.paragraph("", "Not sent: ")
        for number, option in enumerate(option for option in options if not option.fields):
            not_sent += nodes.Text(", " if number else "")
            not_sent += self._target(option)
        section += not_sent
        return section

    def _target(self, option: OptionResult) -> nodes.Node:
        program = f"stripepy {option.subcommand}"
        identifier = make_id(self.env, self.state.document, program, option.option)
        self.env.domains.standard_domain.add_program_option(
            program, option.option, self.env.current_document.docname, identifier
        )
        return nodes.literal(text=option.option, ids=[identifier], classes=["whole"])

    def _links(self, names: Sequence[str]) -> nodes.Node:
        page = self.env.current_document.docname
        return nodes.inline("", "", *(field_link(name, page) for name in names))


class _Variables(_Evidence):
    """A table of environment variables, each a target for the `envvar` role."""

    def target(self, variable: str, shown: str) -> nodes.Node:
        """A variable, with an anchor where it comes first."""
        text = breakable(shown)
        standard = self.env.domains.standard_domain
        if ("envvar", variable) not in standard.objects:
            identifier = make_id(self.env, self.state.document, "envvar", variable)
            standard.note_object("envvar", variable, identifier, location=self.get_location())
            text["ids"].append(identifier)
        return text


class ClaimSwitches(_Variables):
    """`.. claim-switches::`: what each variable and value switches off."""

    def run(self) -> list[nodes.Node]:
        values: dict[tuple[str, str], list[str]] = {}
        for switch in self.verification.switches:
            effect = _effect(switch.silent, switch.sending)
            values.setdefault((switch.variable, effect), []).append(switch.value)
        rows = [
            [self.target(variable, variable), _values(tried), nodes.Text(effect)]
            for (variable, effect), tried in values.items()
        ]
        headings = ("Variable", "Values", "Effect")
        return self.table("What switches telemetry off", headings, (40, 35, 25), rows)


def _values(values: Sequence[str]) -> nodes.inline:
    line = nodes.inline()
    for number, value in enumerate(values):
        line += nodes.Text(", " if number else "")
        line += nodes.literal(text=value) if value else nodes.Text("nothing")
    return line


def _effect(silent: Sequence[str], sending: Sequence[str]) -> str:
    if not sending:
        return "nothing is sent"
    return f"{', '.join(silent)} send nothing" if silent else "no effect"


class ClaimVariables(_Variables):
    """`.. claim-variables::`: what each environment variable changes; first those that do."""

    def run(self) -> list[nodes.Node]:
        with_effect = [entry for entry in self.verification.variables if entry.effects]
        rows = [
            [
                self.target(entry.variable, f"{entry.variable}={entry.value}"),
                text_with_code("; ".join(entry.effects)),
            ]
            for entry in with_effect
        ]
        headings = ("Variable and value", "What differs")
        without = sorted(
            {entry.variable for entry in self.verification.variables}
            - {entry.variable for entry in with_effect}
        )
        rest = nodes.bullet_list(classes=["columns"])
        for variable in without:
            item = nodes.paragraph("", "", self.target(variable, variable))
            rest += nodes.list_item("", item)
        intro = nodes.paragraph("", "Without an effect of their own:")
        return [*self.table("Variables with an effect", headings, (45, 55), rows), intro, rest]


class ClaimDelays(_Evidence):
    """`.. claim-delays::`: how much later a command ended, by what it met."""

    def run(self) -> list[nodes.Node]:
        rows = [
            [nodes.Text(met[:1].upper() + met[1:]), nodes.Text(f"{least} to {most}")]
            for met, (least, most) in self.verification.this_run.delays.items()
        ]
        if not rows:
            return [nodes.paragraph("", "Not tried here: this machine has no network namespaces.")]
        headings = ("What it met", "Seconds")
        return self.table("Delay at the end of a command", headings, (70, 30), rows)


class ClaimPlaces(_Evidence):
    """`.. claim-places::`: every line of StripePy that takes part in telemetry."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for place in self.verification.places:
            uri = (
                f"{REPOSITORY}/blob/v{self.verification.stripepy_hic}/src/stripepy/"
                f"{place.file}#L{place.line}"
            )
            label = nodes.literal(text=f"{place.file}:{place.line}")
            rows.append([nodes.reference("", "", label, refuri=uri), nodes.Text(place.what)])
        headings = ("Line", "What it does")
        return self.table("Lines that take part in telemetry", headings, (50, 50), rows)


class TelemetryFiles(_Evidence):
    """`.. telemetry-files::`: the files of StripePy that take part, and what each does."""

    def run(self) -> list[nodes.Node]:
        does: dict[str, list[str]] = {}
        for place in self.verification.places:
            if "network" not in place.what and not place.what.startswith("imports"):
                does.setdefault(place.file, []).append(place.what)
        listing = nodes.bullet_list()
        for file, what in does.items():
            uri = f"{REPOSITORY}/blob/v{self.verification.stripepy_hic}/src/stripepy/{file}"
            link = nodes.reference("", "", nodes.literal(text=f"src/stripepy/{file}"), refuri=uri)
            text = nodes.Text(f": {', '.join(dict.fromkeys(what))}")
            listing += nodes.list_item("", nodes.paragraph("", "", link, text))
        return [listing]


def _every_sentence_is_marked(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of each sentence on a marked page that bears no mark."""
    page = app.env.current_document.docname
    if page not in MARKED_PAGES:
        return
    sentences = 0
    for paragraph in doctree.findall(nodes.paragraph):
        # Rows have their marks above the table; what directives make has no line.
        if paragraph.line is None or _is_in_table(paragraph):
            continue
        for offset, line in enumerate(paragraph.rawsource.splitlines()):
            sentences += 1
            if not any(mark in line for mark in MARKS):
                logger.warning(
                    "states something and bears no mark: %s",
                    line,
                    location=(page, paragraph.line + offset),
                )
    if not sentences:
        logger.warning("there are no sentences", location=(page, 1))


def _is_in_table(node: nodes.Node) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, nodes.table):
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("telemetry.sphinx_ext")
    app.add_object_type("claim", "claim-link", "single: %s; claim")
    app.add_role("claim", ClaimMark())
    app.add_role("stated", StatedMark())
    app.add_role("claim-legend", ClaimLegend())
    app.add_role("stated-legend", StatedLegend())
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    app.connect("doctree-read", _every_sentence_is_marked)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


DIRECTIVES: dict[str, type[_Evidence]] = {
    "claims": Claims,
    "claim-fields": ClaimFields,
    "claim-options": ClaimOptions,
    "claim-switches": ClaimSwitches,
    "claim-variables": ClaimVariables,
    "claim-delays": ClaimDelays,
    "claim-places": ClaimPlaces,
    "telemetry-files": TelemetryFiles,
}
