"""Sphinx extension: what each release of StripePy sends. Reads assets only."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from docutils import nodes
from packaging.version import Version
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole

from telemetry import assets, history
from telemetry.errors import UserError
from telemetry.history import OFF, Change, FieldSeen, History, Setup, Step, Stretch
from telemetry.sphinx_ext import (
    breakable,
    captioned_table,
    end_build,
    evidence_of,
    field_link,
    table_row,
    text_with_code,
)

CHOICES = {
    "contemporary": "Those of its day",
    "lowest": "The lowest of all packages",
    "lowest-direct": "The lowest that StripePy itself asks for",
    "locked": "Those of this site's lock",
    "newest": "The newest",
    "pre-releases": "The newest, with pre-releases",
}


def history_of(env: BuildEnvironment) -> History:
    """The history that was read for this build; the page that asks depends on it."""
    env.note_dependency(assets.RELEASES)
    return read_history_of(env.app)


def read_history_of(app: Sphinx) -> History:
    """The history that was read for this build."""
    read: History = app.telemetry_history  # type: ignore[attr-defined]
    return read


def facts(read: History) -> dict[str, str]:
    """Every fact of the history that a page can quote, by name."""
    sending = [setup.release for setup in read.setups if setup.state == "sends"]
    newest = read.newest()
    silent = [r for r in read.releases if Version(r) < Version(sending[0])] if sending else []
    return {
        "first": sending[0] if sending else "none",
        "silent": _listed(silent),
        "newest": newest.release,
        "sdk": newest.sdk,
        "platform": read.platform,
        "python": newest.python,
        "count": str(len(read.releases)),
        "not-tried": _listed(read.not_tried),
    }


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else "".join(words)


class ReleaseFact(SphinxRole):
    """`:release-fact:`NAME``: a fact from the history, as text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        known = facts(history_of(self.env))
        if self.text not in known:
            names = ", ".join(sorted(known))
            message = self.inliner.reporter.error(f"no fact {self.text!r}; there are: {names}")
            return [], [message]
        return [nodes.Text(known[self.text])], []


def _list(items: Iterable[nodes.Node]) -> nodes.bullet_list:
    paragraphs = (nodes.list_item("", nodes.paragraph("", "", item)) for item in items)
    return nodes.bullet_list("", *paragraphs)


class _Shown(SphinxDirective):
    """Something that shows the history."""

    @property
    def history(self) -> History:
        return history_of(self.env)

    def field(self, name: str) -> nodes.Node:
        """The name of a field, linked to what the site says of it, as far as it says anything."""
        if name not in evidence_of(self.env).dictionary:
            return breakable(name)
        return field_link(name, self.env.current_document.docname)

    def table(
        self, title: str, headings: Sequence[str], rows: Iterable[Sequence[nodes.Node]]
    ) -> list[nodes.Node]:
        # Names of fields are long; the other columns hold a word or a mark.
        widths = [2 + len(headings) // 3, *[1] * (len(headings) - 1)]
        body = (table_row(row) for row in rows)
        table = captioned_table(title, headings, widths, body, "release-table")
        self.set_source_info(table)
        return [table]

    def changes(self, step: Step, new: str = "New") -> list[nodes.Node]:
        return [_list(self._change(change, new) for change in step.changes)]

    def _change(self, change: Change, new: str) -> nodes.Node:
        parts: list[str | nodes.Node]
        match change.kind:
            case "added":
                parts = [f"{new}: ", self.field(change.what), f", sent by {change.after}."]
            case "removed":
                parts = ["No longer sent: ", self.field(change.what), "."]
            case "renamed":
                parts = [
                    "Renamed: ",
                    breakable(change.before),
                    " is now ",
                    self.field(change.after),
                    ".",
                ]
            case "condition":
                parts = [
                    self.field(change.what),
                    f": sent by {change.after or 'nothing'}; before, by {change.before}.",
                ]
            case "type" | "values":
                noun = "type" if change.kind == "type" else "value"
                parts = [
                    self.field(change.what),
                    f": the {noun} is ",
                    _code(change.after),
                    "; before, it was ",
                    _code(change.before),
                    ".",
                ]
            case "state":
                parts = [f"Now, {_told(change.after)}; before, {_told(change.before)}."]
            case "off":
                told = (
                    f" with {change.what}: {change.after or '-'}; before: {change.before or '-'}."
                )
                parts = [breakable(OFF), told]
            case _:
                parts = [breakable(change.what), ": ", text_with_code(_turn(change)), "."]
        pieces = (nodes.Text(part) if isinstance(part, str) else part for part in parts)
        return nodes.inline("", "", *pieces)


def _told(state: str) -> str:
    """A state with its reason, within a sentence."""
    return f"it {state}".rstrip(".")


def _turn(change: Change) -> str:
    """What is new and what is gone of a list of effects."""
    before, after = (text.split("; ") for text in (change.before or "none", change.after or "none"))
    new = [effect for effect in after if effect not in before]
    gone = [effect for effect in before if effect not in {*after, "no effect"}]
    told = [("now", new), ("no longer", gone)]
    return "; ".join(f"{word} {', '.join(effects)}" for word, effects in told if effects)


def _code(text: str) -> nodes.Node:
    return breakable(text) if text else nodes.Text("empty")


class ReleaseChanges(_Shown):
    """`.. release-changes::`: what each release brought, newest first, each with an anchor."""

    def run(self) -> list[nodes.Node]:
        return [self._release(release) for release in reversed(self.history.releases)]

    def _release(self, release: str) -> nodes.Node:
        identifier = nodes.make_id(f"release-{release}")
        section = nodes.section(ids=[identifier], names=[])
        title = f"StripePy {release}"
        section += nodes.title(text=title)
        self.env.domains.standard_domain.note_hyperlink_target(
            identifier, self.env.docname, identifier, title
        )
        by_choice = {s.dependencies: s for s in self.history.setups if s.release == release}
        then = by_choice["contemporary"]
        section += nodes.paragraph("", "", nodes.Text(_of_its_day(then)))
        section += self._news(then)
        if then.switched_off:
            section += nodes.paragraph("", "", text_with_code(_switched_off(then)))
        section += nodes.paragraph("", "", nodes.Text(_today(by_choice["newest"])))
        return section

    def _news(self, then: Setup) -> list[nodes.Node]:
        steps = [
            step
            for step in self.history.differences
            if (step.after, step.dependencies) == (then.release, "contemporary")
        ]
        if not steps:
            return []
        [step] = steps
        if then.state == "sends" and any(change.kind == "state" for change in step.changes):
            text = f"The first that sends anything: {len(then.fields)} fields, listed below."
            return [nodes.paragraph("", text)]
        if step.changes:
            return self.changes(step)
        same = "What is sent is the same as" if then.fields else "Nothing is sent, as"
        return [nodes.paragraph("", f"{same} with {step.before}.")]


def _of_its_day(setup: Setup) -> str:
    sdk = f" with opentelemetry-sdk {setup.sdk}" if setup.sdk else ""
    tried = {
        "sends": f"It was run{sdk}, as on that day.",
        "sends nothing": f"It was run{sdk}, as on that day: it sent nothing,"
        f" and {_reached_for(setup)}.",
        "cannot run": f"With the dependencies of that day it cannot run here: {setup.reason}.",
        "not tried": f"With the dependencies of that day it was not tried: {setup.reason}.",
    }[setup.state]
    return f"Uploaded on {setup.uploaded}. {tried}"


def _reached_for(setup: Setup) -> str:
    """What a silent release tried to reach, in words."""
    reached = {attempt: run.command.split()[1] for run in setup.runs for attempt in run.reached_for}
    if not reached:
        return "tried to reach nothing"
    told = _listed([f"a {attempt} by {command}" for attempt, command in reached.items()])
    return f"tried nothing but {told}, which was asked to fetch data"


def _switched_off(setup: Setup) -> str:
    """What StripePy's own switch does in a release that sends."""
    others = [(n, effect) for n, effect in setup.switched_off.items() if effect != "sends nothing"]
    if not others:
        count = len(setup.switched_off)
        return f"With `{OFF}`, none of the {count} subcommands that were tried sends anything."
    told = _listed([f"{name} {effect}" for name, effect in others])
    return f"With `{OFF}`, not every subcommand sends nothing: {told}."


def _today(setup: Setup) -> str:
    if setup.state in {"sends", "sends nothing"}:
        sdk = f", opentelemetry-sdk {setup.sdk} among them" if setup.sdk else ""
        outcome = f"{len(setup.fields)} fields are sent" if setup.fields else "nothing is sent"
        return f"With today's newest dependencies{sdk}, {outcome}."
    outcome = {"cannot run": "it cannot run", "not tried": "it was not tried"}[setup.state]
    return f"With today's newest dependencies {outcome}: {setup.reason}."


class ReleaseFields(_Shown):
    """`.. release-fields::`: every field, and the releases that send it."""

    def run(self) -> list[nodes.Node]:
        columns = [s for s in self.history.of("contemporary") if s.state == "sends"]
        newest = self.history.newest()
        if newest.state == "sends":
            columns.append(newest)
        names = sorted({name for setup in columns for name in setup.fields})
        headings = ["Field", *(_heading(setup) for setup in columns)]
        rows = [
            [self.field(name), *(_sent(setup.fields.get(name)) for setup in columns)]
            for name in names
        ]
        return self.table("Fields that each release sends", headings, rows)


def _heading(setup: Setup) -> str:
    return setup.release if setup.dependencies == "contemporary" else f"{setup.release} today"


def _sent(seen: FieldSeen | None) -> nodes.Node:
    symbol, word = ("✓", "sent") if seen else ("-", "not sent")
    hidden = nodes.inline("", f" {word}", classes=["visually-hidden"])
    return nodes.inline("", "", nodes.Text(symbol), hidden, classes=["sent" if seen else "unsent"])


class ReleaseGone(_Shown):
    """`.. release-gone::`: what was sent once, and no longer is."""

    def run(self) -> list[nodes.Node]:
        gone = self.history.no_longer_sent()
        if not gone:
            return [nodes.paragraph("", "Nothing: every field that was ever sent still is.")]
        return [
            _list(
                nodes.inline("", "", breakable(name), nodes.Text(f": last sent by {release}."))
                for name, release in gone.items()
            )
        ]


class ReleaseRange(_Shown):
    """`.. release-range::`: the newest release with every choice of dependencies and Python."""

    def run(self) -> list[nodes.Node]:
        setups = [*self.history.range, *self.history.pythons]
        rows = [
            [
                nodes.Text(CHOICES[setup.dependencies]),
                nodes.Text(setup.python or "-"),
                nodes.Text(setup.sdk or "-"),
                nodes.Text(_outcome(setup)),
            ]
            for setup in setups
        ]
        headings = ("Dependencies", "Python", "SDK", "Outcome")
        release = self.history.newest().release
        return self.table(
            f"StripePy {release} over its range of dependencies; SDK is opentelemetry-sdk",
            headings,
            rows,
        )


def _outcome(setup: Setup) -> str:
    return f"sends {len(setup.fields)} fields" if setup.state == "sends" else setup.told_state


class ReleaseStretches(_Shown):
    """`.. release-stretches::`: the releases of a package, where nothing changes put together."""

    def run(self) -> list[nodes.Node]:
        stretches = self.history.stretches
        headings = (stretches[0].package, "Outcome")
        rows = [
            [nodes.Text(_between(s.first, s.last)), nodes.Text(_outcome(s.setup))]
            for s in stretches
        ]
        release = self.history.newest().release
        return self.table(
            f"StripePy {release} over the releases of {stretches[0].package}", headings, rows
        )


def _between(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


class ReleaseTurns(_Shown):
    """`.. release-turns::`: releases of a dependency with which something changed."""

    def run(self) -> list[nodes.Node]:
        if not self.history.bisected:
            return [nodes.paragraph("", "No release of a dependency changes anything.")]
        listing = nodes.definition_list()
        for step in self.history.bisected:
            term = f"From {step.package} {step.after} on (before: {step.before})"
            new = f"Only with {step.package} {step.after} or newer"
            listing += nodes.definition_list_item(
                "", nodes.term(text=term), nodes.definition("", *self.changes(step, new))
            )
        return [listing]


class ReleaseSettings(_Shown):
    """`.. release-settings::`: what switches and settings do over the releases of a package."""

    def run(self) -> list[nodes.Node]:
        sending = [s for s in self.history.stretches if s.setup.state == "sends"]
        names = dict.fromkeys(n for s in sending for n in (*s.setup.switches, *s.setup.settings))
        rows = [[breakable(name), _effects(sending, name)] for name in names]
        title = f"Variables, with every {sending[0].package} that sends"
        return self.table(title, ("Variable", "Effect"), rows)


def _effects(stretches: Sequence[Stretch], name: str) -> nodes.Node:
    """What a variable does; where that is not the same everywhere, with which releases."""

    def effect(stretch: Stretch) -> str:
        setup = stretch.setup
        return setup.switches.get(name) or "; ".join(setup.settings[name]) or "no effect"

    told = [(what, list(alike)) for what, alike in groupby(stretches, key=effect)]
    if len(told) == 1:
        return text_with_code(told[0][0])
    return text_with_code(
        ". ".join(f"{_between(alike[0].first, alike[-1].last)}: {what}" for what, alike in told)
    )


class ReleaseMachine(_Shown):
    """`.. release-machine::`: fields whose values depend on the machine."""

    def run(self) -> list[nodes.Node]:
        dictionary = evidence_of(self.env).dictionary
        return [_list(self.field(n) for n, f in dictionary.items() if f.varies == "by machine")]


def _read(app: Sphinx) -> None:
    try:
        app.telemetry_history = history.load()  # type: ignore[attr-defined]
    except UserError as error:
        end_build(error)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("telemetry.sphinx_ext")
    app.add_role("release-fact", ReleaseFact())
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    app.connect("builder-inited", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


DIRECTIVES: dict[str, type[_Shown]] = {
    "release-changes": ReleaseChanges,
    "release-fields": ReleaseFields,
    "release-gone": ReleaseGone,
    "release-machine": ReleaseMachine,
    "release-range": ReleaseRange,
    "release-settings": ReleaseSettings,
    "release-stretches": ReleaseStretches,
    "release-turns": ReleaseTurns,
}
