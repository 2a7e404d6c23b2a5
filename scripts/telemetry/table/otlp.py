"""Turn an OTLP message into rows, or into OTLP JSON. Pure functions."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from telemetry.records.rows import Row, format_cell, format_time, format_value

# A reader wants spans before their scope, and both before their resource.
FIRST = frozenset({"scope_spans", "spans"})

# Protobuf's own JSON writes these in base64, OTLP's in hexadecimal.
IDS = frozenset({"traceId", "spanId", "parentSpanId"})


@lru_cache(maxsize=2000)
def rows(body: bytes) -> tuple[Row, ...]:
    """Flatten a serialised ExportTraceServiceRequest: every populated field, in a fixed order.

    Fields come in OTLP's own order, attributes by key. After a span's end time comes the one
    derived row, `duration_ms`. If Protobuf would encode the rows in other bytes, a last row,
    `hidden_bytes`, counts the bytes of unknown fields and of values that a later one replaced; it
    is 0 if only the order differs.

    Raises:
        DecodeError: If it is not such a message.
    """
    request = ExportTraceServiceRequest.FromString(body)
    shown = list(_flatten(request))
    request.DiscardUnknownFields()
    if (usual := request.SerializeToString()) != body:
        hidden = len(body) - len(usual)
        shown.append(Row("hidden_bytes", format_value(hidden), "message", "int"))
    return tuple(shown)


def otlp_json(body: bytes) -> str:
    """Convert a serialised ExportTraceServiceRequest to OTLP JSON.

    It differs from Protobuf's own JSON in that IDs are hexadecimal and enums are numbers; see the
    OTLP specification, "JSON Protobuf Encoding".
    """
    request = ExportTraceServiceRequest.FromString(body)
    text = MessageToJson(request, use_integers_for_enums=True)

    def with_hexadecimal_ids(tree: dict[str, Any]) -> dict[str, Any]:
        return {key: b64decode(v).hex() if key in IDS else v for key, v in tree.items()}

    tree = json.loads(text, object_hook=with_hexadecimal_ids)
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _flatten(message: Message) -> Iterator[Row]:
    kind = message.DESCRIPTOR.name
    words = re.sub(r"\B[A-Z]", r" \g<0>", kind).lower().removeprefix("instrumentation ")
    part = "span" if kind == "Status" else words
    # A span's own fields have no prefix.
    prefix = "" if kind == "Span" else f"{words.replace(' ', '_')}."
    for field, value in sorted(message.ListFields(), key=lambda pair: pair[0].name not in FIRST):
        if field.message_type is not None:
            nested: list[Any] = [value] if isinstance(value, Message) else value
            if field.message_type.name == "KeyValue":
                yield from _attributes(nested, f"{part} attribute")
            else:
                for item in nested:
                    yield from _flatten(item)
            continue
        type_name = FieldDescriptorProto.Type.Name(field.type)  # type: ignore[arg-type]
        type_name = re.sub(r"u?int\d+", "int", type_name.removeprefix("TYPE_").lower())
        for item in [value] if isinstance(value, str | bytes | int | float) else value:
            yield Row(prefix + field.name, _written(field, item), part, type_name)
        if field.name == "end_time_unix_nano":
            duration = (value - message.start_time_unix_nano) / 1e6  # type: ignore[attr-defined]
            yield Row("duration_ms", format_value(duration), "derived", "double")


def _written(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if isinstance(value, bytes):
        return value.hex()
    return format_time(value) if field.name.endswith("time_unix_nano") else format_value(value)


def _attributes(pairs: Sequence[KeyValue], part: str) -> Iterator[Row]:
    for pair in sorted(pairs, key=lambda pair: pair.key):
        yield Row(format_cell(pair.key), format_value(_plain(pair.value)), part, _type(pair.value))


def _type(value: AnyValue) -> str:
    kind = (value.WhichOneof("value") or "empty").removesuffix("_value")
    if kind == "array":
        types = {_type(item) for item in value.array_value.values}
        return f"{types.pop() if len(types) == 1 else 'any'}[]"
    return "map" if kind == "kvlist" else kind


def _plain(value: AnyValue) -> Any:
    """Convert an AnyValue to types of JSON, with OTLP JSON's names for maps and bytes."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {"kvlistValue": [[p.key, _plain(p.value)] for p in value.kvlist_value.values]}
        case "bytes_value":
            return {"bytesValue": b64encode(value.bytes_value).decode()}
        case kind:
            return getattr(value, kind)
