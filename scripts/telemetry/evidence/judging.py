"""How a claim is decided: it is a sentence with a judge, which looks at observations."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from google.protobuf.message import DecodeError

from telemetry.evidence.subcommands import Subcommand
from telemetry.records.claims import LineResult, Verdict
from telemetry.records.fields import Dictionary, Outcome
from telemetry.records.findings import Finding, Kind
from telemetry.records.runs import Ending, NotTried, Observation, Run
from telemetry.records.table import Documented
from telemetry.table import differences, otlp

SHOWN_GROUNDS = 3


class Void(Exception):  # noqa: N818 -- no error: a verdict
    """There was nothing to look at, or a control failed: no verdict is possible."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that judges look at."""

    topics: Mapping[str, Sequence[Run]]  # the runs, by topic
    observations: Mapping[str, Sequence[Observation]]  # what was seen, by topic
    subcommands: Sequence[Subcommand]  # the program's subcommands, from its own parser
    lines: Sequence[LineResult]  # the lines of the program that take part in telemetry
    setters: Mapping[str, Sequence[str]]  # the lines that set each field, as file:line
    dictionary: Dictionary  # what the site says of each field
    documented: Documented  # the documented run
    versions: Mapping[str, str]  # installed versions, by package
    changed_files: Sequence[str] = ()  # what the runs changed where packages are installed

    @cached_property
    def by_name(self) -> Mapping[str, Observation]:
        """Every observation by the name of its run."""
        return {seen.run.name: seen for all_ in self.observations.values() for seen in all_}

    @property
    def runs_made(self) -> int:
        """How many runs this machine could make."""
        return sum(not seen.not_tried for seen in self.by_name.values())

    @property
    def exporter(self) -> Mapping[str, object]:
        """The settings that stripepy gave its exporter in the documented run."""
        [exporter] = self.documented.provenance.exporters
        return exporter

    def values(self, seen: Observation) -> dict[str, str]:
        """Return what a run sent, by field."""
        return {row.field: row.value for row in otlp.rows(seen.body)}

    def settled(self, seen: Observation) -> dict[str, str]:
        """Return what a run sent, by field, with the values that differ from run to run masked."""
        return differences.settled(seen, self.dictionary)

    def differing(self, one: Observation, other: Observation) -> list[str]:
        """Return the fields in which two runs differ, other than those that always do."""
        return sorted(dict(self.settled(one).items() ^ self.settled(other).items()))


def outcome(seen: Observation) -> Outcome:
    """Return how a run ended, in the dictionary's terms."""
    if seen.run.ending is Ending.SIGINT:
        return "interruption"
    # A pipe that its reader has closed is no failure: StripePy had done its work by then.
    closed = seen.run.ending is Ending.CLOSED_PIPE
    return "failure" if seen.exit_status and not closed else "success"


def untimed_messages(seen: Observation) -> str:
    """Return what a run printed to stderr, without its folder's path and numbers such as times."""
    folder = str(PurePosixPath(seen.folder).parent)
    return re.sub(r"\d[\d:.]*(ms|us|ns|s|m)?", "", seen.stderr.replace(folder, ""))


class Trial:
    """What a judge works with: it gives access to runs, and records what was expected of them."""

    def __init__(self, evidence: Evidence, topics: Sequence[str]) -> None:
        self.evidence = evidence
        self.topics = topics
        self.looked_at: dict[str, Observation] = {}  # the runs that decide, by name
        self.failures: list[str] = []
        self.missing: list[str] = []
        self.counts: Counter[str] = Counter()
        self.facts: dict[str, str] = {}  # what the claim's sentence is completed with

    def runs(
        self, *topics: str, where: Callable[[Observation], bool] = lambda _: True
    ) -> list[Observation]:
        """Look at the runs of some topics, by default all of the claim's.

        Raises:
            NotTried: If this machine can make none of them.
            Void: If there are none, or if one timed out or nothing was seen of it.
        """
        chosen = [
            seen
            for topic in topics or self.topics
            for seen in self.evidence.observations.get(topic, ())
            if where(seen)
        ]
        tested = [seen for seen in chosen if not seen.not_tried]
        if chosen and not tested:
            raise NotTried(chosen[0].not_tried)
        if not tested:
            raise Void(f"no run of {', '.join(topics or self.topics)} to look at")
        return [self._look_at(seen) for seen in tested]

    def run(self, name: str) -> Observation:
        """Look at one run.

        Raises:
            NotTried: If this machine cannot make it.
            Void: If it was not made, timed out, or nothing was seen of it.
        """
        seen = self.evidence.by_name.get(name)
        if seen is None:
            raise Void(f"the run {name!r} was not made")
        if seen.not_tried:
            raise NotTried(seen.not_tried)
        return self._look_at(seen)

    def data_sets(self) -> dict[str, dict[str, str]]:
        """Return the data sets that `stripepy download` lists, by name.

        Raises:
            NotTried, Void: As for `run`; also Void if the list cannot be read.
        """
        listing = self.run("download").stdout
        try:
            listed: dict[str, dict[str, str]] = json.loads(listing)
        except ValueError:
            raise Void(f"`stripepy download --list-only` prints {listing!r:.60}") from None
        return listed

    def _look_at(self, seen: Observation) -> Observation:
        self.looked_at[seen.run.name] = seen
        if seen.fault or seen.timed_out:
            why = seen.fault or "did not end in time"
            raise Void(f"`{seen.run.command}` ({seen.run.name}): {why}")
        return seen

    def control(self, sends: Observation) -> None:
        """Require that a run sends something; otherwise, another run's silence proves nothing.

        Raises:
            Void: If it does not.
        """
        if not sends.bodies:
            raise Void(f"the control `{sends.run.command}` ({sends.run.name}) sent nothing either")

    def expect(self, holds: bool, otherwise: str) -> None:
        """Record one expectation, and what is wrong if it does not hold."""
        self.counts["checks"] += 1
        if not holds:
            self.failures.append(otherwise)

    def require_tested(self, missing: Iterable[str], what: str) -> None:
        """Prevent a verdict if conditions are missing, unless an expectation fails anyway."""
        self.counts["checks"] += 1
        if without := sorted(missing):
            self.missing.append(f"{what} was not tested with {without}")

    def expect_equal(self, found: object, expected: object, what: str) -> None:
        """Expect a value, and record what was found instead."""
        self.expect(found == expected, f"{what}: {found}, expected {expected}")

    def expect_message(self, seen: Observation) -> None:
        """Expect that a run sent exactly one message."""
        what = f"`{seen.run.command}` ({seen.run.name}) sent {len(seen.bodies)} messages"
        self.expect(len(seen.bodies) == 1, what)

    def expect_silence(self, seen: Observation) -> None:
        """Expect that a run sent nothing and did not try to."""
        noise = [f"{len(seen.bodies)} messages"] if seen.bodies else []
        noise += seen.attempts
        if seen.seen_on_wire:
            noise += [f"DNS query for {name}" for name in seen.wire.look_ups]
            noise += [line for line, _ in seen.wire.tunnels]
            noise += [f"{seen.wire.connections} connections"] if seen.wire.connections else []
        self.expect(not noise, f"`{seen.run.command}` reached out: {', '.join(noise)}")

    def expect_same_outcome(self, seen: Observation, other: Observation) -> None:
        """Expect a run to end, print and write the same as another, apart from times."""
        what = f"`{seen.run.command}` ({seen.run.name})"
        self.expect_equal(seen.exit_status, other.exit_status, f"{what}: exit status")
        self.expect(seen.stdout == other.stdout, f"{what}: other output")
        files, others = differences.files_of(seen), differences.files_of(other)
        # At debug level, StripePy mentions telemetry in its messages and in its log file.
        if "--verbosity" in seen.run.argv:
            self.expect_equal([*files], [*others], f"{what}: files")
            return
        self.expect_equal(files, others, f"{what}: files")
        same = untimed_messages(seen) == untimed_messages(other)
        self.expect(same, f"{what}: other messages: {seen.stderr[-200:]!r}")

    def expect_no_effect(self, seen: Observation, plain: Observation | None = None) -> None:
        """Expect a run to send and do what another does, by default its subcommand's plain run."""
        plain = plain or self.run(seen.run.subcommand)
        self.control(plain)
        effects = differences.effects(plain, seen, self.evidence.dictionary)
        found = ", ".join(effect.words for effect in effects)
        self.expect(not found, f"`{seen.run.command}` ({seen.run.name}): {found}")


Judge = Callable[[Trial], None]


@dataclass(frozen=True)
class Claim:
    """A sentence that runs decide."""

    id: str  # its name, in links and on the command line
    sentence: str  # what is claimed; `{name}` stands for a fact that the judge finds
    topics: tuple[str, ...]  # topics of the runs that the judge looks at
    judge: Judge  # decides the claim by looking at them
    reason: str = ""  # for a known limit, why the unwelcome answer is expected; otherwise empty
    source: str = ""  # for a known limit, the file of stripepy, or the package, that explains it


def claim(
    sentence: str, topics: tuple[str, ...] = (), *, reason: str = "", source: str = ""
) -> Callable[[Judge], Claim]:
    """Return a decorator that makes a claim of a sentence and a judge, after which it is named."""

    def make(judge: Judge) -> Claim:
        return Claim(judge.__name__.replace("_", "-"), sentence, topics, judge, reason, source)

    return make


@dataclass(frozen=True)
class Judgement:
    """What became of a claim, and on what grounds."""

    claim: Claim
    verdict: Verdict
    # What speaks against it, or why there is no verdict; empty if all is well.
    grounds: Sequence[str]
    trial: Trial  # which runs decided, and what was counted

    @property
    def sentence(self) -> str:
        """The claim's sentence, with its facts filled in."""
        sentence = self.claim.sentence
        for name, fact in self.trial.facts.items():
            sentence = sentence.replace(f"{{{name}}}", fact)
        return sentence

    def findings(self) -> list[Finding]:
        """Return what is wrong: nothing if the claim holds, is a known limit, or was not tested."""
        where = f"scripts/{self.claim.judge.__module__.replace('.', '/')}.py"
        match self.verdict:
            case Verdict.DOES_NOT_HOLD:
                kind = Kind.CLAIM_DOES_NOT_HOLD
                fix = f"find out why, then correct the sentence in {where}"
            case Verdict.STALE:
                kind = Kind.LIMIT_NO_LONGER_OCCURS
                fix = f"rewrite the sentence in {where}"
            case Verdict.VOID:
                kind, fix = Kind.NOTHING_OBSERVED, "find out why nothing could be seen"
            case _:
                return []
        grounds = "; ".join(self.grounds[:SHOWN_GROUNDS])
        more = len(self.grounds) - SHOWN_GROUNDS
        grounds += f" (and {more} more)" if more > 0 else ""
        return [Finding(kind, self.claim.id, "", f"{grounds}; {fix}")]


def judge(claim: Claim, evidence: Evidence) -> Judgement:
    """Decide one claim."""
    trial = Trial(evidence, claim.topics)
    verdict = Verdict.KNOWN_LIMIT if claim.reason else Verdict.HOLDS
    grounds: Sequence[str] = ()
    try:
        claim.judge(trial)
        if not trial.counts["checks"]:
            raise Void("nothing was checked")
        if trial.missing:
            raise Void("; ".join(trial.missing))
    except NotTried as reason:
        verdict, grounds = Verdict.NOT_TRIED, [str(reason)]
    except Void as reason:
        verdict, grounds = Verdict.VOID, [str(reason)]
    except DecodeError as error:
        verdict, grounds = Verdict.VOID, [f"a message cannot be read: {error}"]
    # What was seen to be wrong counts, whatever could not be seen.
    if trial.failures:
        verdict = Verdict.STALE if claim.reason else Verdict.DOES_NOT_HOLD
        grounds = trial.failures
    return Judgement(claim, verdict, list(dict.fromkeys(grounds)), trial)
