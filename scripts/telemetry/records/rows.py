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
    """Format a JSON value so that `read_value` returns it, type included.

    Everything but a string is written as JSON, and so is a string that could be mistaken for
    something else (a number, a formula, an empty cell) or that would break the line. Any other
    string is written as it is.
    """
    return format_cell(value) if isinstance(value, str) else json.dumps(value)


def format_cell(text: str) -> str:
    """Format a text as one line that no program takes for anything but text."""
    stands_as_it_is = (
        text.isprintable()
        and text == text.strip()
        and text != ""
        # A spreadsheet evaluates a cell that begins with one of the last four as a formula.
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
    """Format a time, in nanoseconds since the epoch, as UTC to the nanosecond."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    whole = EPOCH + timedelta(seconds=seconds)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"


def to_tsv(table: Sequence[tuple[str, str]]) -> str:
    """Format (field, value) pairs as tab-separated values: a header, then one line per pair."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([HEADER, *table])
    return text.getvalue()


def from_tsv(text: str) -> list[tuple[str, str]]:
    """Read back what `to_tsv` wrote."""
    _, *table = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    return [(field, value) for field, value in table]


def columns(table: Sequence[tuple[str, str]]) -> str:
    """Format (field, value) pairs for a terminal, one line per pair, with the values aligned."""
    width = max(len(field) for field, _ in table)
    return "".join(f"{field:{width}}  {value}\n" for field, value in table)
