"""The disclosure: what the site says, as one document for programs."""

from typing import Literal

from pydantic import Field

from telemetry.records.claims import Example
from telemetry.records.documents import Record
from telemetry.records.fields import SENSITIVITIES, Category, Part, Sensitivity, Since
from telemetry.site.content import Content
from telemetry.site.glance import answers


class ExporterSettings(Record):
    """Where a message goes, and how."""

    endpoint: str = Field(description="Address that the exporter was given.")
    timeout: float = Field(description="After how many seconds sending is given up.")
    compression: str = Field(description="How the message is compressed.")


class FieldEntry(Record):
    """One field."""

    name: str
    category: Category
    part: Part = Field(description="Message of the OTLP body that carries it.")
    meaning: str = Field(description="What it says; code stands between backticks.")
    why: str = Field(description="What it is collected for.")
    sensitivity: Sensitivity = Field(description="How much it could tell about a person.")
    sensitivity_because: str = Field(description="Why so.")
    type: list[str] = Field(description="OTLP types that it may have.")
    allowed: list[str] | None = Field(description="Every value it may have; null for any.")
    pattern: str | None = Field(description="Regular expression for the whole value.")
    sent_by: dict[str, str] = Field(description="When each subcommand sends it; * is every one.")
    origin: str = Field(description="Who adds it.")
    varies: str = Field(description="What besides the command decides the value.")
    since: Since
    example: Example | None = Field(description="From a run; null if no run here sent it.")
    lines: list[str] = Field(description="Lines of StripePy that set it, as file:line.")


class GlanceEntry(Record):
    """One line of the summary at the top of the telemetry page."""

    question: str
    text: str = Field(description="Code stands between backticks.")
    sentences: list[str] = Field(description="Claims and statements that it sums up, by name.")


class ClaimEntry(Record):
    """One statement, and what became of it."""

    id: str
    sentence: str = Field(description="Code stands between backticks.")
    verdict: str
    runs: int = Field(description="How many runs decided it.")


class OptOut(Record):
    """A variable and value that could switch telemetry off."""

    variable: str
    value: str = Field(description="May be empty.")
    switches_off: bool = Field(description="Whether every subcommand then sent nothing.")


class ReleaseEntry(Record):
    """One release of StripePy, run with the dependencies current at its release."""

    release: str
    uploaded: str = Field(description="Day of its upload, ISO 8601.")
    state: str = Field(description="Whether it sends, sends nothing, or could not be run.")
    reason: str = Field(description="Why it could not be run; empty if it could.")
    opentelemetry_sdk: str = Field(description="With which release of opentelemetry-sdk.")
    fields: list[str] = Field(description="What it sends, over all subcommands.")


class Disclosure(Record):
    """What StripePy's telemetry holds, why, where it goes, and how to switch it off."""

    version: Literal[1] = Field(description="Version of this format.")
    stripepy_hic: str = Field(description="Release of stripepy-hic that was tested.")
    opentelemetry_sdk: str = Field(
        description="Release of opentelemetry-sdk that it was tested with."
    )
    verified: str = Field(description="Day of the verification, UTC, ISO 8601.")
    destination: ExporterSettings
    at_a_glance: list[GlanceEntry]
    fields: list[FieldEntry]
    claims: list[ClaimEntry]
    opt_outs: list[OptOut]
    releases: list[ReleaseEntry] = Field(description="Oldest first.")
    data_handling: dict[str, dict[str, str]] = Field(
        description="What only the maintainers can vouch for, by section: facts, the"
        " sentences `stated` and, in `not_stated`, what nobody has said."
    )


def disclose(content: Content) -> Disclosure:
    """Put the document together."""
    verification = content.verification
    return Disclosure(
        version=1,
        stripepy_hic=verification.stripepy_hic,
        opentelemetry_sdk=verification.this_run.versions["opentelemetry-sdk"],
        verified=verification.this_run.date,
        destination=ExporterSettings.model_validate(content.run.provenance.exporters[0]),
        at_a_glance=[
            GlanceEntry(question=a.question, text=a.text, sentences=[g.name for g in a.grounds])
            for a in answers(content)
        ],
        fields=[_field(name, content) for name in content.dictionary],
        claims=[
            ClaimEntry(
                id=claim.id,
                sentence=content.filled(claim.sentence),
                verdict=claim.verdict,
                runs=claim.runs,
            )
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
            for setup in content.history.of("contemporary")
        ],
        data_handling=content.statements,
    )


def _field(name: str, content: Content) -> FieldEntry:
    entry, seen = content.dictionary[name], content.verification.field(name)
    return FieldEntry(
        **entry.model_dump(exclude={"names", "because", "meaning", "since", "sensitivity_because"}),
        sensitivity_because=entry.sensitivity_because or SENSITIVITIES[entry.sensitivity],
        name=name,
        meaning=content.dictionary.meaning(name),
        since=entry.since,
        example=example_of(name, content),
        lines=list(seen.lines) if seen else [],
    )


def example_of(name: str, content: Content) -> Example | None:
    """A value that a run sent: the documented run, or else one of the verification's."""
    sent = dict(content.run.table)
    if name in sent:
        return Example(value=sent[name], command=content.run.provenance.command)
    return content.verification.this_run.examples.get(name)
