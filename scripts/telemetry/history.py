"""The history: what each release sent with which dependencies, and what changed between them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field

from telemetry import assets, documents
from telemetry.fields import Dictionary

MEND = "make releases"

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
    "renamed",
    "type",
    "values",
    "condition",
    "off",
    "switch",
    "setting",
    "destination",
]

VARIES = "varies"

OFF = "STRIPEPY_NO_TELEMETRY=1"
"""StripePy's own switch, as it was set for every subcommand."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSeen(_Model):
    """A field, as it was sent."""

    part: str = Field(description="Message of the OTLP body that carries it.")
    types: list[str] = Field(description="OTLP types that its value had.")
    values: list[str] = Field(
        description="Every value it had; a lone 'varies' where the dictionary says that it varies, "
        "or where the same run repeated gave another."
    )
    sent_by: dict[str, Condition] = Field(description="When a subcommand sent it.")


class Destination(_Model):
    """Where a request went, and how."""

    url: str
    timeout: int = Field(description="Seconds after which sending is given up.")
    compression: str
    headers: list[str] = Field(description="Names of the headers.")


class RunSeen(_Model):
    """A run, and what it did."""

    command: str
    exit_status: int
    spans: int
    reached_for: list[str] = Field(description="What it tried to reach besides the collector.")
    complaint: str = Field(description="Its last error; empty if it succeeded.")


class Setup(_Model):
    """A release of StripePy with one choice of dependencies."""

    release: str
    uploaded: str = Field(description="Day on which the release was uploaded, ISO 8601.")
    dependencies: Dependencies
    python: str
    state: State
    reason: str = Field(description="Why it cannot run, or was not tried; else empty.")
    packages: dict[str, str] = Field(description="Installed versions, by package.")
    fields: dict[str, FieldSeen]
    switched_off: dict[str, OffEffect] = Field(
        description=f"What {OFF} did with each subcommand that sends."
    )
    switches: dict[str, str] = Field(description="What a variable that could switch off did.")
    settings: dict[str, list[str]] = Field(description="What a user's OpenTelemetry setting did.")
    destinations: list[Destination]
    runs: list[RunSeen]

    @property
    def sdk(self) -> str:
        """Version of opentelemetry-sdk; empty if it is not among the dependencies."""
        return self.packages.get("opentelemetry-sdk", "")

    @property
    def told_state(self) -> str:
        """Its state, with the reason where there is one."""
        return f"{self.state}: {self.reason}" if self.reason else self.state

    def settled(self) -> dict[str, Any]:
        """What should be the same when it is run again, also with newer dependencies."""
        return self.model_dump(exclude={"packages", "python", "runs"})


class Change(_Model):
    """One difference between two set-ups."""

    kind: ChangeKind
    what: str = Field(description="The field, variable or datum that differs.")
    before: str
    after: str

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"`{self.what}` is sent: {self.after}"
            case "removed":
                return f"`{self.what}` is no longer sent"
            case "renamed":
                return f"`{self.before}` is now called `{self.after}`"
            case _:
                before, after = self.before or "nothing", self.after or "nothing"
                return f"{self.kind} of `{self.what}`: {before} before, now {after}"


class Step(_Model):
    """Two neighbours, and what changed from one to the other."""

    package: str = Field(description="Package whose releases they are.")
    before: str
    after: str
    dependencies: Dependencies
    changes: list[Change]


class Stretch(_Model):
    """Releases of a dependency with which the newest StripePy does the same."""

    package: str = Field(description="The dependency.")
    first: str
    last: str
    setup: Setup = Field(description="What was seen with the first; all else was the newest.")


class History(_Model):
    """What each release of StripePy sends, with which dependencies."""

    version: Literal[2] = Field(description="Version of this format.")
    platform: str = Field(description="System and processor on which everything was run.")
    setups: list[Setup] = Field(description="Every release, oldest first.")
    differences: list[Step] = Field(description="Between neighbouring releases.")
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
        """The releases with one choice of dependencies, oldest first."""
        return [setup for setup in self.setups if setup.dependencies == dependencies]

    @property
    def releases(self) -> list[str]:
        """Every release, oldest first."""
        return list(dict.fromkeys(setup.release for setup in self.setups))

    def newest(self) -> Setup:
        """The newest release with the newest dependencies."""
        return self.of("newest")[-1]

    def settled(self) -> dict[str, Any]:
        """What should be the same when all is run again."""
        return {
            "setups": [setup.settled() for setup in self.setups],
            "differences": [step.model_dump() for step in self.differences],
            "range": [setup.settled() for setup in self.range],
            # Where the last ends, the next release of the package may follow any day.
            "stretches": [(s.package, s.first, s.setup.settled()) for s in self.stretches],
            "bisected": [step.model_dump() for step in self.bisected],
        }

    def first_seen(self) -> dict[str, str]:
        """The first release that sent each field."""
        first: dict[str, str] = {}
        for setup in self.setups:
            for name in setup.fields:
                first.setdefault(name, setup.release)
        return first

    def arrived_with(self) -> dict[str, tuple[str, str]]:
        """The package and release with which each field came, where a bisection found one."""
        return {
            change.what: (step.package, step.after)
            for step in self.bisected
            for change in step.changes
            if change.kind == "added"
        }

    def no_longer_sent(self) -> dict[str, str]:
        """Fields that the newest release no longer sends, each with the last that did."""
        last = {name: setup.release for setup in self.setups for name in setup.fields}
        return {name: release for name, release in last.items() if name not in self.newest().fields}


def changes(before: Setup, after: Setup) -> list[Change]:
    """What differs from one set-up to another: fields first, then all around them.

    Where one does not send, there is nothing to compare, and that alone is said.
    """
    if before.state != after.state:
        return [
            Change(kind="state", what="stripepy", before=before.told_state, after=after.told_state)
        ]
    return [*_fields(before.fields, after.fields), *_around(before, after)]


def _fields(before: Mapping[str, FieldSeen], after: Mapping[str, FieldSeen]) -> Iterator[Change]:
    removed = {name: field for name, field in before.items() if name not in after}
    added = {name: field for name, field in after.items() if name not in before}
    for old, new in list(_renamed(removed, added)):
        del removed[old], added[new]
        yield Change(kind="renamed", what=new, before=old, after=new)
    for name, field in added.items():
        yield Change(kind="added", what=name, before="", after=_senders(field.sent_by))
    for name, field in removed.items():
        yield Change(kind="removed", what=name, before=_senders(field.sent_by), after="")
    for name, new_field in after.items():
        if (old_field := before.get(name)) is None:
            continue
        aspects: tuple[tuple[ChangeKind, str, str], ...] = (
            ("type", ", ".join(old_field.types), ", ".join(new_field.types)),
            ("values", ", ".join(old_field.values), ", ".join(new_field.values)),
            ("condition", _senders(old_field.sent_by), _senders(new_field.sent_by)),
        )
        for kind, was, is_ in aspects:
            if was != is_:
                yield Change(kind=kind, what=name, before=was, after=is_)


def _renamed(
    removed: Mapping[str, FieldSeen], added: Mapping[str, FieldSeen]
) -> Iterator[tuple[str, str]]:
    """Pairs that are alike in all but their name, and like no other."""
    for old, field in removed.items():
        alike = [name for name, other in added.items() if other == field]
        rivals = [name for name, other in removed.items() if other == field]
        if len(alike) == len(rivals) == 1:
            yield old, alike[0]


def _around(before: Setup, after: Setup) -> Iterator[Change]:
    pairs: tuple[tuple[ChangeKind, Mapping[str, str], Mapping[str, str]], ...] = (
        ("off", before.switched_off, after.switched_off),
        ("switch", before.switches, after.switches),
        ("setting", _joined(before.settings), _joined(after.settings)),
        ("destination", _destination(before), _destination(after)),
    )
    for kind, old, new in pairs:
        for name in dict.fromkeys([*old, *new]):
            if old and new and old.get(name) != new.get(name):
                yield Change(
                    kind=kind, what=name, before=old.get(name, ""), after=new.get(name, "")
                )


def _joined(settings: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: "; ".join(effects) or "no effect" for name, effects in settings.items()}


def _destination(setup: Setup) -> dict[str, str]:
    return {
        datum: ", ".join(dict.fromkeys(_text(getattr(d, datum)) for d in setup.destinations))
        for datum in ("url", "timeout", "compression", "headers")
        if setup.destinations
    }


def _text(datum: str | int | Sequence[str]) -> str:
    return str(datum) if isinstance(datum, str | int) else "; ".join(datum)


def _senders(sent_by: Mapping[str, Condition]) -> str:
    return ", ".join(
        f"{name} {condition}".removesuffix(" always") for name, condition in sent_by.items()
    )


def differences(setups: Sequence[Setup]) -> list[Step]:
    """What changed between neighbours, oldest first; those that did not run are passed over."""
    ran = [setup for setup in setups if setup.state in {"sends", "sends nothing"}]
    return [
        Step(
            package="stripepy-hic",
            before=before.release,
            after=after.release,
            dependencies=after.dependencies,
            changes=changes(before, after),
        )
        for before, after in pairwise(ran)
    ]


def since_faults(history: History, dictionary: Dictionary) -> dict[str, str]:
    """Fields whose `since` is not what the history shows, each with what it shows."""
    faults: dict[str, str] = {}
    first, arrived = history.first_seen(), history.arrived_with()
    for name, entry in dictionary.items():
        if entry.part == "derived":
            continue
        if name not in first:
            if "sometimes" not in entry.sent_by.values():
                faults[name] = "no release sent it"
            continue
        package, version = arrived.get(name, ("stripepy-hic", first[name]))
        said = (entry.since.package, Version(entry.since.version))
        if said != (package, Version(version)):
            faults[name] = f"it came with {package} {version}"
    return faults


def load() -> History:
    """Read the committed history.

    Raises:
        UserError: If it is missing or malformed.
    """
    return documents.load(History, assets.RELEASES, "history", MEND)


def render(history: History) -> bytes:
    """The content of the file that holds a history."""
    return documents.render(history)


def render_schema() -> bytes:
    """The content of the file that holds the JSON Schema of a history."""
    return documents.render_schema(History)
