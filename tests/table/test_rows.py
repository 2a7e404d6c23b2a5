"""Rows: what is written reads back, on one line, and stays inert."""

import csv
import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from telemetry.records import rows
from telemetry.table import otlp

LITERALS = ["", "true", "1.0", "26.3", "null", "NaN", "[" * 9999]
UNSAFE = ['"', "=1+1", "-x", "\ufeff", "\u202e", "a\tb\r\n"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([*LITERALS, *UNSAFE])
NUMBERS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES = TEXTS | NUMBERS | st.none() | st.lists(TEXTS | NUMBERS)


@given(VALUES | st.sampled_from([math.inf, math.nan]))
def test_a_value_reads_back_with_its_type(value: object) -> None:
    text = rows.format_value(value)
    back = rows.read_value(text)
    assert (repr(back), type(back)) == (repr(value), type(value))
    assert text
    assert text.isprintable()


@given(TEXTS)
def test_a_text_cannot_start_a_formula(text: str) -> None:
    assert not rows.format_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.integers(0, 2**63 - 1))
def test_a_time_reads_back_to_the_nanosecond(nanoseconds: int) -> None:
    assert rows.read_time(rows.format_time(nanoseconds)) == nanoseconds


@given(st.lists(st.tuples(TEXTS, VALUES), min_size=1))
def test_a_table_reads_back_one_line_per_row(pairs: list[tuple[str, object]]) -> None:
    table = [(rows.format_cell(field), rows.format_value(value)) for field, value in pairs]
    text = rows.to_tsv(table)
    assert rows.from_tsv(text) == table
    assert text.count("\n") == len(text.splitlines()) == len(table) + 1
    assert list(csv.reader(io.StringIO(text), delimiter="\t"))[1:] == [list(row) for row in table]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1"),
        ("Field\tValue\n", "line 2: there are no rows"),
        ("Field\tValue\nname\tcall\nkind\n", "line 3"),
        ("Field\tValue\nname\t\n", "line 2"),
        ("Field\tValue\na\tb\tc\n", "line 2"),
        ("\ufeffField\tValue\nname\tcall\n", "line 1"),
        ('Field\tValue\nname\t"call"s\n', "line 2: .* expected after"),
        ("Field\tValue\r\nname\tcall\r\n", "line 1"),
        ("Name\tValue\nname\tcall\n", "line 1"),
    ],
)
def test_a_malformed_table_is_refused_by_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        rows.from_tsv(text)


KINDS = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(_any_value, value)))
    return AnyValue() if value is None else AnyValue(**{KINDS[type(value)]: value})


@given(st.dictionaries(TEXTS.filter(bool), VALUES))
def test_every_attribute_of_a_message_becomes_a_row(attributes: dict[str, object]) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    for key, value in attributes.items():
        span.attributes.add(key=key, value=_any_value(value))
    found = otlp.rows(request.SerializeToString())
    assert {
        rows.read_value(row.field): rows.read_value(row.value) for row in found if row.field
    } == {rows.read_value(rows.format_cell(key)): value for key, value in attributes.items()}


def test_every_populated_field_of_a_message_becomes_a_row() -> None:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add(schema_url="https://r.example")
    resource_spans.resource.dropped_attributes_count = 1
    scope_spans = resource_spans.scope_spans.add(schema_url="https://s.example")
    scope_spans.scope.name = "scope"
    scope_spans.scope.version = "v"
    span = scope_spans.spans.add(
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        parent_span_id=b"\x03" * 8,
        trace_state="k=v",
        name="n",
        kind=Span.SPAN_KIND_CLIENT,
        flags=1,
        start_time_unix_nano=10**18,
        end_time_unix_nano=10**18 + 1_500_000,
        dropped_attributes_count=2,
        dropped_events_count=3,
        dropped_links_count=4,
    )
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "m"
    span.events.add(name="e", time_unix_nano=10**18, dropped_attributes_count=5)
    span.links.add(trace_id=b"\x04" * 16, span_id=b"\x05" * 8, flags=6)
    values = {row.field: row.value for row in otlp.rows(request.SerializeToString())}
    assert values == {
        "trace_id": "01" * 16,
        "span_id": "02" * 8,
        "trace_state": "k=v",
        "parent_span_id": "03" * 8,
        "name": "n",
        "kind": "SPAN_KIND_CLIENT",
        "start_time_unix_nano": "2001-09-09T01:46:40.000000000Z",
        "end_time_unix_nano": "2001-09-09T01:46:40.001500000Z",
        "duration_ms": "1.5",
        "dropped_attributes_count": "2",
        "event.time_unix_nano": "2001-09-09T01:46:40.000000000Z",
        "event.name": "e",
        "event.dropped_attributes_count": "5",
        "dropped_events_count": "3",
        "link.trace_id": "04" * 16,
        "link.span_id": "05" * 8,
        "link.flags": "6",
        "dropped_links_count": "4",
        "status.message": "m",
        "status.code": "STATUS_CODE_ERROR",
        "flags": "1",
        "scope.name": "scope",
        "scope.version": "v",
        "scope_spans.schema_url": "https://s.example",
        "resource.dropped_attributes_count": "1",
        "resource_spans.schema_url": "https://r.example",
    }


def test_what_no_field_of_otlp_shows_is_counted() -> None:
    span = ExportTraceServiceRequest()
    span.resource_spans.add().scope_spans.add().spans.add(name="n")
    unknown = b"\xfa\x3f\x03zqx"
    overridden = b"\x0a\x0b\x12\x09\x12\x07\x2a\x02zq\x2a\x01n"
    for hidden, count in (unknown, "6"), (overridden, "4"):
        found = otlp.rows(span.SerializeToString() + hidden)
        assert ("hidden_bytes", count) in [(row.field, row.value) for row in found]
