"""The capture: every ending has a name, nothing leaves the machine, nothing stays behind."""

import sys
import tempfile
import time
from pathlib import Path

import pytest

from conftest import Doctor
from telemetry import otlp
from telemetry.capture import Capture, Outcome, Seam, capture

# The quickest command that sets telemetry up and sends a span.
LIST = ("download", "--list-only")

START = "    if list_only:\n        _list_datasets()"


def doctored_run(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, code: str, timeout: float = 60
) -> Capture:
    """Run `download --list-only` of a stripepy that also does something else at its start."""
    folder = doctor({"cli/download.py": (START, f"    exec({code!r}, {{}})\n{START}")})
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return capture(LIST, timeout=timeout)


def test_a_run_sends_one_span_and_leaves_nothing_behind(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    run = capture(LIST)
    assert (run.outcome, run.exit_status, run.spans) == (Outcome.ONE_SPAN, 0, 1)
    assert run.stdout.startswith("{")
    assert list(short_folder.iterdir()) == []


def test_the_request_of_the_real_exporter_holds_what_is_captured_in_its_place() -> None:
    in_memory, request = capture(LIST), capture(LIST, seam=Seam.REQUEST)
    names = [[row.field for row in otlp.rows(run.body)] for run in (in_memory, request)]
    assert names[0] == names[1]
    [posted] = request.requests
    assert posted["url"] == in_memory.exporters[0]["endpoint"]
    assert posted["headers"]["Content-Encoding"] == in_memory.exporters[0]["compression"]
    assert request.attempts == ()


def test_a_long_temporary_folder_leaves_room_for_the_sockets_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("a" * 60)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert capture(LIST).outcome is Outcome.ONE_SPAN


def test_the_callers_environment_stays_outside_and_an_explicit_one_gets_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPEPY_NO_TELEMETRY", "1")
    assert capture(LIST).outcome is Outcome.ONE_SPAN
    assert capture(LIST, environment={"STRIPEPY_NO_TELEMETRY": "1"}).outcome is Outcome.NO_SPAN


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 443))", "192.0.2.1"),
        ("import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.2', 53))", "192.0.2.2:53"),
        ("import urllib.request as u; u.urlopen('https://planted.example/')", "planted.example"),
        ("import requests; requests.post('http://planted.example/', data='x')", "planted.example"),
        ("import socket; socket.gethostbyname('planted.example')", "look-up of planted.example"),
        ("import subprocess; subprocess.run(['curl', 'planted.example'])", "program curl"),
        ("import os; os.system('curl planted.example')", "program curl planted.example"),
    ],
)
@pytest.mark.parametrize("swallowed", [False, True])
def test_an_outbound_attempt_is_refused_and_named_even_if_stripepy_swallows_it(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, code: str, target: str, swallowed: bool
) -> None:
    if swallowed:
        code = f"try: {code}\nexcept Exception: pass"
    run = doctored_run(doctor, monkeypatch, code)
    assert run.outcome is Outcome.OUTBOUND_ATTEMPT
    assert target in " ".join(run.attempts)


def test_an_attempt_in_a_worker_process_is_refused(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import multiprocessing as m, socket; p = m.Process("
        "target=socket.gethostbyname, args=('worker.example',)); p.start(); p.join()"
    )
    run = doctored_run(doctor, monkeypatch, code)
    assert run.outcome is Outcome.OUTBOUND_ATTEMPT
    assert run.attempts == ("look-up of worker.example",)


def test_what_no_audit_hook_sees_the_kernel_refuses_and_counts(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A C library's own connect(): family 2, port 443, 192.0.2.1.
    code = (
        "import ctypes; c = ctypes.CDLL(None); s = c.socket(2, 1, 0);"
        " a = b'\\x02\\x00\\x01\\xbb\\xc0\\x00\\x02\\x01' + bytes(8); c.connect(s, a, 16)"
    )
    run = doctored_run(doctor, monkeypatch, code)
    if not run.in_namespace:
        pytest.skip("this machine allows no network namespaces")
    assert run.outcome is Outcome.OUTBOUND_ATTEMPT
    assert "C library" in run.attempts[0]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import os; os._exit(7)", Outcome.CRASHED),
        ("import os; os.kill(os.getpid(), 11)", Outcome.KILLED),
        ("import time; time.sleep(60)", Outcome.TIMED_OUT),
        (
            "from opentelemetry import trace; trace.get_tracer('x').start_span('y').end()",
            Outcome.SEVERAL_SPANS,
        ),
    ],
)
def test_every_ending_has_its_own_name(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, code: str, outcome: Outcome
) -> None:
    assert doctored_run(doctor, monkeypatch, code, timeout=20).outcome is outcome


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_after_a_timeout_no_process_of_the_run_is_left(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    code = (
        "import multiprocessing, time\n"
        "worker = multiprocessing.Process(target=time.sleep, args=(60,)); worker.start()\n"
        f"open({str(pid)!r}, 'w').write(str(worker.pid)); time.sleep(60)"
    )
    run = doctored_run(doctor, monkeypatch, code, timeout=20)
    assert run.outcome is Outcome.TIMED_OUT
    deadline = time.monotonic() + 30
    while is_running(pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid.read_text())


def is_running(pid: str) -> bool:
    """Whether a process is there and not a zombie that nobody has collected yet."""
    try:
        return Path("/proc", pid, "stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
