"""How a claim is decided: a sentence, and a judge who looks at observations."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from telemetry.documented import Documented
from telemetry.experiments import Command
from telemetry.fields import Dictionary, Outcome
from telemetry.places import Place
from telemetry.rows import Row
from telemetry.runs import Ending, Observation


class Verdict(StrEnum):
    """What became of a claim."""

    HOLDS = "holds"
    KNOWN_LIMIT = "known limit"
    DOES_NOT_HOLD = "does not hold"
    STALE = "limit no longer occurs"
    VOID = "void"
    NOT_TRIED = "not tried here"


class Void(Exception):  # noqa: N818 -- no error: a verdict
    """There was nothing to look at, or a control failed: no verdict can be given."""


class NotMade(Void):
    """The runs that decide were not among those that were made."""


class NotTried(Exception):  # noqa: N818 -- no error: a verdict
    """This machine cannot make the runs that decide."""


@dataclass(frozen=True)
class Evidence:
    """Everything that judges look at.

    Attributes:
        observations: What was seen, by topic.
        commands: The program's subcommands, from its own parser.
        variables: Values tried for each variable of the environment.
        places: The lines of the program that take part in telemetry.
        setters: The lines of the program that set each field.
        dictionary: What the site says of each field.
        documented: The documented run.
        versions: Installed versions, by package.
    """

    observations: Mapping[str, Sequence[Observation]]
    commands: Sequence[Command]
    variables: Mapping[str, Sequence[str]]
    places: Sequence[Place]
    setters: Mapping[str, Sequence[Place]]
    dictionary: Dictionary
    documented: Documented
    versions: Mapping[str, str]
    _rows: dict[str, list[Row]] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> Mapping[str, Observation]:
        """Every observation by the name of its run."""
        return {seen.run.name: seen for all_ in self.observations.values() for seen in all_}

    def rows(self, seen: Observation) -> list[Row]:
        """What a run sent, flattened."""
        # Needs protobuf, without which pages have to build.
        from telemetry import otlp

        if seen.run.name not in self._rows:
            self._rows[seen.run.name] = otlp.rows(seen.body)
        return self._rows[seen.run.name]

    def values(self, seen: Observation) -> dict[str, str]:
        """What a run sent, by field."""
        return {row.field: row.value for row in self.rows(seen)}

    def settled(self, seen: Observation) -> dict[str, str]:
        """What a run sent, with those values left out that differ from run to run."""
        return {
            name: "differs by run" if self._differs_by_run(name, value) else value
            for name, value in self.values(seen).items()
        }

    def _differs_by_run(self, name: str, value: str) -> bool:
        # What somebody set does not differ, even where otherwise something is drawn at random.
        return self.varies(name) == "by run" and "Zqx" not in value

    def varies(self, name: str) -> str:
        """What decides the value of a field, as the dictionary says; empty if it is not there."""
        return self.dictionary[name].varies if name in self.dictionary else ""


def outcome(seen: Observation) -> Outcome:
    """How a run ended, as the dictionary names it."""
    if seen.run.ending is Ending.SIGINT:
        return "interruption"
    # Whoever has read enough closes the pipe: stripepy was done by then.
    closed = seen.run.ending is Ending.CLOSED_PIPE
    return "failure" if seen.exit_status and not closed else "success"


class Trial:
    """What a judge works with: runs to look at, expectations to write down."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.looked_at: dict[str, Observation] = {}
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.facts: dict[str, str] = {}

    def runs(
        self, *topics: str, where: Callable[[Observation], bool] = lambda _: True
    ) -> list[Observation]:
        """Look at runs.

        Raises:
            NotTried: If this machine cannot make such runs.
            Void: If there are none.
        """
        chosen = [
            seen
            for topic in topics
            for seen in self.evidence.observations.get(topic, ())
            if where(seen)
        ]
        tried = [seen for seen in chosen if not seen.not_tried]
        if chosen and not tried:
            raise NotTried(chosen[0].not_tried)
        if not tried:
            raise NotMade(f"no run of {', '.join(topics)} to look at")
        for seen in tried:
            self.looked_at[seen.run.name] = seen
            if seen.timed_out:
                raise Void(f"`{seen.run.command}` ({seen.run.name}) did not end in time")
        return tried

    def run(self, name: str) -> Observation:
        """Look at one run.

        Raises:
            NotTried: If this machine cannot make it.
            Void: If it was not made.
        """
        seen = self.evidence.by_name.get(name)
        if seen is None:
            raise NotMade(f"the run {name!r} was not made")
        if seen.not_tried:
            raise NotTried(seen.not_tried)
        if seen.timed_out:
            raise Void(f"`{seen.run.command}` ({name}) did not end in time")
        self.looked_at[name] = seen
        return seen

    def control(self, sends: Observation) -> None:
        """Hold a run against which silence is measured: it has to send.

        Raises:
            Void: If it does not.
        """
        if not sends.bodies:
            raise Void(f"the control `{sends.run.command}` ({sends.run.name}) sent nothing either")

    def expect(self, holds: bool, otherwise: str) -> None:
        """Write down one expectation, and what is wrong if it does not hold."""
        self.counts["checks"] += 1
        if not holds:
            self.failures.append(otherwise)

    def expect_silence(self, seen: Observation) -> None:
        """Expect that a run sent nothing and did not try to."""
        noise = [*seen.requests, *seen.bodies, *seen.look_ups, *seen.attempts]
        self.expect(
            not noise and seen.connections == 0,
            f"`{seen.run.command}` reached out: {len(seen.bodies)} messages,"
            f" {seen.connections} connections, {', '.join([*seen.look_ups, *seen.attempts])}",
        )


Judge = Callable[[Trial], None]


@dataclass(frozen=True)
class Claim:
    """A sentence that experiments decide.

    Attributes:
        id: Its name, in links and on the command line.
        sentence: What is claimed; `{name}` stands for a fact that the judge finds.
        topics: Topics of the runs that the judge looks at.
        judge: Looks at them.
        reason: For a known limit, why the unwelcome answer is expected; else empty.
        source: For a known limit, the file of stripepy, or the package, that explains it.
    """

    id: str
    sentence: str
    topics: tuple[str, ...]
    judge: Judge
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class Judgement:
    """What became of a claim, and on what grounds.

    Attributes:
        claim: The claim.
        verdict: What became of it.
        grounds: What speaks against it, or why there is no verdict; empty if all is well.
        looked_at: The runs that decided.
        counts: What was counted.
        facts: What the sentence is completed with.
        not_made: Whether the runs that decide were not among those that were made.
    """

    claim: Claim
    verdict: Verdict
    grounds: Sequence[str]
    looked_at: Sequence[Observation]
    counts: Mapping[str, int]
    facts: Mapping[str, str]
    not_made: bool = False

    @property
    def sentence(self) -> str:
        """The sentence, with its facts."""
        sentence = self.claim.sentence
        for name, fact in self.facts.items():
            sentence = sentence.replace(f"{{{name}}}", fact)
        return sentence


def judge(claim: Claim, evidence: Evidence) -> Judgement:
    """Decide one claim."""
    trial = Trial(evidence)
    grounds: Iterable[str] = ()
    not_made = False
    try:
        claim.judge(trial)
        grounds = trial.failures
        if not trial.counts["checks"]:
            raise Void("nothing was checked")
        if claim.reason:
            verdict = Verdict.STALE if trial.failures else Verdict.KNOWN_LIMIT
        else:
            verdict = Verdict.DOES_NOT_HOLD if trial.failures else Verdict.HOLDS
    except NotTried as reason:
        verdict, grounds = Verdict.NOT_TRIED, [str(reason)]
    except Void as reason:
        verdict, grounds = Verdict.VOID, [str(reason)]
        not_made = isinstance(reason, NotMade)
    except Exception as fault:
        # What a judge stumbles over is nothing that it was made for: a finding, not a bug of its.
        verdict, grounds = Verdict.VOID, [f"could not be judged: {type(fault).__name__}: {fault}"]
    return Judgement(
        claim,
        verdict,
        list(dict.fromkeys(grounds)),
        list(trial.looked_at.values()),
        trial.counts,
        trial.facts,
        not_made,
    )
