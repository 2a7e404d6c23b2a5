"""Run one real stripepy command in a sealed process and keep what it would have sent.

Knows stripepy and OpenTelemetry, nothing of tables. Needs only an environment with stripepy-hic;
everything heavy is imported in the child process alone.
"""

import base64
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from telemetry import RECORD_VARIABLE
from telemetry.errors import Exit, UserError

FIRST_RELEASE_WITH_TELEMETRY = (1, 1, 1)
"""StripePy release that introduced telemetry; source: its documentation, page "Telemetry"."""

SCRIPTS = Path(__file__).resolve().parent.parent


class Outcome(StrEnum):
    """How a capture ended; the first that applies, from the top."""

    TIMED_OUT = "timed out"
    OUTBOUND_ATTEMPT = "tried to reach something outside"
    KILLED = "ended by a signal"
    CRASHED = "ended without returning from stripepy"
    SEVERAL_SPANS = "sent several spans"
    NO_SPAN = "sent no span"
    ONE_SPAN = "sent one span"


class Seam(StrEnum):
    """What stands in for the way out, and so how much of the program is the real one."""

    EXPORTER = "exporter"
    REQUEST = "request"


@dataclass(frozen=True)
class Capture:
    """What one run of stripepy would have sent, and how the run went.

    Attributes:
        argv: Arguments after `stripepy`, as run.
        outcome: How the capture ended.
        exit_status: Exit status of the process; minus the signal number if a signal ended it.
        bodies: The serialised ExportTraceServiceRequest of each request, in order.
        spans: Number of spans in all bodies together.
        exporters: Settings that each OTLP exporter was constructed with, by parameter name.
        requests: Each finished HTTP request, but for its body; only from `Seam.REQUEST`.
        attempts: Every attempt to reach something outside, as "what target".
        versions: Of "python", "stripepy-hic" and "opentelemetry-sdk", as far as installed.
        missing: Why stripepy or OpenTelemetry could not be imported; empty if both could.
        in_namespace: Whether the kernel, too, kept the run from the network.
        stdout: What the command printed.
        stderr: What the command printed as messages and errors.
        wall_seconds: Time from starting the process to its end.
    """

    argv: tuple[str, ...]
    outcome: Outcome
    exit_status: int
    bodies: tuple[bytes, ...]
    spans: int
    exporters: tuple[Mapping[str, Any], ...]
    requests: tuple[Mapping[str, Any], ...]
    attempts: tuple[str, ...]
    versions: Mapping[str, str]
    missing: str
    in_namespace: bool
    stdout: str
    stderr: str
    wall_seconds: float

    @property
    def body(self) -> bytes:
        """All bodies as one ExportTraceServiceRequest: concatenation is how protobuf merges."""
        return b"".join(self.bodies)

    @property
    def last_error(self) -> str:
        """StripePy's own last error with its direct cause, in one line; empty if it named none."""
        errors = re.findall(
            r"^((?:[\w.]*(?:Error|Exception|Interrupt|Warning)|stripepy[ \w-]*: error): .+)$",
            re.sub(r"\x1b\[[0-9;]*m", "", self.stderr),
            re.MULTILINE,
        )
        distinct = list(dict.fromkeys(reversed(errors)))[:2]
        return " because of ".join(distinct)


def require_telemetry(run: Capture) -> None:
    """Refuse a capture without a span from an environment whose stripepy cannot send any.

    Raises:
        UserError: If stripepy or OpenTelemetry is missing, or stripepy is too old.
    """
    if run.outcome is not Outcome.NO_SPAN:
        return
    release = run.versions.get("stripepy-hic")
    pip = f"{sys.executable} -m pip install --upgrade stripepy-hic"
    if run.missing or release is None:
        reason = run.missing or "stripepy-hic is not installed"
        raise UserError(f"stripepy cannot run here: {reason}", pip, Exit.NOT_CAPTURED)
    if _release(release) < FIRST_RELEASE_WITH_TELEMETRY:
        first = ".".join(map(str, FIRST_RELEASE_WITH_TELEMETRY))
        message = f"stripepy-hic {release} sends no telemetry, which came with {first}"
        raise UserError(message, pip, Exit.NOT_CAPTURED)


def require_one_span(run: Capture) -> None:
    """Refuse a capture that is not one span and nothing else.

    Raises:
        UserError: With what went wrong, in StripePy's own words where it has any.
    """
    if run.outcome is Outcome.ONE_SPAN:
        return
    mend = "do as StripePy says, or correct the command after --"
    if run.outcome is Outcome.TIMED_OUT:
        what = f"did not end within {run.wall_seconds:.0f} s"
        mend = "allow it more with --timeout SECONDS"
    elif run.outcome is Outcome.OUTBOUND_ATTEMPT:
        what = f"was refused: {', '.join(dict.fromkeys(run.attempts))}"
        mend = "none for `download`, whose data cannot be fetched here; else find out who asks"
    elif run.outcome is Outcome.KILLED:
        what = f"was ended by {signal.Signals(-run.exit_status).name}"
        mend = "find out what ended it (too little memory?) and run the command again"
    elif run.outcome is Outcome.CRASHED:
        what = f"ended in the middle, with exit status {run.exit_status}"
        mend = "run it as usual with STRIPEPY_NO_TELEMETRY=1 to see why"
    elif run.outcome is Outcome.SEVERAL_SPANS:
        what = f"sent {run.spans} spans instead of one"
        mend = "look at them with --print, then find out why"
    elif run.exit_status != 0:
        what = f"failed before its telemetry: {run.last_error or run.exit_status}"
    else:
        what = "sent no span: telemetry is switched off or could not be set up"
        mend = "run it with --verbosity debug to read StripePy's reason"
    raise UserError(f"`stripepy {shlex.join(run.argv)}` {what}", mend, Exit.NOT_CAPTURED)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def capture(
    argv: Sequence[str],
    *,
    inputs: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 3600.0,
    interpreter: Path = Path(sys.executable),
    seam: Seam = Seam.EXPORTER,
    keep: Path | None = None,
) -> Capture:
    """Run `stripepy ARGV...` in a sealed child process.

    The child sees a new, private folder as working directory, home and temporary folder, and an
    environment that is built here: nothing of the caller's own settings gets in.

    Args:
        argv: Arguments after `stripepy`.
        inputs: Files that the command finds in its working directory, by name.
        environment: Variables to set on top.
        timeout: Seconds after which the run is ended, with every process that it started.
        interpreter: The Python whose stripepy is run.
        seam: What stands in for the way out.
        keep: Folder for the files that the command writes; without one, they are thrown away.
    """
    with tempfile.TemporaryDirectory(
        prefix="tl-", dir=scratch_folder(), ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        for sub in ("home", "work", "t"):
            (folder / sub).mkdir()
        for link, target in (inputs or {}).items():
            (folder / "work" / link).symlink_to(target.resolve())
        (folder / "record").touch()
        base = base_environment(folder, folder / "home", interpreter)
        command = [str(interpreter), "-m", "telemetry.child", seam, *argv]
        exit_status, wall_seconds = _run(command, folder, {**base, **(environment or {})}, timeout)
        if keep is not None:
            _keep(folder / "work", keep)
        return _read(folder, tuple(argv), exit_status, wall_seconds)


def scratch_folder() -> str:
    """The folder in which private folders are made."""
    # Multiprocessing makes sockets of 33 characters in our folder of 14, and the name of a socket
    # has at most 103 (on Linux 107). A long TMPDIR, as clusters have it, leaves no room.
    folder = tempfile.gettempdir()
    return "/tmp" if os.name == "posix" and len(os.fsencode(folder)) + 14 + 33 > 103 else folder


def python_path() -> str:
    """PYTHONPATH for a process that needs this library, and the caller's own after it."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([str(SCRIPTS), *(str(Path(path).resolve()) for path in paths if path)])


def base_environment(
    folder: Path, home: Path, interpreter: Path = Path(sys.executable)
) -> dict[str, str]:
    """The environment of a run in a private folder, of which nothing is the caller's own choice."""
    # PYTHONPATH and the loader's path decide which stripepy "the interpreter in use" has.
    inherited = ("LD_LIBRARY_PATH", "SYSTEMROOT")
    return {
        **{name: os.environ[name] for name in inherited if name in os.environ},
        "PATH": os.pathsep.join((str(interpreter.parent), os.defpath)),
        "PYTHONPATH": python_path(),
        "HOME": str(home),
        "TMPDIR": str(folder / "t"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "120",
        RECORD_VARIABLE: str(folder / "record"),
    }


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> tuple[int | None, float]:
    """Run the child to its end; return its exit status (None after the timeout) and seconds."""
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            return process.wait(timeout), time.perf_counter() - start
        except subprocess.TimeoutExpired:
            return None, time.perf_counter() - start
        finally:
            # Also after a normal end: a worker that outlived stripepy must not outlive us.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _keep(work: Path, keep: Path) -> None:
    for path in work.rglob("*"):
        if path.is_file() and not path.is_symlink():
            shutil.copy(path, keep)


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    for line in (folder / "record").read_text().splitlines():
        yield json.loads(line)


def _read(
    folder: Path, argv: tuple[str, ...], exit_status: int | None, wall_seconds: float
) -> Capture:
    known: dict[str, Any] = {}
    bodies, exporters, requests, attempts, spans = [], [], [], [], 0
    for entry in _entries(folder):
        match entry:
            case {"body": body, "spans": count}:
                bodies.append(base64.b64decode(body))
                spans += count
            case {"exporter": settings}:
                exporters.append(settings)
            case {"request": request}:
                requests.append(request)
            case {"attempt": attempt}:
                attempts.append(attempt)
            case _:
                known |= entry
    if exit_status is None:
        outcome = Outcome.TIMED_OUT
    elif attempts:
        outcome = Outcome.OUTBOUND_ATTEMPT
    elif exit_status < 0:
        outcome = Outcome.KILLED
    elif not known.get("done") and "no_stripepy" not in known:
        outcome = Outcome.CRASHED
    else:
        outcome = (Outcome.NO_SPAN, Outcome.ONE_SPAN)[spans] if spans < 2 else Outcome.SEVERAL_SPANS
    return Capture(
        argv=argv,
        outcome=outcome,
        exit_status=-signal.SIGKILL if exit_status is None else exit_status,
        bodies=tuple(bodies),
        spans=spans,
        exporters=tuple(exporters),
        requests=tuple(requests),
        attempts=tuple(attempts),
        versions=known.get("versions", {}),
        missing=known.get("no_stripepy", known.get("no_opentelemetry", "")),
        in_namespace=known.get("sealed", False),
        stdout=(folder / "stdout").read_text(errors="replace"),
        stderr=(folder / "stderr").read_text(errors="replace"),
        wall_seconds=wall_seconds,
    )
