"""Rows: how a value is written in the table, and read back. Pure functions."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

HEADER = ("Field", "Value")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One datum of an OTLP message."""

    field: str  # attribute key as sent, or the OTLP name of the datum
    value: str  # its value as the table writes it; `read_value` reads it back
    part: str  # message that carries it: "span", "span attribute", "event attribute", ...
    type: str  # OTLP type: "string", "bool", "int", "double", "bytes", "enum", "fixed64", ...


def format_value(value: Any) -> str:
    """Write a value of JSON's types so that `read_value` gives it back, type included.

    Everything but a string is JSON. A string stands as it is, unless it could be taken for
    something else (a number, a formula, an empty cell) or would not stay on its line; then it
    is a JSON string.
    """
    return format_cell(value) if isinstance(value, str) else json.dumps(value)


def format_cell(text: str) -> str:
    """Write a text as one line that nothing takes for anything but a text."""
    stands_as_it_is = (
        text.isprintable()
        and text == text.strip()
        and text != ""
        # The last four begin what a spreadsheet would run as a formula.
        and not text.startswith(('"', "=", "+", "-", "@"))
        and read_value(text) is text
    )
    return text if stands_as_it_is else json.dumps(text, ensure_ascii=not text.isprintable())


def read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def format_time(nanoseconds: int) -> str:
    """Write a time since the epoch, in nanoseconds, as UTC to the nanosecond."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    whole = EPOCH + timedelta(seconds=seconds)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"


def to_tsv(table: Sequence[tuple[str, str]]) -> str:
    """Write (field, value) pairs as the text of a table: a header, then a line each."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([HEADER, *table])
    return text.getvalue()


def from_tsv(text: str) -> list[tuple[str, str]]:
    """Read back what `to_tsv` wrote."""
    _, *table = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    return [(field, value) for field, value in table]


def columns(table: Sequence[tuple[str, str]]) -> str:
    """Write (field, value) pairs for a terminal, one line each, the values below each other."""
    width = max(len(field) for field, _ in table)
    return "".join(f"{field:{width}}  {value}\n" for field, value in table)
