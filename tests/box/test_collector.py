"""A real OpenTelemetry collector accepts what stripepy sends."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
import urllib3

from conftest import need
from telemetry.capture.process import capture
from telemetry.records.runs import Mode, Run


@pytest.mark.slow
def test_a_real_collector_accepts_the_span(tmp_path: Path) -> None:
    need("rotel")
    import rotel

    run = capture(Run("list", ("download", "--list-only"), Mode.MEMORY))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    agent = Path(rotel.__file__).parent / "rotel-agent"
    options = (
        f"--otlp-http-endpoint 127.0.0.1:{port} --otlp-grpc-endpoint 127.0.0.1:0"
        " --exporter blackhole --debug-log traces --debug-log-verbosity detailed"
    )
    with subprocess.Popen(
        [agent, "start", *options.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        text=True,
    ) as collector:
        # Retry until the collector listens.
        retries = urllib3.Retry(30, backoff_factor=0.1, backoff_max=1)
        try:
            answer = urllib3.PoolManager(retries=retries).request(
                "POST",
                f"http://127.0.0.1:{port}/v1/traces",
                body=run.body,
                headers={"Content-Type": "application/x-protobuf"},
            )
        finally:
            collector.terminate()
        log, _ = collector.communicate(timeout=60)
    assert answer.status == 200
    for text in ("service.name", "stripepy", "params.list_only", "download"):
        assert text in log
