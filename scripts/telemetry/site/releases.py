"""Releases: what each release of StripePy sends, and how dependencies change that."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from docutils import nodes
from docutils.nodes import Node

from telemetry.records.releases import OFF, FieldSeen, History, Setup, Step, Stretch
from telemetry.records.words import capitalised, listed, ranged, summed_up
from telemetry.site import markup
from telemetry.site.markup import Piece
from telemetry.site.page import Page

CHOICES = {
    "lowest": "The lowest of all packages",
    "lowest-direct": "The lowest that StripePy itself asks for",
    "locked": "Those that this site is built with",
    "newest": "The newest",
    "pre-releases": "The newest, with pre-releases",
}

CLASS = "release-table"


def show_release_changes(page: Page) -> list[Node]:
    history = page.content.history
    shown: list[Node] = [markup.paragraph(page.prose(_switched_off(history)))]
    for release in reversed(history.releases):
        title = f"StripePy {release}"
        anchor = nodes.make_id(f"release-{release}")
        page.standard.note_hyperlink_target(anchor, page.name, anchor, title)
        section = markup.section(anchor, title)
        section += markup.definitions(_facts(page, release), "facts")
        shown.append(section)
    return shown


def _facts(page: Page, release: str) -> Iterator[tuple[str, Piece]]:
    history = page.content.history
    by_choice = {setup.dependencies: setup for setup in history.setups if setup.release == release}
    then, today = by_choice["contemporary"], by_choice["newest"]
    yield "Uploaded", then.uploaded
    yield "At its release", page.prose(f"{_outcome_with_sdk(then)}{_reached_for(then)}")
    yield "Today", _outcome_with_sdk(today)
    for step in history.differences:
        if step.after == release:
            nothing = f"nothing, compared with {step.before}"
            yield "Changed", _changes(page, step) if step.changes else nothing


def _outcome(setup: Setup) -> str:
    return f"sends {len(setup.fields)} fields" if setup.state == "sends" else setup.told_state


def _outcome_with_sdk(setup: Setup) -> str:
    sdk = f", with opentelemetry-sdk {setup.sdk}" if setup.sdk and not setup.reason else ""
    return f"{_outcome(setup)}{sdk}"


def _reached_for(setup: Setup) -> str:
    """What a silent release tried to reach, in words."""
    if setup.state != "sends nothing":
        return ""
    reached = {attempt: run.command.split()[1] for run in setup.runs for attempt in run.reached_for}
    told = listed([f"a {attempt} by `{command}`" for attempt, command in reached.items()])
    if not told:
        return "; it attempted no connection"
    return f"; all that it attempted was {told}, which was asked to fetch data"


def _switched_off(history: History) -> str:
    tested = [setup for setup in history.of("contemporary") if setup.switched_off]
    others = [
        f"`{name}` of {setup.release} {effect}"
        for setup in tested
        for name, effect in setup.switched_off.items()
        if effect != "sends nothing"
    ]
    if others:
        return f"With `{OFF}`, not every subcommand sends nothing: {listed(others)}."
    releases = listed([setup.release for setup in tested])
    return f"With `{OFF}`, no subcommand of {releases} sends anything."


def _changes(page: Page, step: Step) -> nodes.bullet_list:
    told = (capitalised(f"{str(change).rstrip('.')}.") for change in step.changes)
    return markup.bullets(map(page.prose, told))


def show_release_fields(page: Page) -> list[Node]:
    history = page.content.history
    columns = {s.release: s for s in history.of("contemporary") if s.state == "sends"}
    columns[f"{history.newest().release} today"] = history.newest()
    names = sorted({name for setup in columns.values() for name in setup.fields})
    sent = {name: [s.fields.get(name) for s in columns.values()] for name in names}
    rows = [(page.field(n), *map(_sent, seen)) for n, seen in sent.items() if not all(seen)]
    same = markup.bullets((page.field(n) for n in names if all(sent[n])), "columns")
    title = "Fields that some of the releases send"
    table = [markup.table(title, ["Field", *columns], rows, CLASS)] if rows else []
    return [*table, *markup.folded(f"Fields that all of them send: {len(same)}", same)]


def _sent(seen: FieldSeen | None) -> Node:
    symbol, word, class_ = ("✓", "sent", "sent") if seen else ("-", "not sent", "unsent")
    return markup.inline(symbol, markup.hidden(word), class_=class_)


def show_gone_fields(page: Page) -> list[Node]:
    history = page.content.history
    last = {name: setup.release for setup in history.setups for name in setup.fields}
    gone = [name for name in last if name not in history.newest().fields]
    if not gone:
        return [markup.paragraph("Nothing: every field that was ever sent still is.")]
    return [markup.bullets(page.prose(f"`{name}`: last sent by {last[name]}.") for name in gone)]


def show_dependency_choices(page: Page) -> list[Node]:
    history = page.content.history
    rows = [
        (CHOICES[setup.dependencies], setup.python or "-", setup.sdk or "-", _outcome(setup))
        for setup in (*history.range, *history.pythons)
    ]
    release = history.newest().release
    title = f"StripePy {release} over its range of dependencies; SDK is opentelemetry-sdk"
    return [markup.table(title, ("Dependencies", "Python", "SDK", "Outcome"), rows, CLASS)]


def show_sdk_stretches(page: Page) -> list[Node]:
    history = page.content.history
    package = history.stretches[0].package
    ways = {way: None for s in history.stretches for way in s.setup.delays}
    rows = [
        (ranged(s.first, s.last), _outcome(s.setup), *(_seconds(s.setup, way) for way in ways))
        for s in history.stretches
    ]
    title = f"StripePy {history.newest().release} over the releases of {package}"
    headings = package, "Outcome", *(f"Delay if {way}" for way in ways)
    return [markup.table(title, headings, rows, CLASS)]


def _seconds(setup: Setup, way: str) -> str:
    return setup.told_delay(way) if setup.state == "sends" else "-"


def show_sdk_changes(page: Page) -> list[Node]:
    steps = page.content.history.bisected
    if not steps:
        return [markup.paragraph("No release of a dependency changes anything.")]
    told = (
        (f"From {step.package} {step.after} on (before: {step.before})", _changes(page, step))
        for step in steps
    )
    return [markup.definitions(told)]


def show_sdk_settings(page: Page) -> list[Node]:
    sending = [s for s in page.content.history.stretches if s.setup.state == "sends"]
    names = dict.fromkeys(n for s in sending for n in (*s.setup.switches, *s.setup.settings))
    rows = [(markup.code(name), page.prose(_effects(sending, name))) for name in names]
    title = f"Variables over the releases of {sending[0].package} that send"
    return [markup.table(title, ("Variable", "Effect"), rows, CLASS)]


def _effects(stretches: Sequence[Stretch], variable: str) -> str:
    """What a variable does; if that differs between releases, with which."""

    def effect(stretch: Stretch) -> str:
        setup = stretch.setup
        return setup.switches.get(variable) or summed_up(setup.settings[variable]) or "no effect"

    told = [(what, list(alike)) for what, alike in groupby(stretches, key=effect)]
    if len(told) == 1:
        return told[0][0]
    return ". ".join(f"{ranged(alike[0].first, alike[-1].last)}: {what}" for what, alike in told)
