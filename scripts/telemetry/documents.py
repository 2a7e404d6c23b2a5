"""Documents that scripts write and pages read: JSON, with a schema made of their models."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from telemetry import assets
from telemetry.errors import UserError
from telemetry.fields import Model, validated


def load(model: type[Model], path: Path, entry: str, mend: str) -> Model:
    """Read a committed document.

    Args:
        model: What it is of.
        path: Where it is.
        entry: What it is called in a complaint.
        mend: The command that makes it anew.

    Raises:
        UserError: If it is missing or malformed.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{assets.shown(path)}: {reason}", mend) from None
    return validated(model, data, path, entry, mend)


def render(document: BaseModel) -> bytes:
    """The content of the file that holds a document."""
    return (document.model_dump_json(indent=1) + "\n").encode()


def render_schema(model: type[BaseModel]) -> bytes:
    """The content of the file that holds the JSON Schema of a document."""
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= model.model_json_schema()
    return (json.dumps(schema, indent=1) + "\n").encode()
