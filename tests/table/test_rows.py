"""Rows: each value stays on one line, reads back as it was, and is never taken for a formula."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from conftest import protobuf
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


MESSAGE = """
{"resourceSpans": [{
  "schemaUrl": "https://r.example",
  "resource": {"droppedAttributesCount": 1},
  "scopeSpans": [{
    "schemaUrl": "https://s.example",
    "scope": {"name": "scope", "version": "v"},
    "spans": [{
      "traceId": "01010101010101010101010101010101", "spanId": "0202020202020202",
      "parentSpanId": "0303030303030303", "traceState": "k=v", "name": "n", "kind": 3, "flags": 1,
      "startTimeUnixNano": "1000000000000000000", "endTimeUnixNano": "1000000000001500001",
      "status": {"code": 2, "message": "m"},
      "droppedAttributesCount": 2, "droppedEventsCount": 3, "droppedLinksCount": 4,
      "events": [{"name": "e", "timeUnixNano": "1000000000000000000", "droppedAttributesCount": 5}],
      "links": [{"traceId": "04040404040404040404040404040404", "spanId": "0505050505050505",
                 "flags": 6}]
    }]
  }]
}]}
"""
ROWS = """\
trace_id                           01010101010101010101010101010101
span_id                            0202020202020202
trace_state                        k=v
parent_span_id                     0303030303030303
name                               n
kind                               SPAN_KIND_CLIENT
start_time_unix_nano               2001-09-09T01:46:40.000000000Z
end_time_unix_nano                 2001-09-09T01:46:40.001500001Z
duration_ms                        1.500001
dropped_attributes_count           2
event.time_unix_nano               2001-09-09T01:46:40.000000000Z
event.name                         e
event.dropped_attributes_count     5
dropped_events_count               3
link.trace_id                      04040404040404040404040404040404
link.span_id                       0505050505050505
link.flags                         6
dropped_links_count                4
status.message                     m
status.code                        STATUS_CODE_ERROR
flags                              1
scope.name                         scope
scope.version                      v
scope_spans.schema_url             https://s.example
resource.dropped_attributes_count  1
resource_spans.schema_url          https://r.example
"""


def test_every_populated_field_of_a_message_becomes_a_row_in_a_fixed_order() -> None:
    found = otlp.rows(protobuf(MESSAGE))
    assert rows.columns([(row.field, row.value) for row in found]) == ROWS


def test_what_no_field_of_otlp_shows_is_counted() -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="n", trace_state="k")
    body = request.SerializeToString()
    unknown = body + b"\xfa\x3f\x03zqx"
    overridden = body + b"\x0a\x0b\x12\x09\x12\x07\x2a\x02zq\x2a\x01n"
    in_another_order = body.replace(b"\x1a\x01k\x2a\x01n", b"\x2a\x01n\x1a\x01k")
    for hiding, count in (unknown, "6"), (overridden, "4"), (in_another_order, "0"):
        found = otlp.rows(hiding)
        assert ("hidden_bytes", count) in [(row.field, row.value) for row in found]
