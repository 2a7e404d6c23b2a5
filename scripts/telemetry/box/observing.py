"""Make many runs, several at a time, each with its own supervisor."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection

from telemetry.box.supervisor import supervise
from telemetry.box.world import World
from telemetry.capture import namespaces
from telemetry.capture.folder import PrivateFolder, private_folder
from telemetry.capture.process import capture
from telemetry.records.files import SCRIPTS
from telemetry.records.runs import NO_NAMESPACES, Mode, Observation, Run

Tell = Callable[[int, int, Observation], None]

# Runs that wait for an answer hardly use the cores. The longest takes one of these places.
WAITING_AT_ONCE = 5

# A process that the fork server forks is single-threaded, as entering namespaces requires.
_CONTEXT = multiprocessing.get_context("forkserver")


def observe(
    runs: Sequence[Run], world: World, tell: Tell = lambda *_: None
) -> dict[str, Observation]:
    """Make runs, several at a time.

    Without namespaces, a run is made in memory if that shows what it is for, and otherwise not.

    Args:
        runs: The runs; no two may have the same name.
        tell: Called after each run with the number done, the number of all, and the observation.

    Returns:
        Observations by name, in the order of the runs.
    """
    if have_namespaces():
        _load_supervisor()
    seen: dict[str, Observation] = {}

    def collect(futures: Iterable[Future[Observation]]) -> None:
        for future in as_completed(futures):
            observation = future.result()
            seen[observation.run.name] = observation
            tell(len(seen), len(runs), observation)

    def start(pool: Executor, wanted: Iterable[Run]) -> list[Future[Observation]]:
        return [pool.submit(_observe_one, run, world) for run in wanted]

    def those(*, timed: bool, waits: bool) -> list[Run]:
        return [run for run in runs if (run.timed, run.waits) == (timed, waits)]

    # One more than the cores, since these runs wait a little, too: for servers, and for files.
    sizes = (1, WAITING_AT_ONCE, (os.cpu_count() or 1) + 1)
    alone, waiting, cores = pools = [ThreadPoolExecutor(size) for size in sizes]
    with alone, waiting, cores:
        try:
            # Others must not take cores from a timed run: it ends only after its spinning thread
            # has had a turn. The longest wait needs no core, and starts first.
            timed_waits = those(timed=True, waits=True)
            longest = start(waiting, timed_waits[:1])
            collect(start(alone, those(timed=True, waits=False)))
            collect(longest + start(waiting, timed_waits[1:]))
            untimed = start(waiting, those(timed=False, waits=True))
            collect(untimed + start(cores, those(timed=False, waits=False)))
        except BaseException:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return {run.name: seen[run.name] for run in runs}


@cache
def _load_supervisor() -> None:
    """Start the server that forks supervisors, with their modules loaded in advance."""
    # A forked process imports the main script again, and with it every module that is loaded here.
    ours = (name for name in sys.modules if name.startswith("telemetry."))
    _CONTEXT.set_forkserver_preload(["h5py", *ours])
    before = dict(os.environ)
    # The server does not inherit our sys.path. The caller's PYTHONPATH is meant for stripepy: a
    # sitecustomize in it that starts a thread would make namespaces impossible.
    os.environ["PYTHONPATH"] = str(SCRIPTS)
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        os.environ.update(before)


def _observe_one(run: Run, world: World) -> Observation:
    if run.mode is Mode.UNMODIFIED and not have_namespaces():
        if not run.fits_memory:
            return Observation(run, not_tried=NO_NAMESPACES)
        run = replace(run, mode=Mode.MEMORY)
    if "faketime" in run.prefix and shutil.which("faketime") is None:
        return Observation(
            run, not_tried="this machine has no `faketime`: apt-get install faketime"
        )
    if run.mode is Mode.MEMORY:
        names = world.names
        return capture(
            run, world.files, world.interpreter, names.environment, (names.work, names.home)
        )
    return supervised(run, world)


def supervised(run: Run, world: World) -> Observation:
    """Make a run in a process of its own; if that dies, say so instead of waiting."""
    # Made and removed out here: for the supervisor, it is or contains a mount point.
    with private_folder(world.names.work, world.names.home) as folder:
        receiving, sending = _CONTEXT.Pipe(duplex=False)
        arguments = (run, world, folder, sending)
        process = _CONTEXT.Process(target=_supervise, args=arguments, daemon=True)
        process.start()
        sending.close()
        with receiving:
            try:
                observation: Observation = receiving.recv()
            except EOFError:
                process.join()
                status = process.exitcode or 0
                how = f"status {status}" if status >= 0 else signal.Signals(-status).name
                return Observation(run, fault=f"its supervisor ended with {how}")
        process.join()
        return observation


def _supervise(run: Run, world: World, folder: PrivateFolder, sending: Connection) -> None:
    sending.send(supervise(run, world, folder))


@cache
def have_namespaces() -> bool:
    """Whether namespaces can be used, as tested in a process of its own.

    Some systems let a process enter them, but then allow it nothing inside.
    """
    command = [sys.executable, "-IS", namespaces.__file__]
    return subprocess.run(command, check=False).returncode == 0
