"""What the pages show: the committed files, read and checked once for each build."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeVar
from urllib.parse import urlsplit

from docutils.parsers.rst import DirectiveError
from docutils.utils import Reporter

from telemetry.records import claims, fields, files, handling, releases, table
from telemetry.records.claims import Example, Verdict, Verification
from telemetry.records.exits import UserError
from telemetry.records.fields import Dictionary
from telemetry.records.releases import History
from telemetry.records.rows import Row
from telemetry.records.runs import Network
from telemetry.records.table import Documented
from telemetry.records.words import listed, ranged

Value = TypeVar("Value")

FACT = re.compile(r"\{fact:([\w.-]+)\}")

# A claim with any other verdict must not appear on a page.
MARKS = {
    Verdict.HOLDS: ("✓", "holds"),
    Verdict.KNOWN_LIMIT: ("!", "limit"),
    Verdict.NOT_TRIED: ("?", "not-tried"),
}


@dataclass(frozen=True)
class Content:
    """What the pages show: records that agree with each other and may be published."""

    run: Documented
    dictionary: Dictionary
    handling: Mapping[str, str]  # what the maintainers state, by "section.key"
    verification: Verification
    history: History

    def __post_init__(self) -> None:
        origin, verified = self.run.provenance, self.verification
        rows = []
        for name, value in self.run.table:
            # The table has neither part nor type: take the dictionary's, which the capture checked.
            entry = self.dictionary.get(name)
            part, type_ = (entry.part, entry.type[0]) if entry else ("datum", "")
            rows.append(Row(name, value, part, type_))
        found = self.dictionary.compare(
            rows,
            origin.subcommand,
            outcome="failure" if origin.exit_status else "success",
            versions=origin.versions,
        )
        if found:
            raise UserError(f"{files.shown(files.TABLE)}: {found[0]}", table.FIX)
        where = files.shown(files.CLAIMS)
        if verified.stripepy_hic != origin.stripepy_hic:
            of = f"is for stripepy-hic {verified.stripepy_hic}, the table for {origin.stripepy_hic}"
            raise UserError(f"{where}: {of}", claims.FIX)
        for claim in verified.claims:
            if claim.verdict not in MARKS:
                raise UserError(f"{where}: {claim.id}: {claim.verdict}", claims.FIX)

        for name, text in self.handling.items():
            if lacking := set(FACT.findall(text)) - self.facts.keys():
                where = f"{files.shown(files.DATA_HANDLING)}: {name}"
                fix = "correct the sentence"
                raise UserError(f"{where}: there is no {', '.join(lacking)}", fix)

    @cached_property
    def variables(self) -> set[str]:
        switches, others = self.verification.switches, self.verification.variables
        return {switch.variable for switch in switches} | {other.variable for other in others}

    @cached_property
    def sentences(self) -> dict[str, str]:
        """The sentences that a page can include, by name: claims, `stated` and `not_stated`."""
        stated = ((name, text) for name, text in self.handling.items() if "stated." in name)
        return {claim.id: claim.sentence for claim in self.verification.claims} | dict(stated)

    def filled(self, text: str, shown: Callable[[str], str] = str) -> str:
        """Fill in the facts of a text, each converted by `shown`."""
        return FACT.sub(lambda found: shown(look_up(self.facts, found[1], "fact")), text)

    def example(self, field: str) -> Example | None:
        """A value that the documented run sent, or else a run of the verification."""
        sent = dict(self.run.table)
        if field in sent:
            return Example(value=sent[field], command=self.run.provenance.command)
        return self.verification.this_run.examples.get(field)

    @cached_property
    def facts(self) -> dict[str, str]:
        """Every fact that a page can quote, by name."""
        origin, verified, history = self.run.provenance, self.verification, self.history
        newest, tested = history.newest(), verified.switches
        sample = table.sha256(files.SAMPLE.read_bytes()) if files.SAMPLE.is_file() else ""
        on_sample = sample in origin.inputs.values()
        weak = {switch.variable for switch in tested if not switch.switches_off}
        switches = dict.fromkeys(f"`{s.variable}`" for s in tested if s.variable not in weak)
        first = next(setup.release for setup in history.setups if setup.state == "sends")
        silent = history.releases[: history.releases.index(first)]
        waiting = [n for n in Network if n.waits]
        collector = urlsplit(str(origin.exporters[0]["endpoint"]))
        return {
            "command": origin.command,
            "run": "one run on a small synthetic contact map" if on_sample else "one run",
            "collector": f"{collector.hostname}, TCP port {collector.port}",
            "count": str(sum(field != "duration_ms" for field, _ in self.run.table)),
            "body": f"{origin.this_run.body_bytes} bytes",
            "gzip": f"{origin.this_run.gzip_bytes} bytes",
            "stripepy": origin.stripepy_hic,
            "sdk": origin.this_run.opentelemetry_sdk,
            "python": origin.this_run.python,
            "verified": verified.this_run.date,
            "platform": verified.this_run.platform,
            "verified.python": verified.this_run.versions.get("python", "unknown"),
            "commit": verified.this_run.commit or "not recorded",
            "claims": str(len(verified.claims)),
            "runs": str(verified.this_run.runs),
            "switches": " or ".join(switches),
            "delay.answers": self._delay(Network.ANSWERS),
            "delay.any": self._delay(*waiting),
            "delay": self._delay(*(n for n in waiting if n is not Network.SILENT_NAME_SERVER)),
            "delay.no-network": self._delay(Network.NO_NETWORK),
            "delay.name-server": self._delay(Network.SILENT_NAME_SERVER),
            "first": first,
            "releases": str(len(history.releases)),
            "releases.newest": newest.release,
            "releases.silent": listed(silent),
            "releases.platform": history.platform,
            "releases.python": newest.python,
            "releases.not-tried": listed(history.not_tried),
            **self.handling,
        }

    def _delay(self, *networks: Network) -> str:
        delays = self.verification.this_run.delays
        measured = [delays[network] for network in networks if network in delays]
        if not measured:
            return "a few seconds"
        if max(measured) < 1:
            return "less than a second"
        ends = (str(round(end)) for end in (min(measured), max(measured)))
        seconds = ranged(*ends)
        return f"about {seconds} second{'' if seconds == '1' else 's'}"


def look_up(names: Mapping[str, Value], name: str, what: str) -> Value:
    """Return what a page asks for by name; `what` is its kind, for the error message."""
    if name not in names:
        there = f"no {what} {name!r}; there are: {', '.join(sorted(names))}"
        raise DirectiveError(Reporter.ERROR_LEVEL, there)
    return names[name]


@cache
def read() -> Content:
    """Read the committed files, once per build: each build starts by clearing the cache."""
    return Content(table.load(), fields.load(), handling.load(), claims.load(), releases.load())
