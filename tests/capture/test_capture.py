"""A capture: every ending has a name, nothing leaves the machine, nothing stays behind."""

import contextlib
import os
import select
import sys
import tempfile
from pathlib import Path

import pytest

from conftest import Doctor, need
from telemetry.capture.folder import PrivateFolder
from telemetry.capture.process import capture, require_one_message
from telemetry.records.exits import UserError
from telemetry.records.runs import Mode, Observation, Run

# The quickest command that sends a message.
LIST = ("download", "--list-only")

START = "    if list_only:\n        _list_datasets()"


def run(timeout: float = 60, **environment: str) -> Observation:
    return capture(Run("list", LIST, Mode.MEMORY, environment=environment, timeout=timeout))


def doctored_run(doctor: Doctor, code: str, timeout: float = 60) -> Observation:
    """Run `download --list-only` with a stripepy that first runs some other code."""
    folder = doctor(("cli/download.py", START, f"    exec({code!r}, {{}})\n{START}"))
    return run(timeout, PYTHONPATH=str(folder))


def test_a_run_sends_one_message_and_leaves_nothing_behind(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    seen = run(OTEL_RESOURCE_ATTRIBUTES="places={home}:{files}")
    require_one_message(seen)
    assert seen.exit_status == 0
    assert seen.stdout.startswith("{")
    assert b"/home:." in seen.body
    assert list(short_folder.iterdir()) == []


def test_a_long_temporary_folder_leaves_room_for_the_sockets_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("a" * 60)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    require_one_message(run())


def test_what_a_run_puts_on_pythonpath_does_not_hide_what_decides_which_stripepy(
    tmp_path: Path,
) -> None:
    run = Run("list", LIST, environment={"PYTHONPATH": "{files}/absent"})
    folder = PrivateFolder(tmp_path, tmp_path, tmp_path)
    made = folder.environment(run, Path(sys.executable), ["/changed"], {}, {"{files}": "/files"})
    assert made["PYTHONPATH"] == f"/files/absent{os.pathsep}/changed"


# The error of each attempt is swallowed, as a careful program would; the attempt still counts.
ATTEMPTS = {
    "import socket; socket.socket().connect(('192.0.2.1', 443))": "connection to 192.0.2.1:443",
    "import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.2', 53))": "192.0.2.2:53",
    "import urllib.request as u; u.urlopen('https://planted.example/')": "planted.example",
    "import socket; socket.gethostbyname('planted.example')": "look-up of planted.example",
    "import subprocess; subprocess.run(['curl', 'planted.example'])": "program curl",
    "import os; os.system('curl planted.example')": "program curl planted.example",
    "import multiprocessing as m, socket; p = m.Process(target=socket.gethostbyname,"
    " args=('worker.example',)); p.start(); p.join()": "look-up of worker.example",
}


def test_every_attempt_to_get_out_is_refused_and_named(doctor: Doctor) -> None:
    code = "".join(f"try:\n    {attempt}\nexcept Exception: pass\n" for attempt in ATTEMPTS)
    seen = doctored_run(doctor, code)
    with pytest.raises(UserError, match="was refused: ") as refusal:
        require_one_message(seen)
    for target in ATTEMPTS.values():
        assert target in refusal.value.message


def test_what_no_audit_hook_sees_the_kernel_refuses_and_counts(doctor: Doctor) -> None:
    need("namespaces")
    # A C library's own connect(): family 2, port 443, 192.0.2.1.
    code = (
        "import ctypes; c = ctypes.CDLL(None); s = c.socket(2, 1, 0);"
        " a = b'\\x02\\x00\\x01\\xbb\\xc0\\x00\\x02\\x01' + bytes(8); c.connect(s, a, 16)"
    )
    seen = doctored_run(doctor, code)
    with pytest.raises(UserError, match=r"was refused: .* from a C library"):
        require_one_message(seen)


SECOND_EXPORTER = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import os; os._exit(7)", "ended early, with exit status 7"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        (SECOND_EXPORTER, "sent 2 messages instead of one"),
    ],
)
def test_every_ending_has_its_own_name(doctor: Doctor, code: str, name: str) -> None:
    with pytest.raises(UserError, match=name):
        require_one_message(doctored_run(doctor, code))


def test_after_a_timeout_no_process_of_the_run_is_left(doctor: Doctor, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("it needs pidfd_open: run it on Linux")
    pid = tmp_path / "pid"
    code = (
        "import multiprocessing, time\n"
        "worker = multiprocessing.Process(target=time.sleep, args=(60,)); worker.start()\n"
        f"open({str(pid)!r}, 'w').write(str(worker.pid)); time.sleep(60)"
    )
    seen = doctored_run(doctor, code, timeout=8)
    with pytest.raises(UserError, match="did not end within 8 s"):
        require_one_message(seen)
    with contextlib.suppress(ProcessLookupError):
        ended, _, _ = select.select([os.pidfd_open(int(pid.read_text()))], [], [], 30)
        assert ended
