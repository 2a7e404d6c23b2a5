"""The history: what each release sent with which dependencies, and what changed between them."""

from typing import Any, Literal

from pydantic import Field

from telemetry.records import documents, files
from telemetry.records.documents import Record
from telemetry.records.words import listed, summed_up

FIX = "make releases"

Dependencies = Literal[
    "contemporary", "newest", "lowest", "lowest-direct", "locked", "pre-releases", "pinned"
]
State = Literal["sends", "sends nothing", "cannot run", "not tried"]
OffEffect = Literal["sends nothing", "sends", "ends otherwise"]
Condition = Literal["always", "on success", "on failure", "sometimes"]
ChangeKind = Literal[
    "state",
    "added",
    "removed",
    "type",
    "values",
    "condition",
    "off",
    "switch",
    "setting",
    "destination",
    "delay",
]

OFF = "STRIPEPY_NO_TELEMETRY=1"  # StripePy's own switch, which was tested with every subcommand


class FieldSeen(Record):
    """A field, as it was sent."""

    part: str = Field(description="Message of the OTLP body that carries it.")
    types: list[str] = Field(description="OTLP types that its value had.")
    values: list[str] = Field(
        description="Every value it had; a lone 'varies' where the dictionary says that it varies."
    )
    sent_by: dict[str, Condition] = Field(description="When a subcommand sent it.")


class Destination(Record):
    """Where a request went, and how."""

    url: str
    timeout: int = Field(description="Seconds after which sending is given up.")
    compression: str
    headers: list[str] = Field(description="Names of the headers.")


class RunSeen(Record):
    """A run, and what it did."""

    command: str
    exit_status: int
    spans: int
    reached_for: list[str] = Field(description="What it tried to reach besides the collector.")
    complaint: str = Field(description="Its last error; empty if it succeeded.")


class Setup(Record):
    """A release of StripePy with one choice of dependencies."""

    release: str
    uploaded: str = Field(description="Day on which the release was uploaded, ISO 8601.")
    dependencies: Dependencies
    python: str
    state: State
    reason: str = Field(description="Why it cannot run, or was not tested; otherwise empty.")
    packages: dict[str, str] = Field(description="Installed versions, by package.")
    fields: dict[str, FieldSeen]
    switched_off: dict[str, OffEffect] = Field(
        description=f"What {OFF} did with each subcommand that sends."
    )
    switches: dict[str, str] = Field(description="What a variable that could switch off did.")
    settings: dict[str, list[str]] = Field(description="What a user's OpenTelemetry setting did.")
    destinations: list[Destination]
    delays: dict[str, float] = Field(
        description="Seconds from the last output to the end, by what kept the collector out of "
        "reach."
    )
    runs: list[RunSeen]

    @property
    def sdk(self) -> str:
        return self.packages.get("opentelemetry-sdk", "")

    @property
    def told_state(self) -> str:
        return f"{self.state}: {self.reason}" if self.reason else self.state

    def told_delay(self, way: str) -> str:
        return f"{self.delays[way]} s" if way in self.delays else "more than a minute"

    def settled(self) -> dict[str, Any]:
        """Return what should be the same when it is run again, even with newer dependencies."""
        return self.model_dump(exclude={"packages", "python", "delays", "runs"})


class Change(Record):
    """One difference between two setups."""

    kind: ChangeKind
    what: str = Field(description="The field, variable or datum that differs.")
    before: str
    after: str

    def __str__(self) -> str:
        before, after = self.before or "nothing", self.after or "nothing"
        match self.kind:
            case "added":
                return f"`{self.what}` is new, sent by {listed(after.split(', '))}"
            case "removed":
                return f"`{self.what}` is no longer sent"
            case "condition":
                now, then = (listed(names.split(", ")) for names in (after, before))
                return f"`{self.what}` is sent by {now}; before: by {then}"
            case "state":
                return f"{'sends telemetry' if after == 'sends' else after}; before: {before}"
            case "off":
                return f"{self.what} with `{OFF}`: {after}; before: {before}"
            case "delay":
                return f"if {self.what}, a run ends {after} later; before: {before}"
            case "switch" | "setting" | "destination":
                return f"`{self.what}`: {_turn(self.before, self.after)}"
            case _:
                return f"{self.kind} of `{self.what}`: `{after}`; before: `{before}`"


def _turn(before: str, after: str) -> str:
    """Say which effects are new and which are gone, given the effects before and after."""
    was, is_ = before.split("; "), after.split("; ")
    new = [effect for effect in is_ if effect not in {*was, "no effect"}]
    gone = [effect for effect in was if effect not in {*is_, "no effect"}]
    told = {"now": new, "no longer": gone}
    return "; ".join(f"{word} {summed_up(effects)}" for word, effects in told.items() if effects)


class Step(Record):
    """Two neighbouring releases, and what changed from one to the other."""

    package: str = Field(description="Package whose releases they are.")
    before: str
    after: str
    changes: list[Change]


class Stretch(Record):
    """A range of releases of a dependency with which the newest StripePy does the same."""

    package: str = Field(description="The dependency.")
    first: str
    last: str
    setup: Setup = Field(description="What was seen with the first; all else was the newest.")


class History(Record):
    """What each release of StripePy sends, with which dependencies."""

    version: Literal[3] = Field(description="Version of this format.")
    platform: str = Field(description="System and processor on which everything was run.")
    setups: list[Setup] = Field(description="Every release, oldest first.")
    differences: list[Step] = Field(
        description="Between neighbouring releases, with the dependencies current at each."
    )
    range: list[Setup] = Field(description="The newest release, over its range of dependencies.")
    pythons: list[Setup] = Field(description="The newest release, with other Pythons.")
    stretches: list[Stretch] = Field(
        description="The range of opentelemetry-sdk, in stretches within which nothing changes."
    )
    bisected: list[Step] = Field(
        description="Releases of a dependency with which the newest release of StripePy changed."
    )
    not_tried: list[str] = Field(description="Pythons and platforms that were not there.")

    def of(self, dependencies: Dependencies) -> list[Setup]:
        return [setup for setup in self.setups if setup.dependencies == dependencies]

    @property
    def releases(self) -> list[str]:
        return list(dict.fromkeys(setup.release for setup in self.setups))

    def newest(self) -> Setup:
        return self.of("newest")[-1]

    def settled(self) -> dict[str, Any]:
        """Return what should be the same when everything is run again."""
        return {
            "setups": [setup.settled() for setup in self.setups],
            "differences": [step.model_dump() for step in self.differences],
            "range": [setup.settled() for setup in self.range],
            # Without `last`: any day, a new release of the package may extend the last stretch.
            "stretches": [(s.package, s.first, s.setup.settled()) for s in self.stretches],
            "bisected": [step.model_dump() for step in self.bisected],
        }


def load() -> History:
    return documents.load(History, files.RELEASES, FIX)
