"""The supervisor of one unmodified run: a process in namespaces of its own, with the servers.

There the installed console script is started by exec with its own interpreter, as a shell would do
it: nothing of it is replaced.
"""

import contextlib
import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from telemetry.box.servers import LOOPBACK, NOWHERE, Servers, start
from telemetry.box.world import World
from telemetry.capture import namespaces
from telemetry.capture.folder import PrivateFolder
from telemetry.capture.process import children, started, wait
from telemetry.records.files import ROOT
from telemetry.records.runs import NO_NAMESPACES, Ending, Network, Observation, Run, Wire

# The least that a pipe can hold; filled, it holds a run up when its output begins.
PIPE_BYTES = 4096


def supervise(run: Run, world: World, folder: PrivateFolder) -> Observation:
    """Make a run in namespaces that this process enters, which is why it can make only one."""
    folder.fill(run, world.files, world.host)
    environment = _environment(run, world, folder)
    keeps = _kept_folders(world, folder, environment) if world.empties_temporary else set()
    names = world.names
    hardware = bytes.fromhex(names.hardware.replace(":", ""))
    covers = _covers(run, world, folder)
    if not namespaces.enter(names.host, hardware, covers, keeps, run.user):
        return Observation(run, not_tried=NO_NAMESPACES)
    _furnish(run, world, folder)
    before, elsewhere = folder.times(), _entries(folder, keeps)
    # For the digest of result files; no sooner, since it starts threads.
    import h5py  # noqa: F401

    namespaces.adopt_orphans()
    servers = Servers(run, world)
    servers.open()
    # Whoever started all this may ignore them, as a shell does for its background.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    began = time.time()
    with _started(run, world, folder, environment) as process:
        exit_status = wait(process, run.timeout)
        ended = time.time()
        left = _leftovers()
    attempts = tuple(servers.attempts())
    folder.keep(run, world.files)
    seen = folder.observation(run, before, exit_status, began, ended)
    return replace(
        seen,
        last_output=(folder.root / "stdout").stat().st_mtime,
        bodies=tuple(request.body for request in servers.requests),
        attempts=attempts,
        seen_on_wire=Wire(
            requests=tuple(servers.requests),
            fetches=tuple(servers.fetches),
            look_ups=tuple(servers.look_ups),
            tunnels=tuple(servers.tunnels),
            connections=servers.connections[world.port],
            waited=tuple(servers.waited),
            hellos=tuple(servers.hellos),
            left_running=tuple(left),
            host_name=socket.gethostname(),
        ),
        written_elsewhere=(
            *seen.written_elsewhere,
            *sorted(elsewhere ^ _entries(folder, keeps)),
        ),
    )


def _covers(run: Run, world: World, folder: PrivateFolder) -> dict[str, Path]:
    """Make files that tell a program where it is; return them by the paths that they cover."""
    names, user = world.names, os.getuid() if run.user is None else run.user
    # Whoever asks for the machine's own name has to ask the name server.
    here = [world.host] if run.network is Network.HOSTS_ENTRY else []
    resolver = NOWHERE if run.network is Network.NO_NETWORK else LOOPBACK
    texts = {
        "hosts": f"{LOOPBACK} localhost {' '.join(here)}\n::1 localhost\n",
        "hostname": f"{names.host}\n",
        "machine-id": f"{names.machine}\n",
        # Without `search`, names that do not exist are looked up in the machine's domain as well.
        "resolv.conf": f"search .\nnameserver {resolver}\n",
        "passwd": f"{names.user}:x:{user}:{os.getgid()}:{names.person}:{folder.home}:/bin/sh\n",
    }
    for name, text in texts.items():
        (folder.root / name).write_text(text)
    return {f"/etc/{name}": folder.root / name for name in texts}


def _kept_folders(world: World, folder: PrivateFolder, environment: Mapping[str, str]) -> set[Path]:
    """What a run needs, wherever that is: its files, its Python, what it imports."""
    python = ROOT, Path(sys.prefix), Path(sys.base_prefix), world.interpreter.parents[1]
    imported = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    return {folder.root, world.files, *python, *map(Path, imported)}


def _entries(folder: PrivateFolder, keeps: Collection[Path]) -> set[str]:
    """What is in the private places, and beside the folders of the run, where its output goes."""
    beside = {str(path) for path in folder.root.iterdir()}
    ours = {str(folder.root / name) for name in ("stdout", "stderr")}
    return namespaces.entries_of_private_places(keeps) | (beside - ours)


def _furnish(run: Run, world: World, folder: PrivateFolder) -> None:
    """Put up what a run finds around it besides its private folder."""
    for marker in map(Path, run.markers):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    for name in run.read_only:
        namespaces.mount_empty(getattr(folder, name), namespaces.MS_RDONLY)
    for name in run.full:
        full: Path = getattr(folder, name)
        # Names and short links find room.
        namespaces.mount_empty(full, options="size=1")
        with contextlib.suppress(OSError), (full / "full").open("wb", 0) as file:
            while file.write(bytes(PIPE_BYTES)):
                pass
    if "work" in (*run.read_only, *run.full):
        folder.place_inputs(run, world.files, linked=True)


def _environment(run: Run, world: World, folder: PrivateFolder) -> dict[str, str]:
    texts = {
        "{files}": str(world.files),
        "{authority}": str(world.authority),
        "{certificate}": str(world.certificate("client")),
    }
    variables = dict(world.names.environment)
    if run.trusts:
        variables["REQUESTS_CA_BUNDLE"] = "{authority}"
    # What does not use requests asks OpenSSL: the download of a data set, and some exporters.
    if run.trusts or run.hosts:
        variables["SSL_CERT_FILE"] = "{authority}"
    if run.timed or run.ending.signal is not None:
        variables["PYTHONUNBUFFERED"] = "1"
    return folder.environment(run, world.interpreter, world.paths, variables, texts)


@contextlib.contextmanager
def _started(
    run: Run, world: World, folder: PrivateFolder, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the console script, and bring its end about where that is ordered."""
    options: dict[str, Any] = {
        # Not a session of its own: the kernel may share the cores out by session, so that the
        # spinning thread of one takes time from another.
        "process_group": 0,
        # Before it, no thread was started but those of the servers, which hold no lock of Python's
        # that prctl needs.
        "preexec_fn": namespaces.die_with_parent,
    }
    held_up = run.ending is not Ending.NORMAL and not run.ends_after
    if run.terminal:
        reading, writing = pty.openpty()
        options |= dict.fromkeys(("stdin", "stdout", "stderr"), writing)
    elif held_up:
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.write(writing, b" " * PIPE_BYTES)
        options["stdout"] = writing
        if run.ending is Ending.CLOSED_PIPE:
            os.close(reading)
    command = [*run.prefix, str(world.interpreter.with_name("stripepy")), *run.argv]
    with started(command, folder, environment, **options) as process:
        if run.terminal or held_up:
            os.close(writing)
        if run.terminal:
            shown = start(_drain, reading, folder.root / "stdout")
        if (number := run.ending.signal) is not None:
            _interrupt(process, number, run, folder)
            if held_up:
                start(_drain, reading)
        yield process
        if run.terminal:
            shown.join(1.0)


def _interrupt(
    process: subprocess.Popen[bytes], number: int, run: Run, folder: PrivateFolder
) -> None:
    """Send a run's signal as soon as it is due."""
    deadline = time.monotonic() + run.timeout
    while not _is_due(process, run, folder) and time.monotonic() < deadline:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.01)
    # A terminal's Ctrl-C reaches every process of the command.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)


def _is_due(process: subprocess.Popen[bytes], run: Run, folder: PrivateFolder) -> bool:
    """Whether a run has said what it has to, or is held up by a pipe that is full."""
    if run.ends_after:
        return run.ends_after in (folder.root / "stderr").read_text(errors="replace")
    return "pipe_w" in Path("/proc", str(process.pid), "wchan").read_text()


def _drain(pipe: int, kept: Path = Path(os.devnull)) -> None:
    # A terminal that everybody has closed is an error, not an end.
    with kept.open("ab", 0) as file, contextlib.suppress(OSError):
        while piece := os.read(pipe, PIPE_BYTES):
            file.write(piece)


def _leftovers() -> list[str]:
    """Command lines of processes that outlived the run; given a moment to end, then ended."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return []
    left = []
    for process in children(os.getpid()):
        command = Path("/proc", str(process), "cmdline").read_bytes().replace(b"\0", b" ")
        left.append(command.decode(errors="replace").strip())
        os.kill(process, signal.SIGKILL)
    return left or ["a process"]
