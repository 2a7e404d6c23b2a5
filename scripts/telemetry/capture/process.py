"""Run one real stripepy command in a sealed process and keep what it would have sent.

This needs only an environment with stripepy-hic; everything heavy is imported in the child alone.
A run that cannot be used raises a UserError, in StripePy's own words where there are any.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from telemetry.capture.folder import RECORD_VARIABLE, PrivateFolder, caller_paths, private_folder
from telemetry.records.exits import Exit, UserError
from telemetry.records.files import SCRIPTS
from telemetry.records.runs import Observation, Run

FIRST_RELEASE_WITH_TELEMETRY = (1, 1, 1)
"""StripePy release that introduced telemetry; source: its documentation, page "Telemetry"."""

# A run ends only after its spinning thread has had a turn: with the lowest priority (19), some
# ended seconds late while others were starting.
LOW_PRIORITY = 15

CORRECT = "do as StripePy says, or correct the command after --"
"""What to do about a command that fails."""


def capture(
    run: Run,
    files: Path = Path(),
    interpreter: Path = Path(sys.executable),
    planted: Mapping[str, str] | None = None,
    names: tuple[str, str] = ("work", "home"),
) -> Observation:
    """Run `stripepy ARGV...` in a sealed child process, out of reach of the caller's settings.

    Args:
        files: Folder that inputs are taken from, and that files to keep are copied to.
        interpreter: The Python whose stripepy is run.
        planted: Variables of every run; those of this run take precedence.
        names: Names of the working directory and the home folder.
    """
    with private_folder(*names) as folder:
        folder.fill(run, files)
        paths = [str(SCRIPTS), *caller_paths()]
        texts = {"{files}": str(files)}
        environment = folder.environment(run, interpreter, paths, planted or {}, texts)
        environment[RECORD_VARIABLE] = str(folder.record)
        command = [str(interpreter), "-m", "telemetry.capture.sealed", *run.argv]
        before, began = folder.times(), time.time()
        with started(command, folder, environment, start_new_session=True) as process:
            exit_status = wait(process, run.timeout)
            ended = time.time()
        folder.keep(run, files)
        return folder.observation(run, before, exit_status, began, ended)


@contextlib.contextmanager
def started(
    command: Sequence[str], folder: PrivateFolder, environment: Mapping[str, str], **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and kill its whole process group at the end of the context.

    The options are those of `Popen`; they must make the command the leader of a process group.
    Unless they say otherwise, its output goes to files in the folder. On Linux, the thread that
    hictkpy starts when it is imported gets a low priority: it spins until its process ends.
    """
    with (
        (folder.root / "stdout").open("wb") as stdout,
        (folder.root / "stderr").open("wb") as stderr,
    ):
        streams = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr}
        process = subprocess.Popen(
            command, cwd=folder.work, env=environment, **{**streams, **options}
        )
    threading.Thread(target=_quieten, args=(process.pid,), daemon=True).start()
    try:
        yield process
    finally:
        _end_group(process)


def wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """Return the exit status of a process when it ends; at the timeout, kill it and return None."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        _end_group(process)
        return None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(process: int) -> list[int]:
    """Return the IDs of a process's children, on Linux."""
    return [
        int(child)
        for task in Path("/proc", str(process), "task").glob("*/children")
        for child in task.read_text().split()
    ]


def _quieten(process: int) -> None:
    """Lower the priority of threads that only spin, in a process and all its descendants.

    Such a thread never waits for anything, unlike the thread that sends.
    """
    quiet: set[int] = set()
    while Path("/proc", str(process)).exists():
        time.sleep(0.03)
        family = [process]
        for parent in family:
            with contextlib.suppress(OSError, ValueError):
                family += children(parent)
                for task in Path("/proc", str(parent), "task").iterdir():
                    thread = int(task.name)
                    if thread not in {parent, *quiet} and _spins(task):
                        os.setpriority(os.PRIO_PROCESS, thread, LOW_PRIORITY)
                        quiet.add(thread)


def _spins(task: Path) -> bool:
    """Whether a thread has run for 0.02 s without ever waiting."""
    worked = sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13]))
    waited = "\nvoluntary_ctxt_switches:\t0\n" not in (task / "status").read_text()
    return worked >= 0.02 * os.sysconf("SC_CLK_TCK") and not waited


def typed(run: Run) -> str:
    """Return the command of a run as its user typed it."""
    return f"`stripepy {shlex.join(run.typed or run.argv)}`"


def ending(seen: Observation) -> str:
    """Say how a failed run ended."""
    return f"ended with exit status {seen.exit_status}: {last_error(seen)}"


def last_error(seen: Observation) -> str:
    """Return StripePy's last error with its cause and advice; if it has none, its last line.

    Paths appear as they were typed.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.stderr).strip()
    error = r"^(?:[\w.]*(?:Error|Exception|Interrupt|Warning)|.*error): .+"
    for ours, theirs in zip(seen.run.argv, seen.run.typed, strict=False):
        name = ours.rpartition("=")[2]
        path = theirs[len(ours) - len(name) :]
        text = text.replace(f'"{name}"', f'"{path}"').replace(f"'{name}'", f"'{path}'")
    found = list(re.finditer(error, text, re.MULTILINE))
    if not found:
        return text.splitlines()[-1] if text else ""
    said = text[found[-1].start() :]
    causes = [match[0] for match in found if match[0] not in said]
    return f"{said} because of {causes[-1]}" if causes else said


def installing() -> str:
    """Say how to fix a stripepy that cannot run."""
    pip = f"{sys.executable} -m pip install --upgrade stripepy-hic"
    return f"unset PYTHONPATH if it is for another Python, or {pip}" if caller_paths() else pip


def require_end(seen: Observation) -> None:
    """Refuse a run that had to be killed at its timeout."""
    if seen.timed_out:
        message = f"{typed(seen.run)} did not end within {seen.run.timeout:g} s"
        raise UserError(message, "find out what it waits for", Exit.NOT_CAPTURED)


def require_one_message(seen: Observation, *, or_none: bool = False) -> None:
    """Refuse a run that did not send exactly one message.

    With `or_none`, a run that sent none is accepted, unless its stripepy cannot send any.
    """
    require_end(seen)
    fix = CORRECT
    if seen.provided:
        what = (
            "hands its span to a tracer provider that was set before StripePy's own:"
            " the span goes where that one sends it, and not to StripePy's collector"
        )
        fix = "see where with telemetry_request.py; a sitecustomize on PYTHONPATH can set one"
    elif seen.attempts:
        what = f"asked for something that was refused: {', '.join(dict.fromkeys(seen.attempts))}"
        fix = "none for `download`, which cannot fetch data here; otherwise find out what asked"
    elif seen.exit_status < 0:
        what = f"was ended by {signal.Signals(-seen.exit_status).name}"
        fix = "find out what ended it (too little memory?) and run the command again"
    elif not (seen.finished or seen.missing):
        what = f"ended early, with exit status {seen.exit_status}"
        fix = "run it as usual with STRIPEPY_NO_TELEMETRY=1 to see why"
    elif len(seen.bodies) > 1:
        what = f"sent {len(seen.bodies)} messages instead of one"
        fix = "look at them with --print, then find out why"
    elif seen.bodies:
        return
    elif lack := _lack(seen):
        raise UserError(lack, installing(), Exit.NOT_CAPTURED)
    elif or_none:
        return
    elif seen.exit_status != 0:
        what = f"failed before its telemetry was set up: {last_error(seen) or seen.exit_status}"
        if re.search("(Import|ModuleNotFound)Error", what):
            fix = installing()
    else:
        what = "sent no message: telemetry is switched off or could not be set up"
        fix = "run it with --verbosity debug to read StripePy's reason"
    raise UserError(f"{typed(seen.run)} {what}", fix, Exit.NOT_CAPTURED)


def _lack(seen: Observation) -> str:
    """Why the stripepy of a run cannot send anything; empty if it can."""
    release = seen.versions.get("stripepy-hic")
    if seen.missing or release is None:
        return f"stripepy cannot run here: {seen.missing or 'stripepy-hic is not installed'}"
    if tuple(map(int, re.findall(r"\d+", release)[:3])) < FIRST_RELEASE_WITH_TELEMETRY:
        first = ".".join(map(str, FIRST_RELEASE_WITH_TELEMETRY))
        return f"stripepy-hic {release} sends no telemetry, which came with {first}"
    return ""
