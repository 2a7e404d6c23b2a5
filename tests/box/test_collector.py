"""A real OpenTelemetry collector accepts what stripepy sends."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import urllib3

from conftest import need
from telemetry.capture.process import capture
from telemetry.records.runs import Mode, Run


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.slow
def test_a_real_collector_accepts_the_span(tmp_path: Path) -> None:
    need("rotel")
    import rotel

    run = capture(Run("list", ("download", "--list-only"), Mode.MEMORY))
    http, grpc = free_port(), free_port()
    agent = Path(rotel.__file__).parent / "rotel-agent"
    log = tmp_path / "log"
    # Retry until the collector listens.
    retries = urllib3.Retry(30, backoff_factor=0.1, backoff_max=1)
    options = (
        f"--otlp-http-endpoint 127.0.0.1:{http} --otlp-grpc-endpoint 127.0.0.1:{grpc}"
        " --exporter blackhole --debug-log traces --debug-log-verbosity detailed"
    )
    environment = {"PATH": os.defpath, "HOME": str(tmp_path)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [agent, "start", *options.split()],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        ) as collector,
    ):
        try:
            answer = urllib3.PoolManager(retries=retries).request(
                "POST",
                f"http://127.0.0.1:{http}/v1/traces",
                body=run.body,
                headers={"Content-Type": "application/x-protobuf"},
            )
            assert answer.status == 200
            deadline = time.monotonic() + 30
            while "params.list_only" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            collector.terminate()
    seen = log.read_text()
    for text in ("service.name", "stripepy", "params.list_only", "download"):
        assert text in seen
