"""For programs: one document with all that the site says, and the message of the documented run."""

import json
from pathlib import Path

import jsonschema
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from conftest import ROOT, installed_stripepy
from telemetry import assets, documented, fields, history, otlp, verification
from telemetry.rows import to_tsv


def test_the_disclosure_fits_its_schema_and_says_what_the_assets_say(site: Path) -> None:
    document = json.loads((site / "telemetry.json").read_text())
    schema = json.loads((site / "telemetry.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)

    run, seen = documented.load(), verification.load()
    assert [field["name"] for field in document["fields"]] == list(fields.load())
    examples = {f["name"]: f["example"]["value"] for f in document["fields"] if f["example"]}
    assert dict(run.table).items() <= examples.items()
    assert {c["id"]: c["verdict"] for c in document["claims"]} == {
        claim.id: claim.verdict for claim in seen.claims
    }
    off = {entry["variable"] for entry in document["opt_outs"] if entry["switches_off"]}
    assert {"STRIPEPY_NO_TELEMETRY", "NO_TELEMETRY"} <= off
    assert document["data_handling"] == fields.read_toml(assets.DATA_HANDLING)
    sending = {entry["release"] for entry in document["releases"] if entry["fields"]}
    assert sending == {s.release for s in history.load().of("contemporary") if s.fields}
    assert document["destination"] == run.provenance.exporters[0]


def test_a_reader_of_a_later_version_notices(site: Path) -> None:
    document = json.loads((site / "telemetry.json").read_text())
    schema = json.loads((site / "telemetry.schema.json").read_text())
    document["version"] += 1
    validator = jsonschema.Draft202012Validator(schema)
    assert [list(error.path) for error in validator.iter_errors(document)] == [["version"]]


def test_the_message_is_that_of_the_table() -> None:
    tree = json.loads((ROOT / "assets/telemetry_table.otlp.json").read_text())
    [span] = tree["resourceSpans"][0]["scopeSpans"][0]["spans"]
    # Protobuf's own JSON has these in base64, OTLP's in hexadecimal.
    identifiers = {key: bytes.fromhex(span.pop(key)) for key in ("traceId", "spanId")}
    request = ParseDict(tree, ExportTraceServiceRequest())
    sent = request.resource_spans[0].scope_spans[0].spans[0]
    sent.trace_id, sent.span_id = identifiers["traceId"], identifiers["spanId"]
    rows = [(row.field, row.value) for row in otlp.rows(request.SerializeToString())]
    assert to_tsv(rows) == assets.TABLE.read_text()


def test_each_line_that_is_said_to_set_a_field_is_there() -> None:
    package, dictionary = installed_stripepy(), fields.load()
    for seen in verification.load().fields:
        if dictionary[seen.field].origin == "StripePy":
            assert seen.lines, seen.field
        for place in seen.lines:
            file, _, number = place.partition(":")
            lines = (package / file).read_text().splitlines()
            line = lines[int(number) - 1]
            if seen.field.startswith("params."):
                assert f'"{seen.field}"' in line
            else:
                assert line.strip()
