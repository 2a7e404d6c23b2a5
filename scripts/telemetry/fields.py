"""The dictionary of fields: load, validate, match against rows."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, cast

from packaging.version import Version
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from telemetry import assets
from telemetry.errors import UserError
from telemetry.rows import Row

PLACEHOLDER = re.compile(r"\W*(to ?do|tbd|fixme|xxx)?\W*", re.IGNORECASE)


def _meant(text: str) -> str:
    if PLACEHOLDER.fullmatch(text):
        raise ValueError("is empty or a placeholder")
    return text


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return text


Model = TypeVar("Model", bound=BaseModel)
Text = Annotated[str, AfterValidator(_meant)]
Expression = Annotated[str, AfterValidator(_expression)]

Category = Literal["installation", "system", "invocation", "execution", "protocol"]
Part = Literal[
    "span",
    "span attribute",
    "event",
    "event attribute",
    "scope",
    "resource attribute",
    "derived",
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
Outcome = Literal["success", "failure", "interruption"]

MOMENTS: Mapping[Outcome, frozenset[When]] = {
    "success": frozenset({"always", "on success", "unless interrupted", "unless it fails early"}),
    "failure": frozenset({"always", "on failure", "unless interrupted"}),
    "interruption": frozenset({"always"}),
}
"""When a field has to be there, by how the run ended."""

PERHAPS: Mapping[Outcome, frozenset[When]] = {
    "success": frozenset({"sometimes"}),
    "failure": frozenset({"sometimes", "unless it fails early"}),
    "interruption": frozenset({"sometimes", "on success", "unless it fails early"}),
}
"""When a field may be there besides, by how the run ended."""


class Since(BaseModel):
    """The first release of a package that sends a field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: Literal["stripepy-hic", "opentelemetry-sdk"]
    version: str

    @model_validator(mode="after")
    def _is_version(self) -> Self:
        Version(self.version)
        return self

    def reached_by(self, versions: Mapping[str, str]) -> bool:
        """Whether the installed versions, by package, are this release or a later one."""
        installed = versions.get(self.package)
        return installed is None or Version(installed) >= Version(self.version)


class Field(BaseModel):
    """What the site says of one field, or of a family of fields.

    Attributes:
        part: Message of the OTLP body that carries the field.
        category: Group in which the page shows it.
        meaning: What the value says; `{name}` stands for the member of a family.
        why: What the maintainers use it for, or why it cannot be left out.
        type: OTLP types that the value may have.
        allowed: Every value it may have, as the table writes them; None for any.
        pattern: Regular expression for the whole value, as the table writes it.
        names: Members of a family, for a key with a `*`.
        sent_by: When a subcommand sends it; the key "*" stands for every subcommand.
        origin: Who adds it.
        varies: What else than the command decides the value.
        because: Why it varies.
        since: First release that sends it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: Part
    category: Category
    meaning: Text
    why: Text
    type: tuple[Text, ...]
    allowed: tuple[str, ...] | None = None
    pattern: Expression | None = None
    names: tuple[Text, ...] = ()
    sent_by: Mapping[Subcommand | Literal["*"], When]
    origin: Literal["StripePy", "OpenTelemetry SDK", "derived"]
    varies: Literal["no", "by run", "by machine", "by installation"]
    because: Text | None = None
    since: Since

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.varies == "no") != (self.because is None):
            raise ValueError("`because` belongs to a value that varies, and only to one")
        if not self.type or not self.sent_by:
            raise ValueError("`type` and `sent_by` need at least one member")
        return self

    def when(self, subcommand: str) -> When | None:
        """When a subcommand sends the field; None for never."""
        moments = cast("Mapping[str, When]", self.sent_by)
        return moments.get(subcommand, moments.get("*"))

    def accepts(self, row: Row) -> str:
        """Why the dictionary does not allow a row's value; empty if it does."""
        if row.type not in self.type:
            return f"is of type {row.type}, documented as {' or '.join(self.type)}"
        if self.allowed is not None and row.value not in self.allowed:
            return f"is not one of {', '.join(self.allowed)}"
        if self.pattern is not None and not re.fullmatch(self.pattern, row.value):
            return f"does not match {self.pattern}"
        return ""


class Dictionary(Mapping[str, Field]):
    """Every documented field by its name, families spelled out."""

    def __init__(self, entries: Mapping[str, Field]) -> None:
        self.entries = dict(entries)
        self._fields = {
            key.replace("*", name): field
            for key, field in self.entries.items()
            for name in (field.names if "*" in key else ("",))
        }
        self._members = {
            key.replace("*", name): name for key, field in entries.items() for name in field.names
        }

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def meaning(self, name: str) -> str:
        """What a field's value says, with the name of the family's member filled in."""
        return self[name].meaning.replace("{name}", self._members.get(name, ""))


def load(path: Path = assets.FIELDS) -> Dictionary:
    """Read and validate the dictionary.

    Raises:
        UserError: If the file is missing or wrong; names file, entry and key.
    """
    entries: dict[str, Field] = {}
    for key, entry in read_toml(path).items():
        entries[key] = validated(Field, entry, path, key)
        if ("*" in key) != bool(entries[key].names):
            raise UserError(
                f"{assets.shown(path)}: [{key}] names: belongs to a key with a *, and only to one",
                "correct the entry",
            )
    if not entries:
        raise UserError(f"{assets.shown(path)}: there are no entries", "restore the file from git")
    return Dictionary(entries)


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file.

    Raises:
        UserError: If it is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{assets.shown(path)}: {getattr(error, 'strerror', None) or error}",
            "restore the file from git, or correct the line",
        ) from None


def validated(
    model: type[Model], data: object, path: Path, entry: str, mend: str = "correct the entry"
) -> Model:
    """Build a model from data read from a file.

    Raises:
        UserError: If they do not fit; names file, entry and key of the first fault.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"{assets.shown(path)}: [{entry}] {key}: {message}", mend) from None
