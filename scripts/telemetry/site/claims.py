"""The verification: claims with their evidence, to which marks lead, and what else runs showed."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby

from docutils import nodes
from docutils.nodes import Node

from telemetry.records.claims import ClaimResult, Verdict
from telemetry.records.words import capitalised, summed_up
from telemetry.site import markup
from telemetry.site.content import MARKS
from telemetry.site.markup import Piece
from telemetry.site.page import Page


def show_verdicts(page: Page) -> list[Node]:
    counts = Counter(claim.verdict for claim in page.content.verification.claims)
    rows = [(_verdict(verdict), str(counts[verdict])) for verdict in MARKS if counts[verdict]]
    return [markup.table("Verdicts", ["Verdict", "Statements"], rows)]


def _verdict(verdict: Verdict) -> Node:
    return markup.inline(markup.mark(*MARKS[verdict]), f" {verdict}")


def show_claims(page: Page) -> list[Node]:
    """Every claim with its evidence; the mark beside its sentence leads here."""
    shown: list[Node] = []
    for claim in page.content.verification.claims:
        section = markup.section(
            page.target("claim", claim.id, f"claim-{claim.id}"), claim.id, "claim"
        )
        mark = markup.mark(*MARKS[claim.verdict], claim.verdict)
        section += markup.paragraph(page.prose(claim.sentence), " ", mark)
        evidence = markup.definitions(_facts(page, claim), "facts")
        section += markup.folded(f"Evidence for {claim.id}", evidence)
        shown.append(section)
    return shown


def _facts(page: Page, claim: ClaimResult) -> Iterator[tuple[str, Piece]]:
    yield "Verdict", _verdict(claim.verdict)
    if claim.reason:
        show = page.source if claim.source.endswith(".py") else markup.literal
        yield "Why", markup.inline(f"{claim.reason} ", show(claim.source))
    if claim.grounds:
        yield "Not tested because", "; ".join(claim.grounds)
    if claim.runs:
        yield "Runs", f"{claim.runs}: {'; '.join(claim.modes)}"
    if counts := page.content.verification.this_run.counts.get(claim.id):
        yield "Counted", "; ".join(f"{what}: {number:,}" for what, number in sorted(counts.items()))
    if claim.commands:
        more = ", …" if claim.runs > len(claim.commands) else ""
        yield "Among them", markup.inline(markup.codes(claim.commands), more)
    repeat = f".venv/bin/python scripts/telemetry_claims.py --only {claim.id}"
    yield "Repeat", markup.literal(repeat)


def show_options(page: Page) -> list[Node]:
    """The fields that each option of a subcommand changes; each option is a link target."""
    alike = defaultdict[tuple[tuple[str, tuple[str, ...]], ...], list[str]](list)
    every = page.content.verification.options
    for subcommand, of in groupby(every, key=lambda option: option.subcommand):
        options = tuple((option.option, tuple(option.fields)) for option in of)
        alike[options].append(f"stripepy {subcommand}")
    shown: list[Node] = []
    for options, programs in alike.items():
        names = markup.joined(map(markup.literal, programs))
        section = markup.section(page.anchor("options", programs[0]), names)
        sent, not_sent = list[tuple[Node, Node]](), list[Node]()
        for option, fields in options:
            anchors = [page.anchor(program, option) for program in programs]
            for program, anchor in zip(programs, anchors, strict=True):
                # Sphinx itself joins a program and its subcommand with a hyphen.
                page.standard.add_program_option(
                    program.replace(" ", "-"), option, page.name, anchor
                )
            target = nodes.literal(text=option, ids=anchors, classes=["whole"])
            if fields:
                sent.append((target, markup.inline(*map(page.field, fields))))
            else:
                not_sent.append(target)
        if sent:
            title = f"Options of {programs[0]} that are sent"
            section += markup.table(title, ["Option", "Field"], sent)
        section += markup.paragraph("Not sent: ", markup.joined(not_sent))
        shown.append(section)
    return shown


def show_switches(page: Page) -> list[Node]:
    values = defaultdict[tuple[str, str], list[Piece]](list)
    for switch in page.content.verification.switches:
        value = markup.literal(switch.value) if switch.value else "empty"
        some = f"{', '.join(switch.silent)} send nothing" if switch.silent else "no effect"
        effect = "nothing is sent" if switch.switches_off else some
        values[switch.variable, effect].append(value)
    rows = [
        (_variable(page, variable), markup.joined(tested), effect)
        for (variable, effect), tested in values.items()
    ]
    headings = "Variable", "Values", "Effect"
    return [markup.table("What switches telemetry off", headings, rows)]


def _variable(page: Page, name: str, value: str = "") -> Node:
    """An environment variable; its first mention is a link target."""
    text = markup.code(name + value)
    if ("envvar", name) not in page.standard.objects:
        text["ids"].append(anchor := page.anchor("envvar", name))
        page.standard.note_object("envvar", name, anchor)
    return text


def show_variables(page: Page) -> list[Node]:
    entries = page.content.verification.variables
    effective = [entry for entry in entries if entry.effects]
    rows = [
        (_variable(page, v.variable, f"={v.value}"), page.prose(summed_up(v.effects)))
        for v in effective
    ]
    headings = "Variable and value", "What differs"
    shown = markup.table("Variables with an effect", headings, rows)
    others = {v.variable for v in entries} - {v.variable for v in effective}
    rest = markup.bullets((_variable(page, name) for name in sorted(others)), "columns")
    summary = f"{len(others)} variables that have no effect of their own"
    return [shown, *markup.folded(summary, rest)]


def show_surroundings(page: Page) -> list[Node]:
    """What each of the surroundings in which StripePy was run consists of."""
    made_of = []
    for where in page.content.verification.surroundings:
        others = page.prose("".join(f"; {other}" for other in where.others))
        told = markup.inline(markup.codes(where.variables), others)
        made_of.append((capitalised(where.name), told))
    return markup.folded("What these surroundings are made of", markup.definitions(made_of))


def show_delays(page: Page) -> list[Node]:
    measured = page.content.verification.this_run.delays.items()
    if not measured:
        return [markup.paragraph("Not tested here: this machine has no network namespaces.")]
    longest = max(seconds for _, seconds in measured) or 1
    rows = [
        (capitalised(met), markup.bar(seconds, longest), f"{seconds * 1000 / 60:.0f}")
        for met, seconds in sorted(measured, key=lambda one: -one[1])
    ]
    headings = "Situation", "Seconds", "Minutes for 1,000 commands in a row"
    return [markup.table("Delay at the end of a command", headings, rows)]


def show_lines(page: Page) -> list[Node]:
    places = page.content.verification.places
    rows = [(page.source(f"{line.file}:{line.line}"), line.what) for line in places]
    return [markup.table("Lines that take part in telemetry", ["Line", "What it does"], rows)]


def show_source_files(page: Page) -> list[Node]:
    does = defaultdict[str, dict[str, None]](dict)
    for line in page.content.verification.places:
        if "network" not in line.what and not line.what.startswith("imports"):
            does[line.file][line.what] = None
    alike = defaultdict[str, list[Node]](list)
    for file, what in does.items():
        alike[", ".join(what)].append(page.source(file, f"src/stripepy/{file}"))
    items = (markup.paragraph(markup.joined(links), f": {w}") for w, links in alike.items())
    return [markup.bullets(items)]
