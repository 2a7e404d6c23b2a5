"""The supervisor of one unmodified run: a process in namespaces of its own, with the servers.

There the installed console script is started by exec with its own interpreter, as a shell would do
it: nothing of it is replaced. Only the thread that importing hictkpy starts, which keeps a core
busy until its process ends, is given the lowest priority.
"""

import contextlib
import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from telemetry.box import servers
from telemetry.box.world import World
from telemetry.capture import namespaces
from telemetry.capture.folder import (
    RECORD_VARIABLE,
    WATCHER,
    PrivateFolder,
    add_path,
)
from telemetry.records.files import ROOT
from telemetry.records.runs import NO_NAMESPACES, Ending, Network, Observation, Run, Wire

# The least that a pipe can hold; filled, it holds a run up when its output begins.
PIPE_BYTES = 4096

LOWEST_PRIORITY = 19

# Where servers are said to be that no route leads to; an address of documentation.
NOWHERE = "192.0.2.53"

WITHOUT_ROUTES = frozenset({Network.NO_NETWORK, Network.NO_ROUTE})


def supervise(run: Run, world: World, folder: PrivateFolder) -> Observation:
    """Make a run in namespaces that this process enters, which is why it can make only one."""
    folder.fill(run, world.files, world.host)
    covers = {**world.covers, **_own_covers(run, world, folder)}
    keeps = _kept_folders(run, world, folder) if world.empties_temporary else set()
    if not namespaces.enter(world.names.host, covers, keeps, run.user):
        return Observation(run, not_tried=NO_NAMESPACES)
    _furnish(run, world, folder)
    before, elsewhere = folder.times(), namespaces.entries_of_private_places(keeps)
    # For the digest of result files; no sooner, since it starts threads.
    import h5py  # noqa: F401

    namespaces.adopt_orphans()
    seen = servers.Seen()
    # Before there is anything to see.
    if run.network not in WITHOUT_ROUTES:
        namespaces.lead_everything_here()
    ports = {world.port, servers.PROXY_PORT}
    packets = servers.Packets(ports | {servers.HTTPS_PORT} if run.hosts else ports)
    packets.start()
    opened = _open(run, world, seen)
    process = _Process(run, world, folder)
    exit_status, timed_out, started, ended = process.attend()
    left = _leftovers()
    counts = namespaces.kernel_counts()
    folder.keep(run, world.files)
    return Observation(
        run=run,
        exit_status=exit_status,
        timed_out=timed_out,
        started=started,
        ended=ended,
        last_output=(folder.root / "stdout").stat().st_mtime,
        stdout=folder.text("stdout"),
        stderr=folder.text("stderr"),
        bodies=tuple(request.body for request in seen.requests),
        attempts=tuple(_attempts(run, world, seen, counts, opened, packets.addresses())),
        files=folder.changed(before),
        folder=str(folder.work),
        sealed=True,
        seen_on_wire=Wire(
            requests=tuple(seen.requests),
            look_ups=tuple(seen.look_ups),
            tunnels=tuple(seen.tunnels),
            connections=seen.connections - len(seen.tunnels),
            left_running=tuple(left),
            host_name=socket.gethostname(),
        ),
        variables=tuple(folder.records("variable")),
        written_elsewhere=(
            *folder.records("written"),
            *sorted(elsewhere ^ namespaces.entries_of_private_places(keeps)),
        ),
        parser=tuple(next(iter(folder.records("parser")), ())),
    )


def _own_covers(run: Run, world: World, folder: PrivateFolder) -> dict[str, Path]:
    """Make the files under /etc that differ from run to run."""
    names, user = world.names, os.getuid() if run.user is None else run.user
    resolver = NOWHERE if run.network is Network.NO_NETWORK else servers.LOOPBACK
    account = f"{names.user}:x:{user}:{os.getgid()}:{names.person}:{folder.home}:/bin/sh\n"
    covers = {}
    # Without it, names that do not exist are looked up in the domain of the machine as well.
    texts = {"resolv.conf": f"search .\nnameserver {resolver}\n", "passwd": account}
    if run.network is Network.HOSTS_ENTRY:
        texts["hosts"] = f"{servers.LOOPBACK} {names.host} {world.host}\n"
    for name, text in texts.items():
        covers[f"/etc/{name}"] = folder.root / name
        (folder.root / name).write_text(text)
    return covers


def _furnish(run: Run, world: World, folder: PrivateFolder) -> None:
    """Put up what a run finds around it besides its private folder."""
    for marker in map(Path, run.markers):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    for name in run.read_only:
        namespaces.mount_empty(getattr(folder, name), namespaces.MS_RDONLY)
    for name in run.full:
        _mount_full(getattr(folder, name))
    if "work" in (*run.read_only, *run.full):
        folder.link_inputs(run, world.files)


def _mount_full(folder: Path) -> None:
    """Put a file system without space over a folder; names and short links find room."""
    namespaces.mount_empty(folder, options="size=1")
    with contextlib.suppress(OSError), (folder / "full").open("wb", 0) as file:
        while file.write(bytes(PIPE_BYTES)):
            pass


def _kept_folders(run: Run, world: World, folder: PrivateFolder) -> set[Path]:
    """What a run needs, wherever that is: its files, its Python, what it imports."""
    paths = run.environment.get("PYTHONPATH", "").replace("{files}", str(world.files))
    python = {ROOT, Path(sys.prefix), Path(sys.base_prefix), world.interpreter.parents[1]}
    imported = {Path(path) for path in (*world.paths, *paths.split(os.pathsep)) if path}
    return {folder.root, world.files, *python, *imported}


# Open ports that nothing serves, kept from being collected and so closed.
_kept: list[object] = []


def _open(run: Run, world: World, seen: servers.Seen) -> int:
    """Open the ports that the run will find; return how many connections that itself opened."""
    opened = 0
    if run.network is Network.BLACK_HOLE:
        hole = servers.BlackHole(world.port)
        opened = len(hole.callers)
        _kept.append(hole)
    elif run.network is Network.SILENT:
        _kept.append(socket.create_server((servers.LOOPBACK, world.port)))
    elif run.network not in servers.NOBODY_LISTENS:
        kind = "wrong" if run.network is Network.WRONG_CERTIFICATE else "right"
        collector = servers.Collector(
            seen, run.network, world.port, world.certificate(kind), world.authority
        )
        _serve(collector)
    if run.hosts:
        site = servers.WebSite(
            seen, world.files / "data", world.certificate("right"), world.authority
        )
        _serve(site)
    if run.network not in {Network.NO_NETWORK, Network.NO_NAME_SERVER}:
        silent = run.network is Network.SILENT_NAME_SERVER
        ours = () if run.network is Network.NO_SUCH_NAME else (world.host.lower(),)
        address = NOWHERE if run.network is Network.NO_ROUTE else servers.LOOPBACK
        servers.NameServer(seen, None if silent else (*ours, *run.hosts), address).start()
    refuses = run.network is Network.PROXY_REFUSES
    servers.Proxy(seen, None if refuses else world.port).start()
    return opened


def _serve(server: servers.TlsServer) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _attempts(
    run: Run,
    world: World,
    seen: servers.Seen,
    counts: dict[str, int],
    opened: int,
    addresses: list[str],
) -> Iterator[str]:
    """Yield every attempt to reach anything but the collector and what the command line names."""
    served = {world.host, *run.hosts}
    for name in seen.look_ups:
        if name not in served.union(run.missing_hosts):
            yield f"look-up of {name}"
    for called in seen.server_names:
        # Whoever passes an encrypted connection on can read it.
        if called not in served:
            yield f"connection to a server called {called}"
    if counts["unrouted"] and run.network not in WITHOUT_ROUTES:
        yield f"{counts['unrouted']} packets that had no way out"
    # Through the proxy, there are two connections for each: one of them is the proxy's.
    known = opened + seen.connections + seen.other_connections + len(seen.tunnels)
    yield from (f"connection to {address}" for address in addresses)
    if not addresses and counts["tcp"] > known and run.network is Network.ANSWERS:
        yield f"{counts['tcp'] - known} connections to something else on this machine"


@dataclass
class _Process:
    """The process of a run: its start, its end."""

    run: Run
    world: World
    folder: PrivateFolder

    def environment(self) -> dict[str, str]:
        run, world = self.run, self.world
        texts = {
            "{files}": str(world.files),
            "{authority}": str(world.authority),
            "{certificate}": str(world.certificate("client")),
        }
        environment = self.folder.environment(
            run, world.interpreter, world.paths, world.names.environment, texts
        )
        if run.trusts:
            environment.setdefault("REQUESTS_CA_BUNDLE", str(world.authority))
        # What does not use requests asks OpenSSL: the download of a data set, and some exporters.
        if run.trusts or run.hosts:
            environment.setdefault("SSL_CERT_FILE", str(world.authority))
        if run.timed or run.ending.signal is not None:
            environment["PYTHONUNBUFFERED"] = "1"
        if run.watched:
            add_path(environment, WATCHER)
            environment[RECORD_VARIABLE] = str(self.folder.record)
        return environment

    def attend(self) -> tuple[int, bool, float, float]:
        """Start the process and wait for its end; bring that about where it is ordered.

        Returns:
            Exit status, whether it timed out, and when it started and had ended.
        """
        run = self.run
        # Whoever started all this may ignore them, as a shell does for its background.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
        stripepy = str(self.world.interpreter.with_name("stripepy"))
        pipe = _full_pipe() if run.ending is not Ending.NORMAL and not run.ends_after else None
        if pipe and run.ending is Ending.CLOSED_PIPE:
            os.close(pipe[0])
        terminal = pty.openpty() if run.terminal else None
        with (
            (self.folder.root / "stdout").open("wb") as stdout,
            (self.folder.root / "stderr").open("wb") as stderr,
        ):
            started = time.time()
            process = subprocess.Popen(
                [*run.prefix, stripepy, *run.argv],
                cwd=self.folder.work,
                env=self.environment(),
                stdin=terminal[1] if terminal else subprocess.DEVNULL,
                stdout=terminal[1] if terminal else pipe[1] if pipe else stdout,
                stderr=terminal[1] if terminal else stderr,
                # Not a session of its own: the kernel may share the cores out by session, so that
                # the spinning thread of one takes time from another.
                process_group=0,
                # Before it, no thread was started but those of the servers, which hold no lock of
                # Python's that prctl needs.
                preexec_fn=namespaces.die_with_parent,  # noqa: PLW1509
            )
        if pipe:
            os.close(pipe[1])
        if terminal:
            kept = self.folder.root / "stdout"
            threading.Thread(target=_drain, args=(terminal[0], kept), daemon=True).start()
        try:
            threading.Thread(target=_quieten, args=(process.pid,), daemon=True).start()
            if run.ending.signal is not None:
                self._interrupt(process, run.ending.signal)
                if pipe:
                    threading.Thread(target=_drain, args=(pipe[0],), daemon=True).start()
            status = process.wait(run.timeout)
            return status, False, started, time.time()
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL, True, started, time.time()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _interrupt(self, process: subprocess.Popen[bytes], number: int) -> None:
        """Send a signal as soon as it is due."""
        deadline = time.monotonic() + self.run.timeout
        while not self._is_due(process.pid) and time.monotonic() < deadline:
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return
            time.sleep(0.01)
        # A terminal's Ctrl-C reaches every process of the command.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)

    def _is_due(self, process: int) -> bool:
        """Whether the run has said what it has to, or is held up by a pipe that is full."""
        if last := self.run.ends_after:
            return last in self.folder.text("stderr")
        return "pipe_w" in Path("/proc", str(process), "wchan").read_text()


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _full_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writing, b" " * PIPE_BYTES)
    return reading, writing


def _drain(pipe: int, kept: Path = Path(os.devnull)) -> None:
    with kept.open("ab", 0) as file:
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
    for process in _children(os.getpid()):
        command = Path("/proc", str(process), "cmdline").read_bytes().replace(b"\0", b" ")
        left.append(command.decode(errors="replace").strip())
        os.kill(process, signal.SIGKILL)
    return left or ["a process"]


def _children(process: int) -> list[int]:
    return [
        int(child)
        for task in Path("/proc", str(process), "task").glob("*/children")
        for child in task.read_text().split()
    ]


def _quieten(process: int) -> None:
    """Give each thread of a process and its children that only spins the least share of time.

    It never waits for anything, unlike the thread that sends. With no share at all, as the idle
    class has on a busy machine, its process could not end.
    """
    quiet: set[int] = set()
    while True:
        time.sleep(0.03)
        family = [process]
        for parent in family:
            with contextlib.suppress(OSError, ValueError):
                family += _children(parent)
                for task in Path("/proc", str(parent), "task").iterdir():
                    thread = int(task.name)
                    if thread not in {parent, *quiet} and _spins(task):
                        os.setpriority(os.PRIO_PROCESS, thread, LOWEST_PRIORITY)
                        quiet.add(thread)


def _spins(task: Path) -> bool:
    """Whether a thread has worked for 0.02 s without having waited once."""
    worked = sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13]))
    waited = "\nvoluntary_ctxt_switches:\t0\n" not in (task / "status").read_text()
    return worked >= 0.02 * os.sysconf("SC_CLK_TCK") and not waited
