"""The witness for the capture: the unmodified program, over real TLS, sends the same."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from telemetry import assets, documented, fields, otlp
from telemetry.capture import capture
from telemetry.rows import Row
from witness import Request, namespaces_are_allowed, witness

pytestmark = pytest.mark.skipif(
    not namespaces_are_allowed(), reason="this machine allows no network namespaces: not tried here"
)

LIST = ("download", "--list-only")

[EXPORTER] = documented.load().provenance.exporters
ADDRESS = urlsplit(EXPORTER["endpoint"])


def sent(
    argv: Sequence[str],
    folder: Path,
    *,
    trusted: bool = True,
    environment: Mapping[str, str] | None = None,
) -> list[Request]:
    assert ADDRESS.hostname is not None
    assert ADDRESS.port is not None
    status, requests = witness(
        argv, folder, ADDRESS.hostname, ADDRESS.port, trusted=trusted, environment=environment
    )
    assert status == 0
    return requests


def settled(body: bytes) -> list[Row]:
    """The rows of a body, without the values that may differ from run to run."""
    dictionary = fields.load()
    return [
        Row(row.field, "", row.part, row.type) if dictionary[row.field].varies == "by run" else row
        for row in otlp.rows(body)
    ]


@pytest.mark.parametrize("argv", [LIST, ("call", "sample.hic", "10000")])
def test_the_unmodified_program_sends_what_the_capture_shows(
    tmp_path: Path, argv: tuple[str, ...]
) -> None:
    shutil.copy(assets.SAMPLE, tmp_path)
    [request] = sent(argv, tmp_path)
    captured = capture(argv, inputs={"sample.hic": assets.SAMPLE})
    assert settled(request.body) == settled(captured.body)
    assert request.line == f"POST {ADDRESS.path}"
    assert request.headers["host"] == ADDRESS.netloc
    assert request.headers["content-encoding"] == EXPORTER["compression"]


def test_no_header_says_more_than_the_protocol_needs(tmp_path: Path) -> None:
    [request] = sent(LIST, tmp_path)
    assert set(request.headers) <= {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }
    release = documented.load().provenance.this_run.opentelemetry_sdk
    assert request.headers["user-agent"] == f"OTel-OTLP-Exporter-Python/{release}"


def test_a_certificate_that_is_not_trusted_gets_nothing(tmp_path: Path) -> None:
    assert sent(LIST, tmp_path, trusted=False) == []


@pytest.mark.parametrize("variable", ["STRIPEPY_NO_TELEMETRY", "NO_TELEMETRY"])
def test_switched_off_the_unmodified_program_sends_nothing(tmp_path: Path, variable: str) -> None:
    assert sent(LIST, tmp_path, environment={variable: ""}) == []


@pytest.mark.parametrize(
    "variable", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
)
def test_the_users_own_headers_for_other_collectors_are_sent_too(
    tmp_path: Path, variable: str
) -> None:
    [request] = sent(LIST, tmp_path, environment={variable: "x-own-token=own-secret"})
    assert request.headers["x-own-token"] == "own-secret"
