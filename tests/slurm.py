"""A cluster of Slurm with one node: this machine, spoken to over loopback alone."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge
ProctrackType=proctrack/linuxproc
TaskProlog={folder}/prolog.sh
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SchedulerParameters=batch_sched_delay=0
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
NodeName={host} NodeAddr=127.0.0.1
PartitionName=all Nodes={host} Default=YES
"""


@contextmanager
def cluster(folder: Path, prolog: str) -> Iterator[Path]:
    """Start a cluster and wait until its node is idle.

    Args:
        folder: An empty folder, whose name is short enough for a socket in it.
        prolog: The script that runs before each task.

    Yields:
        Its settings, for `SLURM_CONF`.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    script, key, settings = (folder / name for name in ("prolog.sh", "key", "slurm.conf"))
    script.write_text(prolog)
    script.chmod(0o755)
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    text = CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        user=os.getuid(),
        folder=folder,
        ports=_free_ports(),
    )
    settings.write_text(text)
    environment = {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        "SLURM_CONF": str(settings),
    }
    munge = {
        "key-file": key.name,
        "socket": "munge",
        "pid-file": "pid",
        "log-file": "log",
        "seed-file": "seed",
    }
    options = [f"--{name}={folder / file}" for name, file in munge.items()]
    with ExitStack() as stack:
        for command in (
            ["munged", "--foreground", "--force", *options],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):
            stack.enter_context(_running(command, folder, environment))
        deadline = time.monotonic() + 60
        while "idle" not in _states(environment):
            assert time.monotonic() < deadline, (folder / "said").read_text()
            time.sleep(0.2)
        yield settings


@contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _states(environment: dict[str, str]) -> str:
    asking = ("sinfo", "--noheader", "--format=%t")
    return subprocess.run(
        asking, env=environment, capture_output=True, text=True, check=False
    ).stdout


def _free_ports() -> list[int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return [server.getsockname()[1] for server in (one, two)]
