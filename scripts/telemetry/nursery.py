"""Run many stripepy commands, each in a process and a network of its own, without their start-up.

What takes the time of a short stripepy run is importing libraries, once in its own process and
again in each worker that it spawns. Here a parent has imported them and forks. Left for each run to
import are stripepy, OpenTelemetry and hictkpy, since they decide what is sent, read the environment
while they are imported, or start threads.

Run as `python -m telemetry.nursery`: an order in JSON on each line of stdin, the number of each
finished order on stdout, what was seen in a file.

    nursery                    has the libraries, no stripepy; forks for each order:
      supervisor               the servers, in a namespace of their own; forks:
        stripepy               the run; the unmodified program is executed instead
        twin                   as it was before stripepy; forks for each worker that stripepy spawns
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib
import importlib.abc
import importlib.util
import io
import json
import multiprocessing.util
import os
import pickle
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NoReturn

from telemetry import RECORD_VARIABLE, capture, child, receiver, sandbox
from telemetry.receiver import Network
from telemetry.runs import Ending, Mode, Run, Stage

# What stripepy and what it needs import; a missing one is no fault, stripepy then does without.
LIBRARIES = (
    "concurrent.futures.process",
    "dns.message",
    "dns.rrset",
    "h5py",
    "matplotlib.pyplot",
    "multiprocessing.managers",
    "multiprocessing.popen_spawn_posix",
    "multiprocessing.resource_tracker",
    "multiprocessing.spawn",
    "packaging.requirements",
    "pandas",
    "requests",
    "scipy.interpolate",
    "scipy.signal",
    "scipy.sparse",
    "scipy.stats",
    "structlog",
)

# The least that a pipe can hold; filled, it holds a run up when its output begins.
PIPE_BYTES = 4096


def main() -> int:
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    namespaces = _try_namespaces()
    # Finished supervisors need nobody to wait for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _carry_out(order, namespaces=namespaces)
    return 0


def _try_namespaces() -> bool:
    """Whether namespaces can be used; tried in a process that can be thrown away.

    Some systems let a process in and then allow it nothing there.
    """
    process = os.fork()
    if process == 0:
        allowed = False
        with contextlib.suppress(OSError):
            allowed = sandbox.enter("localhost", {"/etc/hosts": Path("/dev/null")})
        os._exit(not allowed)
    return os.waitpid(process, 0)[1] == 0


def _carry_out(order: dict[str, Any], *, namespaces: bool) -> NoReturn:
    try:
        run, stage = Run.from_json(order["run"]), Stage(**order["stage"])
        seen = supervise(run, stage, namespaces=namespaces)
    except BaseException:
        seen = {"failed": traceback.format_exc()}
    Path(order["result"]).write_text(json.dumps(seen))
    os.write(1, f"{order['number']}\n".encode())
    os._exit(0)


def supervise(run: Run, stage: Stage, *, namespaces: bool) -> dict[str, Any]:
    """Make a run; what is returned is made an `Observation` of."""
    # Not a TemporaryDirectory: the forked processes would remove it when they exit.
    box = Path(tempfile.mkdtemp(prefix="tl-", dir=capture.scratch_folder()))
    try:
        return _supervise_in(box, run, stage, namespaces=namespaces)
    finally:
        shutil.rmtree(box, ignore_errors=True)


def _supervise_in(box: Path, run: Run, stage: Stage, *, namespaces: bool) -> dict[str, Any]:
    work, home = box / stage.folder, box / stage.home
    for folder in (work, home, box / "t"):
        folder.mkdir()
    for link, target in run.inputs.items():
        (work / link).symlink_to(Path(stage.files, target))
    for file, text in run.home_files.items():
        (home / file).write_text(text.replace("{host}", stage.collector_host))
        (home / file).chmod(0o600)
    (box / "record").touch()
    resolver = "192.0.2.53" if run.network is Network.NO_NETWORK else receiver.LOOPBACK
    (box / "resolv.conf").write_text(f"nameserver {resolver}\n")
    covers = {path: Path(cover) for path, cover in stage.covers.items()}
    covers["/etc/resolv.conf"] = box / "resolv.conf"
    places = (work, home, box / "t")
    before = {path: path.lstat().st_mtime_ns for path in _files(*places)}

    namespaces = namespaces and sandbox.enter(stage.host_name, covers)
    if run.mode.is_real and not namespaces:
        return {"not_tried": "this machine allows no namespaces"}
    sandbox.adopt_orphans()
    seen = receiver.Seen()
    servers, address, own_connections = _servers(run, stage, seen, namespaces)
    process = _Process(run, stage, box, address)
    process.start()
    for server in servers:
        threading.Thread(target=server, daemon=True).start()
    ended = process.attend()
    counts = sandbox.kernel_counts() if namespaces else {}
    if counts:
        # Through the proxy, there are two connections for each: one of them is the proxy's.
        counts["tcp"] -= own_connections + 2 * len(seen.tunnels)
    files = {
        str(path.relative_to(box)): _digest(path)
        for path in _files(*places)
        if before.get(path) != path.lstat().st_mtime_ns
    }
    for kept, name in run.keep.items():
        if (work / kept).exists():
            shutil.copy(work / kept, Path(stage.files, name))
    return {
        **ended,
        "records": [json.loads(line) for line in (box / "record").read_text().splitlines()],
        "stdout": (box / "stdout").read_text(errors="replace"),
        "stderr": (box / "stderr").read_text(errors="replace"),
        "requests": [request.to_json() for request in seen.requests],
        "look_ups": seen.look_ups,
        "tunnels": seen.tunnels,
        "connections": seen.connections - len(seen.tunnels),
        "counts": counts,
        "files": files,
        "namespaces": namespaces,
        "host_name": socket.gethostname(),
        "collector_host": stage.collector_host,
    }


def _servers(
    run: Run, stage: Stage, seen: receiver.Seen, namespaces: bool
) -> tuple[list[Callable[[], None]], tuple[str, int], int]:
    """Open the ports that the run will find, and tell what has to run to serve them.

    Returns:
        What to run, the address of the collector, and how many connections this itself opened.
    """
    port = stage.collector_port if run.mode.is_real else 0
    servers: list[Callable[[], None]] = []
    opened = 0
    address = (receiver.LOOPBACK, port)
    if run.network is Network.BLACK_HOLE:
        hole = receiver.BlackHole(port)
        address, opened = hole.server_address, hole.opened
        _keep.append(hole)
    elif run.network is Network.SILENT:
        silence = receiver.Silence(port)
        address = silence.server_address
        _keep.append(silence)
    elif run.network not in receiver.NOBODY_LISTENS:
        wrong = run.network is Network.WRONG_CERTIFICATE
        certificate = Path(stage.certificates["wrong" if wrong else "right"])
        collector = receiver.Collector(
            seen, run.network, port, certificate if run.mode.is_real else None
        )
        address = (receiver.LOOPBACK, collector.server_address[1])
        servers.append(collector.serve_forever)
    elif not run.mode.is_real:
        with socket.create_server((receiver.LOOPBACK, 0)) as closed_again:
            address = closed_again.getsockname()
    if namespaces and run.network not in {Network.NO_NETWORK, Network.NO_NAME_SERVER}:
        silent = run.network is Network.SILENT_NAME_SERVER
        servers.append(receiver.NameServer(seen, None if silent else stage.collector_host).run)
    if run.mode.is_real:
        servers.append(receiver.Proxy(seen, port).run)
    return servers, address, opened


# Open ports that nothing serves, kept from being collected and so closed.
_keep: list[object] = []


class _Process:
    """The process of a run: its output, its end."""

    def __init__(self, run: Run, stage: Stage, box: Path, address: tuple[str, int]) -> None:
        self.run, self.stage, self.box, self.address = run, stage, box, address
        self.pipe: tuple[int, int] | None = None
        self.started = 0.0
        self.id = 0

    def start(self) -> None:
        """Start the process."""
        if self.run.ending is not Ending.NORMAL:
            self.pipe = os.pipe()
        if self.run.ending.signal is not None and self.pipe is not None:
            fcntl.fcntl(self.pipe[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            os.write(self.pipe[1], b" " * PIPE_BYTES)
        self.started = time.time()
        self.id = os.fork()
        if self.id == 0:
            self._become_stripepy()
        if self.pipe is not None:
            os.close(self.pipe[1])
            if self.run.ending is Ending.CLOSED_PIPE:
                os.close(self.pipe[0])

    def _become_stripepy(self) -> NoReturn:
        os.setsid()
        # Whoever started all this may ignore them, as a shell does for its background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        run, box = self.run, self.box
        if run.mode is not Mode.WATCHED:
            # Those that are timed go first.
            os.nice(10)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(box / "stdout", os.O_WRONLY | os.O_CREAT), 1)
        os.dup2(os.open(box / "stderr", os.O_WRONLY | os.O_CREAT), 2)
        if self.pipe is not None:
            os.dup2(self.pipe[1], 1)
            os.close(self.pipe[0])
            os.close(self.pipe[1])
        os.chdir(box / self.stage.folder)
        home = box / self.stage.home
        added = {**self.stage.environment, **run.environment}
        environment = {
            **capture.base_environment(box, home),
            **{
                name: text.replace("{home}", str(home)).replace("{authority}", self.stage.authority)
                for name, text in added.items()
            },
        }
        if run.mode.is_real and run.trusts:
            environment.setdefault("REQUESTS_CA_BUNDLE", self.stage.authority)
        if run.mode is Mode.UNMODIFIED:
            self._execute(environment)
        os.environ.clear()
        os.environ.update(environment)
        # It remembers the folder of the process that forked.
        tempfile.tempdir = None
        _exit_as_python_does(self._run_stripepy)

    def _execute(self, environment: dict[str, str]) -> NoReturn:
        # The path to this library is for the processes that it observes from inside.
        paths = environment.pop("PYTHONPATH").split(os.pathsep)[1:]
        if paths:
            environment["PYTHONPATH"] = os.pathsep.join(paths)
        del environment[RECORD_VARIABLE]
        if self.run.ending.signal is not None:
            environment["PYTHONUNBUFFERED"] = "1"
        stripepy = str(Path(sys.executable).with_name("stripepy"))
        words = [*self.run.prefix, stripepy, *self.run.argv]
        os.execvpe(words[0], words, environment)

    def _run_stripepy(self) -> int:
        run = self.run
        # As in a process that was executed: whatever PYTHONPATH names comes first.
        for path in reversed(os.environ["PYTHONPATH"].split(os.pathsep)):
            sys.path.insert(0, path)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(
            2, "w", encoding="utf-8", closefd=False, buffering=1, errors="backslashreplace"
        )
        if run.ending.signal is not None:
            # As with `python -u`.
            raw = os.fdopen(1, "wb", buffering=0, closefd=False)
            sys.stdout = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
        sys.modules["__main__"] = types.ModuleType("__main__")
        sys.addaudithook(child.guard)
        child.record_writes(self.box)
        sys.meta_path.insert(0, _QuietHictkpy())
        _Twin().take_over_spawning()
        if run.mode is Mode.WIRE:
            child.readdress_exporter(self.address)
        elif run.mode is Mode.MEMORY:
            child.replace_exporter()
        else:
            child.allowed |= {self.address, (self.stage.collector_host, self.address[1])}
        child.record_variables()
        if run.ask:
            _record_options()
        return child.run_stripepy(list(run.argv))

    def attend(self) -> dict[str, Any]:
        """Wait for the end of the process, bring it about where that is ordered, and clear up."""
        process = self.id
        timed_out = threading.Event()

        def end_it() -> None:
            timed_out.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)

        watchdog = threading.Timer(self.run.timeout, end_it)
        watchdog.daemon = True
        watchdog.start()
        if self.run.mode is Mode.UNMODIFIED:
            threading.Thread(target=_quieten_others, args=(process,), daemon=True).start()
        if self.run.ending.signal is not None:
            self._interrupt(self.run.ending.signal)
        _, status = os.waitpid(process, 0)
        ended = time.time()
        watchdog.cancel()
        left = _leftovers()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        return {
            "exit_status": os.waitstatus_to_exitcode(status),
            "timed_out": timed_out.is_set(),
            "started": self.started,
            "ended": ended,
            "left_running": left,
        }

    def _interrupt(self, number: int) -> None:
        """Send a signal once the run's output has begun and is held up by a pipe that is full."""
        assert self.pipe is not None
        deadline = time.monotonic() + self.run.timeout
        where = Path("/proc", str(self.id), "wchan")
        while "pipe_w" not in where.read_text() and time.monotonic() < deadline:
            if os.waitid(os.P_PID, self.id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return
            time.sleep(0.01)
        # A terminal's Ctrl-C reaches every process of the command.
        (os.killpg if number == signal.SIGINT else os.kill)(self.id, number)
        threading.Thread(target=_drain, args=(self.pipe[0],), daemon=True).start()


def _drain(pipe: int) -> None:
    while os.read(pipe, PIPE_BYTES):
        pass


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
    for task in Path("/proc/self/task").glob("*/children") if sys.platform == "linux" else ():
        for process in task.read_text().split():
            command = Path("/proc", process, "cmdline").read_bytes().replace(b"\0", b" ")
            left.append(command.decode(errors="replace").strip())
            os.kill(int(process), signal.SIGKILL)
    return left or ["a process"]


def _exit_as_python_does(run: Callable[[], int]) -> NoReturn:
    """Call, then end this process as the interpreter would have, without returning to the parent.

    Exit handlers run; destructors of C libraries, which would wait for threads that a fork does
    not have, do not.
    """
    interrupted = False
    try:
        status = run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        status, interrupted = 1, isinstance(error, KeyboardInterrupt)
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    except BrokenPipeError:
        status = 120
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


class _Twin:
    """A process as it was before stripepy began, which forks where stripepy would spawn.

    A worker is then in the state of a fresh interpreter that has imported `LIBRARIES`; its sealing
    is inherited. It becomes a child of the process that asked, as multiprocessing expects.
    """

    def __init__(self) -> None:
        sandbox.adopt_orphans()
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self.ours.close()
            self._serve(theirs)
        theirs.close()

    def take_over_spawning(self) -> None:
        spawn = multiprocessing.util.spawnv_passfds

        def fork_instead(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
            words = [os.fsdecode(argument) for argument in args]
            if "-c" not in words or sys.platform != "linux":
                return int(spawn(path, args, passfds))
            wanted = sorted({int(descriptor) for descriptor in passfds})
            order = pickle.dumps((words, wanted, dict(os.environ), str(Path.cwd())))
            socket.send_fds(self.ours, [order], wanted)
            return int(self.ours.recv(64))

        multiprocessing.util.spawnv_passfds = fork_instead

    def _serve(self, theirs: socket.socket) -> NoReturn:
        while True:
            order, descriptors, _, _ = socket.recv_fds(theirs, 1 << 20, 64)
            if not order:
                os._exit(0)
            reading, writing = os.pipe()
            between = os.fork()
            if between == 0:
                # A grandchild whose parent ends is adopted by the run.
                worker = os.fork()
                if worker == 0:
                    theirs.close()
                    os.close(reading)
                    os.close(writing)
                    words, wanted, environment, folder = pickle.loads(order)
                    self._become_worker(words, wanted, environment, folder, descriptors)
                os.write(writing, str(worker).encode())
                os._exit(0)
            # Told no sooner than it is adopted: whoever waits for it would take it for ended.
            os.waitpid(between, 0)
            theirs.send(os.read(reading, 64))
            os.close(reading)
            os.close(writing)
            for descriptor in descriptors:
                os.close(descriptor)

    @staticmethod
    def _become_worker(
        words: list[str],
        wanted: list[int],
        environment: dict[str, str],
        folder: str,
        descriptors: list[int],
    ) -> NoReturn:
        # Its arguments name descriptors by number: out of the way first, then to their places.
        moved = [fcntl.fcntl(number, fcntl.F_DUPFD, 512) for number in descriptors]
        for source, target in zip(moved, wanted, strict=True):
            os.dup2(source, target)
            os.close(source)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        code = words[words.index("-c") + 1]
        sys.argv = ["-c", *words[words.index("-c") + 2 :]]

        def run() -> int:
            exec(code, {"__name__": "__main__"})
            return 0

        _exit_as_python_does(run)


class _QuietHictkpy(importlib.abc.MetaPathFinder):
    """Gives the thread that importing hictkpy starts only the time that nobody else wants.

    It keeps a core busy until the process ends.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "hictkpy._hictkpy" or not hasattr(os, "SCHED_IDLE"):
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.create_module = _demoting(loader.create_module)
            loader.exec_module = _demoting(loader.exec_module)
        return spec


def _demoting(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        before = set(_threads())
        try:
            return function(*arguments)
        finally:
            for thread in set(_threads()) - before:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))

    return call


def _threads() -> list[int]:
    return [int(task.name) for task in Path("/proc/self/task").iterdir()]


def _quieten_others(process: int) -> None:
    """The same for the unmodified program, from outside: for each thread that only spins."""
    ticks = os.sysconf("SC_CLK_TCK")
    with contextlib.suppress(OSError, ValueError):
        while True:
            time.sleep(0.25)
            for status in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
                with contextlib.suppress(OSError, ProcessLookupError):
                    owner, thread = status.parts[2], status.parts[4]
                    fields = status.read_text().rpartition(")")[2].split()
                    busy = (int(fields[11]) + int(fields[12])) / ticks
                    ours = int(fields[3]) == process
                    if ours and owner != thread and busy > 0.2:
                        os.sched_setscheduler(int(thread), os.SCHED_IDLE, os.sched_param(0))


def _files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _digest(path: Path) -> str:
    """SHA-256 of a file; of a result file, which bears the time of its making, of its data."""
    digest = hashlib.sha256()
    if path.suffix == ".hdf5":
        import h5py

        with contextlib.suppress(OSError), h5py.File(path) as file:

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    digest.update(f"{name} {item.dtype} {item.shape}".encode())
                    digest.update(repr(item[()].tolist()).encode())

            file.visititems(visit)
            return digest.hexdigest()
    digest.update(path.read_bytes())
    return digest.hexdigest()


def _record_options() -> None:
    """Record stripepy's own parser, with everything in it, when it is first used."""
    import argparse

    parse = argparse.ArgumentParser.parse_known_args

    def record_and_parse(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        argparse.ArgumentParser.parse_known_args = parse  # type: ignore[method-assign]
        child.record(parser=list(_commands(self, ())))
        return parse(self, *args, **kwargs)

    argparse.ArgumentParser.parse_known_args = record_and_parse  # type: ignore[method-assign]


def _commands(parser: Any, words: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    import argparse

    group = False
    options = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            group = True
            for name, sub in action.choices.items():
                yield from _commands(sub, (*words, name))
            continue
        accepts = {}
        for probe in ("37", "0.37", "zqx"):
            with contextlib.suppress(Exception):
                accepts[probe] = str((action.type or str)(probe))
        options.append(
            {
                "flags": list(action.option_strings),
                "dest": action.dest,
                "kind": type(action).__name__.strip("_"),
                "choices": [str(choice) for choice in action.choices or ()],
                "default": action.default if isinstance(action.default, int | float) else None,
                "accepts": accepts,
            }
        )
    yield {"words": list(words), "group": group, "options": options}


if __name__ == "__main__":
    sys.exit(main())
