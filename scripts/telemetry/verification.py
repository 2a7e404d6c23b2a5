"""The verification: every claim with its verdict and evidence, as it is kept and published."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from telemetry import assets, documents
from telemetry.claims import ambient, options, unreachable
from telemetry.experiments import OTHER_SWITCHES, SWITCH_VALUES, SWITCHES, switch_name
from telemetry.places import Place
from telemetry.runs import Observation
from telemetry.trial import Evidence, Judgement, Verdict, outcome

MEND = "make verify"

SHOWN_COMMANDS = 5


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(_Model):
    """A value that a run sent."""

    value: str = Field(description="As the table of the documented run writes values.")
    command: str = Field(description="The command that sent it.")


class ThisRun(_Model):
    """What differs from one verification to the next; alone, it is no reason to write."""

    date: str = Field(description="Day of the verification, UTC, ISO 8601.")
    versions: dict[str, str] = Field(description="Installed versions, by package.")
    runs: int = Field(description="How many times stripepy was run.")
    namespaces: bool = Field(description="Whether the machine has Linux network namespaces.")
    counts: dict[str, dict[str, int]] = Field(description="What was counted, by claim.")
    delays: dict[str, tuple[float, float]] = Field(
        description="By what the run met: least and most seconds that it ended later than without"
        " telemetry."
    )
    examples: dict[str, Example] = Field(
        description="By field: a value, where the documented run has none."
    )


class ClaimResult(_Model):
    """One claim and what became of it."""

    id: str
    sentence: str = Field(description="What is claimed; code stands between backticks.")
    verdict: Literal[tuple(verdict.value for verdict in Verdict)]  # type: ignore[valid-type]
    grounds: list[str] = Field(description="What speaks against it, or why there is no verdict.")
    reason: str = Field(description="For a known limit, why it is so.")
    source: str = Field(description="For a known limit, the file or package that explains it.")
    runs: int = Field(description="How many runs decided it.")
    modes: list[str] = Field(description="How those runs were observed.")
    commands: list[str] = Field(description="The first few of their command lines.")


class OptionResult(_Model):
    """Whether an option of StripePy is sent."""

    subcommand: str
    option: str
    fields: list[str] = Field(description="The fields that it changes; empty if it is not sent.")


class SwitchResult(_Model):
    """What a variable and value that could switch telemetry off do."""

    variable: str
    value: str
    silent: list[str] = Field(description="Subcommands that then send nothing.")
    sending: list[str] = Field(description="Subcommands that send all the same.")


class VariableResult(_Model):
    """What an environment variable that something below StripePy reads changes."""

    variable: str
    value: str
    effects: list[str] = Field(description="What differs from a run without it.")


class FieldResult(_Model):
    """What sends a field."""

    field: str
    success: list[str] = Field(description="Subcommands that send it when all goes well.")
    failure: list[str] = Field(description="Subcommands that send it when they fail.")
    lines: list[str] = Field(
        description="The lines of StripePy that set it, as file:line; none for what OpenTelemetry"
        " sets by itself."
    )


class PlaceResult(_Model):
    """A line of StripePy that takes part in telemetry."""

    file: str
    line: int
    what: str


class Verification(_Model):
    """Every claim of the site on StripePy's telemetry, and the evidence for each."""

    version: Literal[2] = Field(description="Version of this format.")
    stripepy_hic: str = Field(description="Release of stripepy-hic that was tried.")
    claims: list[ClaimResult]
    fields: list[FieldResult]
    options: list[OptionResult]
    switches: list[SwitchResult]
    variables: list[VariableResult]
    places: list[PlaceResult]
    this_run: ThisRun

    def settled(self, *, tried_in: "Verification") -> dict[str, Any]:
        """What should be the same in another verification.

        Args:
            tried_in: The verification that it is compared with: what that could not try is left
                out, and without namespaces, so is how often each claim was tried.
        """
        settled = self.model_dump(exclude={"this_run"})
        if not tried_in.this_run.namespaces:
            not_tried = {c.id for c in tried_in.claims if c.verdict == Verdict.NOT_TRIED.value}
            settled["claims"] = [
                (claim.id, claim.sentence, claim.verdict)
                for claim in self.claims
                if claim.id not in not_tried
            ]
        return settled

    def claim(self, id_: str) -> ClaimResult | None:
        """The claim of that name; None for none."""
        return next((claim for claim in self.claims if claim.id == id_), None)

    def field(self, name: str) -> FieldResult | None:
        """What sends a field; None for one that nobody knows."""
        return next((field for field in self.fields if field.field == name), None)

    def subcommands(self) -> set[str]:
        """Every subcommand that sends anything."""
        return {name for field in self.fields for name in (*field.success, *field.failure)}


def build(evidence: Evidence, judgements: Sequence[Judgement]) -> Verification:
    """Put together what is kept of a verification."""
    return Verification(
        version=2,
        stripepy_hic=evidence.versions["stripepy-hic"],
        claims=[_claim(judgement) for judgement in judgements],
        fields=_fields(evidence),
        options=[
            OptionResult(
                subcommand=sent.option.subcommand,
                option=sent.option.flag,
                fields=[name for name, _ in sent.fields],
            )
            for sent in options.sent(evidence)
        ],
        switches=list(_switches(evidence)),
        variables=[
            VariableResult(
                variable=variable,
                value=re.sub(r"\{authority\}|\{home\}/\w+", "FILE", value),
                effects=[words for _, words in ambient.effects(evidence, seen)],
            )
            for seen in evidence.observations.get("ambient", ())
            for variable, value in seen.run.environment.items()
        ],
        places=[_place(place) for place in evidence.places],
        this_run=ThisRun(
            date=datetime.now(UTC).date().isoformat(),
            versions=dict(evidence.versions),
            runs=sum(not seen.not_tried for seen in evidence.by_name.values()),
            namespaces=any(seen.namespaces for seen in evidence.by_name.values()),
            counts={j.claim.id: dict(j.counts) for j in judgements},
            delays={
                delay.network.value: (round(delay.least, 1), round(delay.most, 1))
                for delay in unreachable.delays(evidence)
            },
            examples=_examples(evidence),
        ),
    )


def _claim(judgement: Judgement) -> ClaimResult:
    commands = list(dict.fromkeys(seen.run.command for seen in judgement.looked_at))
    return ClaimResult(
        id=judgement.claim.id,
        sentence=judgement.sentence,
        verdict=judgement.verdict.value,
        grounds=list(judgement.grounds),
        reason=judgement.claim.reason,
        source=judgement.claim.source,
        runs=len(judgement.looked_at),
        modes=sorted({seen.run.mode.value for seen in judgement.looked_at}),
        commands=commands[:SHOWN_COMMANDS],
    )


def _fields(evidence: Evidence) -> list[FieldResult]:
    sending: dict[str, dict[str, set[str]]] = {
        name: {"success": set(), "failure": set()} for name in evidence.dictionary
    }
    for seen in _well_or_badly_ended(evidence):
        for name in evidence.values(seen):
            by_outcome = sending.setdefault(name, {"success": set(), "failure": set()})
            by_outcome[outcome(seen)].add(seen.run.subcommand)
    return [
        FieldResult(
            field=name,
            success=sorted(by["success"]),
            failure=sorted(by["failure"]),
            lines=[f"{place.file}:{place.line}" for place in evidence.setters.get(name, ())],
        )
        for name, by in sorted(sending.items())
    ]


def _examples(evidence: Evidence) -> dict[str, Example]:
    documented = dict(evidence.documented.table)
    found: dict[str, Example] = {}
    for seen in _well_or_badly_ended(evidence):
        for name, value in evidence.values(seen).items():
            if name not in documented:
                found.setdefault(name, Example(value=value, command=seen.run.command))
    return dict(sorted(found.items()))


def _well_or_badly_ended(evidence: Evidence) -> Iterator[Observation]:
    for topic in ("commands", "failures"):
        yield from evidence.observations.get(topic, ())


def _switches(evidence: Evidence) -> list[SwitchResult]:
    found = []
    for variable in (*SWITCHES, *OTHER_SWITCHES):
        for value in (*SWITCH_VALUES, *OTHER_SWITCHES.get(variable, ())):
            seen = [
                evidence.by_name[name]
                for command in evidence.commands
                if (name := switch_name(command.name, variable, value)) in evidence.by_name
            ]
            if seen:
                found.append(
                    SwitchResult(
                        variable=variable,
                        value=value,
                        silent=[s.run.subcommand for s in seen if not s.bodies],
                        sending=[s.run.subcommand for s in seen if s.bodies],
                    )
                )
    return found


def _place(place: Place) -> PlaceResult:
    return PlaceResult(file=place.file, line=place.line, what=place.what)


def load() -> Verification:
    """Read the committed verification.

    Raises:
        UserError: If it is missing or malformed.
    """
    return documents.load(Verification, assets.CLAIMS, "verification", MEND)


def render(verification: Verification) -> bytes:
    """The content of the file that holds a verification."""
    return documents.render(verification)


def render_schema() -> bytes:
    """The content of the file that holds the JSON Schema of a verification."""
    return documents.render_schema(Verification)
