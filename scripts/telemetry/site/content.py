"""What the pages show: the committed files, read and checked once for each build."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from packaging.version import Version

from telemetry.records import claims, fields, files, handling, releases, table
from telemetry.records.claims import PUBLISHED, Verification
from telemetry.records.exits import UserError
from telemetry.records.fields import Dictionary
from telemetry.records.releases import History
from telemetry.records.rows import Row
from telemetry.records.runs import Network
from telemetry.records.table import Documented

Value = TypeVar("Value")

FACT = re.compile(r"\{fact:([\w.-]+)\}")


class Unknown(Exception):  # noqa: N818 -- a page can be mended
    """A page asks for something that is not among its content."""


@dataclass(frozen=True)
class Content:
    """What the pages show.

    Attributes:
        run: The documented run.
        dictionary: What each field means.
        handling: What the maintainers state, by "section.key".
        verification: What became of every claim.
        history: What each release sends.
    """

    run: Documented
    dictionary: Dictionary
    handling: Mapping[str, str]
    verification: Verification
    history: History

    @cached_property
    def variables(self) -> frozenset[str]:
        """Every environment variable that was tested."""
        seen = self.verification
        return frozenset(
            [*(entry.variable for entry in seen.switches), *(e.variable for e in seen.variables)]
        )

    def filled(self, text: str) -> str:
        """A text in which `{fact:NAME}` stands for a fact."""
        return FACT.sub(lambda found: look_up(self.facts, found[1], "fact"), text)

    @property
    def statements(self) -> dict[str, dict[str, str]]:
        """What the maintainers state, by section and key."""
        sections: dict[str, dict[str, str]] = {}
        for name, text in self.handling.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, {})[key] = text
        return sections

    @cached_property
    def facts(self) -> dict[str, str]:
        """Every fact that a page can quote, by name."""
        origin, verified, history = self.run.provenance, self.verification, self.history
        exporter, newest = origin.exporters[0], history.newest()
        sending = [setup.release for setup in history.setups if setup.state == "sends"]
        first = sending[0] if sending else "none"
        silent = [r for r in history.releases if sending and Version(r) < Version(first)]
        slowest = (Network.SILENT_NAME_SERVER,)
        return {
            "command": origin.command,
            "run": self._run(),
            "count": str(sum(field != "duration_ms" for field, _ in self.run.table)),
            "body": f"{origin.this_run.body_bytes} bytes",
            "gzip": f"{origin.this_run.gzip_bytes} bytes",
            "endpoint": exporter["endpoint"],
            "timeout": f"{exporter['timeout']} seconds",
            "compression": exporter["compression"],
            "stripepy": origin.stripepy_hic,
            "sdk": origin.this_run.opentelemetry_sdk,
            "python": origin.this_run.python,
            "verified": verified.this_run.date,
            "commit": verified.this_run.commit or "not recorded",
            "claims": str(len(verified.claims)),
            "runs": str(verified.this_run.runs),
            "switches": " or ".join(f"`{name}`" for name in self._switches()),
            "delay.answers": self._delay([Network.ANSWERS]),
            "delay": self._delay(n for n in Network if n.waits and n not in slowest),
            "delay.no-network": self._delay([Network.NO_NETWORK]),
            "delay.name-server": self._delay(slowest),
            "first": first,
            "releases": str(len(history.releases)),
            "releases.newest": newest.release,
            "releases.silent": listed(silent),
            "releases.platform": history.platform,
            "releases.python": newest.python,
            "releases.not-tried": listed(history.not_tried),
            **self.handling,
        }

    def _run(self) -> str:
        sample = table.sha256(files.SAMPLE.read_bytes()) if files.SAMPLE.is_file() else ""
        on_sample = sample in self.run.provenance.inputs.values()
        return "one run on a small synthetic contact map" if on_sample else "one run"

    def _switches(self) -> list[str]:
        """Variables that switch telemetry off whatever their value."""
        tested = self.verification.switches
        weak = {switch.variable for switch in tested if switch.sending or not switch.silent}
        return list(dict.fromkeys(s.variable for s in tested if s.variable not in weak))

    def _delay(self, networks: Iterable[Network]) -> str:
        delays = self.verification.this_run.delays
        measured = [delays[network] for network in networks if network in delays]
        if not measured:
            return "some seconds"
        least, most = min(least for least, _ in measured), max(most for _, most in measured)
        if most < 1:
            return "less than a second"
        least, most = round(least), round(most)
        return f"about {least} seconds" if least == most else f"about {least} to {most} seconds"


def look_up(names: Mapping[str, Value], name: str, what: str) -> Value:
    """What a page asks for by name.

    Args:
        names: What there is.
        name: What the page asks for.
        what: The kind of thing, in words.

    Raises:
        Unknown: If there is no such thing.
    """
    if name not in names:
        raise Unknown(f"no {what} {name!r}; there are: {', '.join(sorted(names))}")
    return names[name]


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else "".join(words)


def capitalised(text: str) -> str:
    """A text as a sentence begins it."""
    return text[:1].upper() + text[1:]


def read() -> Content:
    """Read every committed file, and check that they agree.

    Raises:
        UserError: If one is missing, malformed, outdated, or not fit to be published.
    """
    content = Content(table.load(), fields.load(), handling.load(), claims.load(), releases.load())
    check(content)
    return content


def check(content: Content) -> None:
    """Check that what was read agrees, and may be published.

    Raises:
        UserError: If not; names the first thing that is wrong.
    """
    origin, verified = content.run.provenance, content.verification
    found = content.dictionary.compare(
        [_row(field, value, content.dictionary) for field, value in content.run.table],
        origin.subcommand,
        outcome="failure" if origin.exit_status else "success",
        versions=origin.versions,
    )
    if found:
        raise UserError(f"{files.shown(files.TABLE)}: {found[0]}", table.MEND)
    if verified.stripepy_hic != origin.stripepy_hic:
        of = f"is of stripepy-hic {verified.stripepy_hic}, the table of {origin.stripepy_hic}"
        raise UserError(f"{files.shown(files.CLAIMS)}: {of}", claims.MEND)
    if bad := [claim for claim in verified.claims if claim.verdict not in PUBLISHED]:
        raise UserError(f"{files.shown(files.CLAIMS)}: {bad[0].id}: {bad[0].verdict}", claims.MEND)


def _row(field: str, value: str, dictionary: Dictionary) -> Row:
    # The table has neither part nor type; the capture compared them with the dictionary.
    entry = dictionary.get(field)
    return Row(field, value, entry.part if entry else "datum", entry.type[0] if entry else "")
