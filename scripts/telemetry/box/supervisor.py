"""The supervisor of one unmodified run: a process in namespaces of its own, with the servers.

It starts the installed console script by exec, with the script's own interpreter, as a shell would:
nothing of it is replaced.
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

# The smallest size of a pipe. A full pipe holds a run up as soon as its output begins.
PIPE_BYTES = 4096


def supervise(run: Run, world: World, folder: PrivateFolder) -> Observation:
    """Make a run in namespaces; this process enters them, which is why it can make only one."""
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
    # Needed for digests of result files; imported only now, since it can start threads.
    import h5py  # noqa: F401

    namespaces.adopt_orphans()
    servers = Servers(run, world)
    servers.open()
    # A background job of a shell ignores these signals, and so would the run.
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
        written_elsewhere=(*seen.written_elsewhere, *sorted(elsewhere ^ _entries(folder, keeps))),
    )


def _covers(run: Run, world: World, folder: PrivateFolder) -> dict[str, Path]:
    """Write the files that tell a program where it is; return them by the paths that they cover."""
    names, user = world.names, os.getuid() if run.user is None else run.user
    # The machine's own name is left out, so that the name server sees who looks it up.
    here = [world.host] if run.network is Network.HOSTS_ENTRY else []
    resolver = NOWHERE if run.network is Network.NO_NETWORK else LOOPBACK
    texts = {
        "hosts": f"{LOOPBACK} localhost {' '.join(here)}\n::1 localhost\n",
        "hostname": f"{names.host}\n",
        "machine-id": f"{names.machine}\n",
        # Without `search`, missing names would be looked up in the machine's domain as well.
        "resolv.conf": f"search .\nnameserver {resolver}\n",
        "passwd": f"{names.user}:x:{user}:{os.getgid()}:{names.person}:{folder.home}:/bin/sh\n",
    }
    for name, text in texts.items():
        (folder.root / name).write_text(text)
    return {f"/etc/{name}": folder.root / name for name in texts}


def _kept_folders(world: World, folder: PrivateFolder, environment: Mapping[str, str]) -> set[Path]:
    """The folders that a run needs, wherever they are: its files, its Python, its imports."""
    python = ROOT, Path(sys.prefix), Path(sys.base_prefix), world.interpreter.parents[1]
    imported = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    return {folder.root, world.files, *python, *map(Path, imported)}


def _entries(folder: PrivateFolder, keeps: Collection[Path]) -> set[str]:
    """What is in private folders and beside those of the run, apart from its output."""
    beside = {str(path) for path in folder.root.iterdir()}
    ours = {str(folder.root / name) for name in ("stdout", "stderr")}
    return namespaces.entries_of_private_places(keeps) | (beside - ours)


def _furnish(run: Run, world: World, folder: PrivateFolder) -> None:
    """Create the marker files of a run, and make its folders read-only or full."""
    for marker in map(Path, run.markers):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    for name in run.read_only:
        namespaces.mount_empty(getattr(folder, name), namespaces.MS_RDONLY)
    for name in run.full:
        full: Path = getattr(folder, name)
        # Names and short links, such as those of the inputs, still fit.
        namespaces.mount_empty(full, options="size=1")
        with contextlib.suppress(OSError), (full / "full").open("wb", 0) as file:
            while file.write(bytes(PIPE_BYTES)):
                pass
    if "work" in (*run.read_only, *run.full):
        folder.place_inputs(run, world.files, linked=True)


def _environment(run: Run, world: World, folder: PrivateFolder) -> dict[str, str]:
    texts = {
        "{files}": str(world.files),
        "{authority}": str(world.certificate("authority")),
        "{certificate}": str(world.certificate("client")),
    }
    variables = dict(world.names.environment)
    if run.trusts:
        variables["REQUESTS_CA_BUNDLE"] = "{authority}"
    # OpenSSL's variable, for what does not use requests: downloads of data sets, some exporters.
    if run.trusts or run.hosts:
        variables["SSL_CERT_FILE"] = "{authority}"
    if run.timed or run.ending.signal is not None:
        variables["PYTHONUNBUFFERED"] = "1"
    return folder.environment(run, world.interpreter, world.paths, variables, texts)


@contextlib.contextmanager
def _started(
    run: Run, world: World, folder: PrivateFolder, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the console script, and bring about the ending that the run asks for."""
    options: dict[str, Any] = {
        # Not a session of its own: the kernel may share out the cores by session (autogroup), and
        # a low priority would then not keep a spinning thread from slowing down other runs.
        "process_group": 0,
        # Safe although there are threads: they are those of the servers, which hold no lock of
        # Python's that prctl needs.
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
    # Ctrl-C in a terminal reaches every process of the command.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)


def _is_due(process: subprocess.Popen[bytes], run: Run, folder: PrivateFolder) -> bool:
    """Whether a run has printed what its signal waits for, or is held up by the full pipe."""
    if run.ends_after:
        return run.ends_after in (folder.root / "stderr").read_text(errors="replace")
    return "pipe_w" in Path("/proc", str(process.pid), "wchan").read_text()


def _drain(pipe: int, kept: Path = Path(os.devnull)) -> None:
    # Reading a terminal that everybody has closed is an error, not an end of file.
    with kept.open("ab", 0) as file, contextlib.suppress(OSError):
        while piece := os.read(pipe, PIPE_BYTES):
            file.write(piece)


def _leftovers() -> list[str]:
    """Command lines of processes that outlive the run by a second, and are then killed."""
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
