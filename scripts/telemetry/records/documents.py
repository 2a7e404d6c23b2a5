"""Committed documents: JSON, whose schema is generated from its model, and hand-written TOML.

A missing or malformed document raises a UserError; `fix` says how to restore it.
"""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry.records import files
from telemetry.records.exits import UserError

Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)


class Record(BaseModel):
    """Base of every model here: frozen, and refusing unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parsed(parse: Callable[[str], Value], path: Path, fix: str) -> Value:
    """Parse a file with `parse`, which raises a ValueError for malformed text."""
    text = files.read(path, fix)
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(f"{files.shown(path)}: {error}", fix) from None


def load(model: type[Model], path: Path, fix: str) -> Model:
    return validated(model, parsed(json.loads, path, fix), path, fix)


def read_toml(path: Path) -> dict[str, Any]:
    return parsed(tomllib.loads, path, "restore the file from git, or correct the line")


def validated(model: type[Model], data: object, path: Path, fix: str, entry: str = "") -> Model:
    """Validate data read from a file; an error names the entry and key of the first fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        where = f"[{entry}] {key}" if entry else key
        message = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"{files.shown(path)}: {where}: {message}", fix) from None


def render(document: BaseModel) -> bytes:
    return (document.model_dump_json(indent=1) + "\n").encode()


def render_with_schema(document: BaseModel, path: Path) -> dict[Path, bytes]:
    """Return the content of the files that hold a document and its JSON Schema."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema = "".join(lines(dialect | type(document).model_json_schema()))
    return {path: render(document), path.with_suffix(".schema.json"): schema.encode()}


def lines(document: object) -> list[str]:
    """Return data as lines of JSON, to be compared."""
    return (json.dumps(document, indent=1) + "\n").splitlines(keepends=True)
