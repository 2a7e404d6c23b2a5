"""Claims: the verification that the marks beside sentences lead to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from docutils import nodes
from docutils.nodes import Node

from telemetry.records.claims import ClaimResult, SwitchResult, Verdict
from telemetry.records.words import capitalised, ranged, summed_up
from telemetry.site import markup
from telemetry.site.fields import subcommands_of
from telemetry.site.markup import Piece
from telemetry.site.page import Page
from telemetry.site.sentences import VERDICTS


def show_verdicts(page: Page) -> list[Node]:
    """How many claims have which verdict."""
    counts = Counter(claim.verdict for claim in page.content.verification.claims)
    rows = [(_verdict(verdict), str(counts[verdict])) for verdict in VERDICTS if counts[verdict]]
    return [markup.table("Verdicts", ["Verdict", "Statements"], rows)]


def _verdict(verdict: Verdict) -> Node:
    return markup.inline(markup.mark(*VERDICTS[verdict]), f" {verdict}")


def show_claims(page: Page) -> list[Node]:
    """Every claim with its evidence, each a target for its mark."""
    return [_claim(page, claim) for claim in page.content.verification.claims]


def _claim(page: Page, claim: ClaimResult) -> Node:
    anchor = page.anchor("claim", claim.id)
    page.standard.note_object("claim", claim.id, anchor, location=page.name)
    shown = markup.section(anchor, claim.id, "claim")
    mark = markup.mark(*VERDICTS[claim.verdict], claim.verdict)
    shown += markup.paragraph(page.prose(claim.sentence), " ", mark)
    evidence = markup.definitions(_facts(page, claim), "facts")
    shown += markup.folded(f"Evidence for {claim.id}", evidence)
    return shown


def _facts(page: Page, claim: ClaimResult) -> Iterator[tuple[str, Piece]]:
    verification = page.content.verification
    yield "Verdict", _verdict(claim.verdict)
    if claim.reason:
        where: Node = markup.literal(claim.source)
        if claim.source.endswith(".py"):
            where = markup.source(verification.stripepy_hic, claim.source)
        yield "Why", markup.inline(f"{claim.reason} ", where)
    if claim.grounds:
        yield "Reason", "; ".join(claim.grounds)
    if claim.runs:
        yield "Runs", f"{claim.runs}, {' and '.join(claim.modes)}"
    if counts := verification.this_run.counts.get(claim.id):
        yield "Counted", "; ".join(f"{what}: {number:,}" for what, number in sorted(counts.items()))
    if claim.commands:
        more = ", …" if claim.runs > len(claim.commands) else ""
        yield "Among them", markup.inline(markup.codes(claim.commands), more)
    yield "Repeat", markup.literal(f"python scripts/telemetry_claims.py --only {claim.id}")


def show_subcommands(page: Page) -> list[Node]:
    """Which subcommands send which field, ending well or not."""
    alike: dict[tuple[tuple[str, ...], ...], list[Node]] = {}
    for field in page.content.verification.fields:
        sending = (tuple(field.success), tuple(field.failure))
        alike.setdefault(sending, []).append(page.field(field.field))
    rows = [
        (*(subcommands_of(page, names) for names in sending), markup.joined(fields))
        for sending, fields in alike.items()
    ]
    headings = "When all goes well", "When the run fails", "Fields"
    return [markup.table("Subcommands that send each field", headings, rows)]


def show_options(page: Page) -> list[Node]:
    """For each subcommand, what its options change in what is sent; each is a target."""
    alike: dict[tuple[tuple[str, tuple[str, ...]], ...], list[str]] = {}
    every = page.content.verification.options
    for subcommand, of in groupby(every, key=lambda option: option.subcommand):
        options = tuple((option.option, tuple(option.fields)) for option in of)
        alike.setdefault(options, []).append(f"stripepy {subcommand}")
    return [_options(page, programs, options) for options, programs in alike.items()]


def _options(
    page: Page, programs: Sequence[str], options: Sequence[tuple[str, Sequence[str]]]
) -> Node:
    """What the options of some programs change, which have the same options."""
    title = markup.joined(map(markup.literal, programs))
    shown = markup.section(page.anchor("options", programs[0]), title)
    sent, not_sent = list[tuple[Node, Node]](), list[Node]()
    for option, fields in options:
        anchors = [page.anchor(program, option) for program in programs]
        for program, anchor in zip(programs, anchors, strict=True):
            page.standard.add_program_option(program, option, page.name, anchor)
        target = nodes.literal(text=option, ids=anchors, classes=["whole"])
        if fields:
            sent.append((target, markup.inline(*map(page.field, fields))))
        else:
            not_sent.append(target)
    if sent:
        shown += markup.table(f"Options of {programs[0]} that are sent", ["Option", "Field"], sent)
    shown += markup.paragraph("Not sent: ", markup.joined(not_sent))
    return shown


def show_switches(page: Page) -> list[Node]:
    """What each variable and value switches off."""
    values: dict[tuple[str, str], list[Piece]] = {}
    for switch in page.content.verification.switches:
        value = markup.literal(switch.value) if switch.value else "nothing"
        values.setdefault((switch.variable, _effect(switch)), []).append(value)
    rows = [
        (_variable(page, variable), markup.joined(tested), effect)
        for (variable, effect), tested in values.items()
    ]
    headings = "Variable", "Values", "Effect"
    return [markup.table("What switches telemetry off", headings, rows)]


def _effect(switch: SwitchResult) -> str:
    if not switch.sending:
        return "nothing is sent"
    return f"{', '.join(switch.silent)} send nothing" if switch.silent else "no effect"


def _variable(page: Page, name: str, value: str = "") -> Node:
    """An environment variable; where it comes first, it is a target."""
    text = markup.code(name + value)
    if ("envvar", name) not in page.standard.objects:
        anchor = page.anchor("envvar", name)
        page.standard.note_object("envvar", name, anchor, location=page.name)
        text["ids"].append(anchor)
    return text


def show_variables(page: Page) -> list[Node]:
    """What each environment variable changes; first those that do."""
    entries = page.content.verification.variables
    rows = [
        (_variable(page, v.variable, f"={v.value}"), page.prose(summed_up(v.effects)))
        for v in entries
        if v.effects
    ]
    headings = "Variable and value", "What differs"
    shown = markup.table("Variables with an effect", headings, rows)
    others = {v.variable for v in entries} - {v.variable for v in entries if v.effects}
    rest = markup.bullets((_variable(page, name) for name in sorted(others)), "columns")
    summary = f"{len(others)} variables that have no effect of their own"
    return [shown, *markup.folded(summary, rest)]


def show_surroundings(page: Page) -> list[Node]:
    """What each surrounding is made of, in which every subcommand was run."""
    made_of = (
        (
            capitalised(where.name),
            markup.inline(
                markup.codes(where.variables),
                page.prose("".join(f"; {other}" for other in where.others)),
            ),
        )
        for where in page.content.verification.surroundings
    )
    return markup.folded("What these surroundings are made of", markup.definitions(made_of))


def show_delays(page: Page) -> list[Node]:
    """How much later a command ended, by what it met."""
    measured = page.content.verification.this_run.delays.items()
    if not measured:
        return [markup.paragraph("Not tested here: this machine has no network namespaces.")]
    longest = max(most for _, (_, most) in measured) or 1
    rows = [
        (
            capitalised(met),
            markup.bar(ranged(str(least), str(most)), least, most, longest),
            # A thousand times as many seconds.
            ranged(*(f"{seconds * 1000 / 60:.0f}" for seconds in (least, most))),
        )
        for met, (least, most) in sorted(measured, key=lambda one: -one[1][1])
    ]
    headings = "Situation", "Seconds", "Minutes for 1,000 commands in a row"
    return [markup.table("Delay at the end of a command", headings, rows)]


def show_lines(page: Page) -> list[Node]:
    """Every line of StripePy that takes part in telemetry."""
    verification = page.content.verification
    rows = [
        (markup.source(verification.stripepy_hic, f"{line.file}:{line.line}"), line.what)
        for line in verification.places
    ]
    return [markup.table("Lines that take part in telemetry", ["Line", "What it does"], rows)]


def show_source_files(page: Page) -> list[Node]:
    """The files of StripePy that take part, and what each does."""
    release = page.content.verification.stripepy_hic
    does: dict[str, dict[str, None]] = {}
    for line in page.content.verification.places:
        if "network" not in line.what and not line.what.startswith("imports"):
            does.setdefault(line.file, {})[line.what] = None
    alike: dict[str, list[Node]] = {}
    for file, what in does.items():
        link = markup.source(release, file, f"src/stripepy/{file}")
        alike.setdefault(", ".join(what), []).append(link)
    items = (markup.paragraph(markup.joined(links), f": {w}") for w, links in alike.items())
    return [markup.bullets(items)]
