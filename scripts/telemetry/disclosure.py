"""The disclosure: what the site says, as one document for programs. Made of the assets alone."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from telemetry import documents
from telemetry.documented import Documented
from telemetry.fields import Category, Dictionary, Part, Since
from telemetry.history import History
from telemetry.verification import Example, Verification


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Destination(_Model):
    """Where a message goes, and how."""

    endpoint: str = Field(description="Address that the exporter was given.")
    timeout: float = Field(description="After how many seconds sending is given up.")
    compression: str = Field(description="How the message is compressed.")


class FieldEntry(_Model):
    """One field."""

    name: str
    category: Category
    part: Part = Field(description="Message of the OTLP body that carries it.")
    meaning: str = Field(description="What it says; code stands between backticks.")
    why: str = Field(description="What it is collected for.")
    type: list[str] = Field(description="OTLP types that it may have.")
    allowed: list[str] | None = Field(description="Every value it may have; null for any.")
    pattern: str | None = Field(description="Regular expression for the whole value.")
    sent_by: dict[str, str] = Field(description="When each subcommand sends it; * is every one.")
    origin: str = Field(description="Who adds it.")
    varies: str = Field(description="What else than the command decides the value.")
    since: Since
    example: Example | None = Field(description="From a run; null if no run here sent it.")
    lines: list[str] = Field(description="Lines of StripePy that set it, as file:line.")


class ClaimEntry(_Model):
    """One statement, and what became of it."""

    id: str
    sentence: str = Field(description="Code stands between backticks.")
    verdict: str
    runs: int = Field(description="How many runs decided it.")


class OptOut(_Model):
    """A variable and value that could switch telemetry off."""

    variable: str
    value: str = Field(description="May be empty.")
    switches_off: bool = Field(description="Whether every subcommand then sent nothing.")


class ReleaseEntry(_Model):
    """One release of StripePy, run with the dependencies of its day."""

    release: str
    uploaded: str = Field(description="Day of its upload, ISO 8601.")
    state: str = Field(description="Whether it sends, sends nothing, or could not be run.")
    reason: str = Field(description="Why it could not be run; empty if it could.")
    opentelemetry_sdk: str = Field(description="With which release of opentelemetry-sdk.")
    fields: list[str] = Field(description="What it sends, over all subcommands.")


class Disclosure(_Model):
    """What StripePy's telemetry holds, why, where it goes, and how to switch it off."""

    version: Literal[1] = Field(description="Version of this format.")
    stripepy_hic: str = Field(description="Release of stripepy-hic that was tried.")
    opentelemetry_sdk: str = Field(
        description="Release of opentelemetry-sdk that it was tried with."
    )
    verified: str = Field(description="Day of the verification, UTC, ISO 8601.")
    destination: Destination
    fields: list[FieldEntry]
    claims: list[ClaimEntry]
    opt_outs: list[OptOut]
    releases: list[ReleaseEntry] = Field(description="Oldest first.")
    data_handling: dict[str, dict[str, str]] = Field(
        description="What only the maintainers can vouch for, by section; not_stated holds the"
        " questions that are open."
    )


def build(
    run: Documented,
    dictionary: Dictionary,
    handling: Mapping[str, str],
    verification: Verification,
    history: History,
) -> Disclosure:
    """Put the document together.

    Args:
        run: The documented run.
        dictionary: What each field means.
        handling: What the maintainers state, by "section.key".
        verification: What became of every claim.
        history: What each release sends.
    """
    exporter = run.provenance.exporters[0]
    sections: dict[str, dict[str, str]] = {}
    for name, text in handling.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = text
    return Disclosure(
        version=1,
        stripepy_hic=verification.stripepy_hic,
        opentelemetry_sdk=verification.this_run.versions["opentelemetry-sdk"],
        verified=verification.this_run.date,
        destination=Destination.model_validate(exporter),
        fields=[_field(name, run, dictionary, verification) for name in dictionary],
        claims=[
            ClaimEntry(id=claim.id, sentence=claim.sentence, verdict=claim.verdict, runs=claim.runs)
            for claim in verification.claims
        ],
        opt_outs=[
            OptOut(
                variable=s.variable, value=s.value, switches_off=bool(s.silent) and not s.sending
            )
            for s in verification.switches
        ],
        releases=[
            ReleaseEntry(
                release=setup.release,
                uploaded=setup.uploaded,
                state=setup.state,
                reason=setup.reason,
                opentelemetry_sdk=setup.sdk,
                fields=list(setup.fields),
            )
            for setup in history.of("contemporary")
        ],
        data_handling=sections,
    )


def _field(
    name: str, run: Documented, dictionary: Dictionary, verification: Verification
) -> FieldEntry:
    entry, seen = dictionary[name], verification.field(name)
    copied = entry.model_dump(exclude={"names", "because", "meaning", "since"})
    return FieldEntry(
        **copied,
        name=name,
        meaning=dictionary.meaning(name),
        since=entry.since,
        example=example(name, run, verification),
        lines=list(seen.lines) if seen else [],
    )


def example(name: str, run: Documented, verification: Verification) -> Example | None:
    """A value that a run sent: the documented run, or else one of the verification's."""
    if name in (values := dict(run.table)):
        return Example(value=values[name], command=run.provenance.command)
    return verification.this_run.examples.get(name)


def render(disclosure: Disclosure) -> bytes:
    """The content of the file."""
    return documents.render(disclosure)


def render_schema() -> bytes:
    """The content of the file that holds the JSON Schema of the document."""
    return documents.render_schema(Disclosure)
