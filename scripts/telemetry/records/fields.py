"""The dictionary of fields: loaded, validated and compared with rows."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from packaging.version import Version
from pydantic import AfterValidator, model_validator

from telemetry.records import documents, files
from telemetry.records.documents import Record
from telemetry.records.exits import UserError
from telemetry.records.findings import Finding, Kind
from telemetry.records.rows import Row

PLACEHOLDER = re.compile(r"\W*(to ?do|tbd|fixme|xxx)?\W*", re.IGNORECASE)


def _meant(text: str) -> str:
    if PLACEHOLDER.fullmatch(text):
        raise ValueError("is empty or a placeholder")
    return text


Text = Annotated[str, AfterValidator(_meant)]

Category = Literal["installation", "system", "invocation", "execution", "protocol"]
Part = Literal[
    "span", "span attribute", "event", "event attribute", "scope", "resource attribute", "derived"
]
Subcommand = Literal[
    "call",
    "download",
    "plot cm",
    "plot contact-map",
    "plot hist",
    "plot pd",
    "plot pseudodistribution",
    "plot stripe-hist",
    "view",
]
When = Literal[
    "always", "on success", "on failure", "unless interrupted", "unless it fails early", "sometimes"
]
Sensitivity = Literal["technical", "usage", "free text", "identifying with other data"]
Outcome = Literal["success", "failure", "interruption"]

SENSITIVITIES: Mapping[Sensitivity, str] = {
    "technical": "It describes software, a kind of machine, or the message itself; many users share"
    " its value, or it is new in each run.",
    "usage": "It says which of the choices that StripePy offers were made, or how the run went.",
    "free text": "It holds what a user typed.",
    "identifying with other data": "By itself it names nobody; together with data from elsewhere,"
    " it could help to find out who ran StripePy.",
}
"""Why a field belongs to each class."""

MOMENTS: Mapping[Outcome, frozenset[When]] = {
    "success": frozenset({"always", "on success", "unless interrupted", "unless it fails early"}),
    "failure": frozenset({"always", "on failure", "unless interrupted"}),
    "interruption": frozenset({"always"}),
}
"""The values of `sent_by` with which a field must be sent, by how the run ended."""

PERHAPS: Mapping[Outcome, frozenset[When]] = {
    "success": frozenset({"sometimes"}),
    "failure": frozenset({"sometimes", "unless it fails early"}),
    "interruption": frozenset({"sometimes", "on success", "unless it fails early"}),
}
"""The values of `sent_by` with which a field may or may not be sent, likewise."""


class Since(Record):
    """The first release of a package with which a field is sent."""

    package: Literal["stripepy-hic", "opentelemetry-sdk"]
    version: Annotated[str, AfterValidator(lambda text: str(Version(text)))]

    def reached_by(self, versions: Mapping[str, str]) -> bool:
        """Whether the installed version of the package is this one or later, or unknown."""
        installed = versions.get(self.package)
        return installed is None or Version(installed) >= Version(self.version)


class Field(Record):
    """What the site says about a field or a family; the top of the TOML file explains every key."""

    part: Part
    category: Category
    meaning: Text
    why: Text
    sensitivity: Sensitivity
    sensitivity_because: Text | None = None
    type: tuple[Text, ...]
    allowed: tuple[str, ...] | None = None
    pattern: re.Pattern[str] | None = None
    names: tuple[Text, ...] = ()  # members of a family, for a key with a `*`
    sent_by: Mapping[Subcommand | Literal["*"], When]
    origin: Literal["StripePy", "OpenTelemetry SDK", "derived"]
    varies: Literal["no", "by run", "by machine", "by installation"]
    because: Text | None = None  # why it varies
    since: Since

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.varies == "no") != (self.because is None):
            raise ValueError("`because` is for values that vary, and only those")
        own_reason = self.sensitivity in {"free text", "identifying with other data"}
        if own_reason != (self.sensitivity_because is not None):
            raise ValueError("`sensitivity_because` is for the last two classes, and only those")
        if not self.type or not self.sent_by:
            raise ValueError("`type` and `sent_by` need at least one member")
        return self

    def when(self, subcommand: str) -> When | None:
        """Return when a subcommand sends the field; None for never."""
        moments = cast("Mapping[str, When]", self.sent_by)
        return moments.get(subcommand, moments.get("*"))

    def accepts(self, row: Row) -> str:
        """Return why the entry does not allow a row's value; empty if it does."""
        if row.type not in self.type:
            return f"is of type {row.type}, documented as {' or '.join(self.type)}"
        if self.allowed is not None and row.value not in self.allowed:
            return f"is not one of {', '.join(self.allowed)}"
        if self.pattern is not None and not self.pattern.fullmatch(row.value):
            return f"does not match {self.pattern.pattern}"
        return ""


class Dictionary(dict[str, Field]):
    """Every documented field by name, with each family expanded into its members."""

    def __init__(self, entries: Mapping[str, Field]) -> None:
        # By field: the key of its entry, and which member of a family it is; empty for no family.
        self.families = {
            key.replace("*", member): (key, member)
            for key, field in entries.items()
            for member in field.names or ("",)
        }
        super().__init__({name: entries[key] for name, (key, _) in self.families.items()})

    def compare(
        self, rows: Sequence[Row], subcommand: str, *, outcome: Outcome, versions: Mapping[str, str]
    ) -> list[Finding]:
        """Compare what a run sent with what the site says, in both directions.

        A field that is newer than the installed `versions`, by package, is not expected.
        """
        moments, where = MOMENTS[outcome], files.shown(files.FIELDS)
        found = []
        for row in rows:
            entry, kind = self.get(row.field), Kind.UNDOCUMENTED_FIELD
            if entry is None or entry.part != row.part:
                fix = f"sent ({row.part}), but has no entry; describe it in {where}"
            elif entry.when(subcommand) not in moments | PERHAPS[outcome]:
                fix = f"not documented for `{subcommand}` after {outcome}; correct `sent_by`"
                fix += f" in {where}"
            elif fault := entry.accepts(row):
                kind, fix = Kind.UNEXPECTED_VALUE, f"{fault}; correct the entry"
            else:
                continue
            found.append(Finding(kind, row.field, row.value, fix))
        sent = Counter(row.field for row in rows)
        for field, entry in self.items():
            expected = entry.when(subcommand) in moments
            if sent[field] > 1:
                fix = f"sent {sent[field]} times; find out why"
                found.append(Finding(Kind.UNEXPECTED_VALUE, field, "", fix))
            elif expected and not sent[field] and entry.since.reached_by(versions):
                fix = f"`{subcommand}` no longer sends it; correct or remove its entry"
                found.append(Finding(Kind.DOCUMENTED_BUT_NEVER_SENT, field, "", fix))
        return found

    def varies(self, name: str) -> bool:
        """Whether something other than the command decides a field's value."""
        return name in self and self[name].varies != "no"

    def meaning(self, name: str, member: str = "") -> str:
        """Return a field's meaning, with `member`, by default its own, in place of `{name}`."""
        return self[name].meaning.replace("{name}", member or self.families[name][1])


def load(path: Path = files.FIELDS) -> Dictionary:
    """Read and validate the dictionary; an error names the file, the entry and the key."""
    entries: dict[str, Field] = {}
    fix = "correct the entry"
    for key, entry in documents.read_toml(path).items():
        entries[key] = documents.validated(Field, entry, path, fix, key)
        if ("*" in key) != bool(entries[key].names):
            where = f"{files.shown(path)}: [{key}] names"
            raise UserError(f"{where}: is for keys with a *, and only those", fix)
    if not entries:
        raise UserError(f"{files.shown(path)}: there are no entries", "restore the file from git")
    return Dictionary(entries)
