"""The verification: every claim with its verdict and evidence, as it is kept and published."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from telemetry.records import documents, files
from telemetry.records.documents import Record

FIX = "make verify"


class Verdict(StrEnum):
    """What became of a claim."""

    HOLDS = "holds"
    KNOWN_LIMIT = "known limit"
    DOES_NOT_HOLD = "does not hold"
    STALE = "limit no longer occurs"
    VOID = "void"
    NOT_TRIED = "not tested here"


class Example(Record):
    """A value that a run sent."""

    value: str = Field(description="As the table of the documented run writes values.")
    command: str = Field(description="The command that sent it.")


class VerificationDetails(Record):
    """What may differ between verifications; the file is not rewritten for this alone."""

    date: str = Field(description="Day of the verification, UTC, ISO 8601.")
    commit: str = Field(
        default="", description="Commit of this site that verified; empty outside of a repository."
    )
    platform: str = Field(description="System and processor of the machine that ran everything.")
    versions: dict[str, str] = Field(description="Installed versions, by package.")
    runs: int = Field(description="How many times stripepy was run.")
    namespaces: bool = Field(description="Whether the machine has Linux network namespaces.")
    counts: dict[str, dict[str, int]] = Field(description="What was counted, by claim.")
    delays: dict[str, float] = Field(
        description="By what the run met: how many seconds later it ended than without telemetry."
    )
    examples: dict[str, Example] = Field(
        description="By field: a value, where the documented run has none."
    )


class ClaimResult(Record):
    """One claim and what became of it."""

    id: str
    sentence: str = Field(
        description="What is claimed; code stands between backticks. `{fact:NAME}` stands for what"
        " varies from run to run; telemetry.json has it filled in."
    )
    verdict: Verdict
    grounds: list[str] = Field(description="What speaks against it, or why there is no verdict.")
    reason: str = Field(description="For a known limit, why it is so.")
    source: str = Field(description="For a known limit, the file or package that explains it.")
    runs: int = Field(description="How many runs decided it.")
    modes: list[str] = Field(description="How those runs were observed.")
    commands: list[str] = Field(description="The first few of their command lines.")


class OptionResult(Record):
    """Whether an option of StripePy is sent."""

    subcommand: str
    option: str
    fields: list[str] = Field(description="The fields that it changes; empty if it is not sent.")


class SwitchResult(Record):
    """The effect of a variable with a value that could switch telemetry off."""

    variable: str
    value: str
    silent: list[str] = Field(description="Subcommands that then send nothing.")
    sending: list[str] = Field(description="Subcommands that send all the same.")

    @property
    def switches_off(self) -> bool:
        return bool(self.silent) and not self.sending


class VariableResult(Record):
    """The effect of an environment variable that StripePy, or a library that it uses, reads."""

    variable: str
    value: str
    effects: list[str] = Field(description="What differs from a run without it.")


class FieldResult(Record):
    """Which subcommands send a field, and which lines set it."""

    field: str
    success: list[str] = Field(description="Subcommands that send it when all goes well.")
    failure: list[str] = Field(description="Subcommands that send it when they fail.")
    lines: list[str] = Field(
        description="The lines of StripePy that set it, as file:line; none for what OpenTelemetry"
        " sets by itself."
    )


class SurroundingResult(Record):
    """Surroundings in which StripePy was run."""

    name: str
    variables: list[str] = Field(description="The environment variables that it sets.")
    others: list[str] = Field(description="What else it is made of.")


class LineResult(Record):
    """A line of StripePy that takes part in telemetry."""

    file: str
    line: int
    what: str


class Verification(Record):
    """Every claim that the site makes about StripePy's telemetry, with the evidence for each."""

    version: Literal[3] = Field(description="Version of this format.")
    stripepy_hic: str = Field(description="Release of stripepy-hic that was tested.")
    claims: list[ClaimResult]
    fields: list[FieldResult]
    options: list[OptionResult]
    switches: list[SwitchResult]
    variables: list[VariableResult]
    surroundings: list[SurroundingResult]
    places: list[LineResult]
    this_run: VerificationDetails

    def settled(self, *, tested_as: "Verification") -> dict[str, Any]:
        """Return what should be the same in any verification that tests as much as `tested_as`.

        If that left claims untested, omit these, and all that depends on which runs were made.
        """
        not_tried = tested_as.not_tried()
        if not not_tried:
            return self.model_dump(mode="json", exclude={"this_run"})
        return {
            "claims": [
                (claim.id, claim.sentence, claim.verdict.value)
                for claim in self.claims
                if claim.id not in not_tried
            ],
            "options": [option.model_dump() for option in self.options],
            "places": [place.model_dump() for place in self.places],
        }

    def not_tried(self) -> set[str]:
        return {claim.id for claim in self.claims if claim.verdict is Verdict.NOT_TRIED}

    def claim(self, id_: str) -> ClaimResult | None:
        return next((claim for claim in self.claims if claim.id == id_), None)

    def field(self, name: str) -> FieldResult | None:
        return next((field for field in self.fields if field.field == name), None)


def load() -> Verification:
    return documents.load(Verification, files.CLAIMS, FIX)
