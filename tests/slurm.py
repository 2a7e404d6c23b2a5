"""A Slurm cluster with one node, this machine, that uses the loopback interface only."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from conftest import run

CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/socket
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


MUNGE = ("key-file", "socket", "pid-file", "log-file", "seed-file")


@contextmanager
def cluster(folder: Path, prolog: str) -> Iterator[Path]:
    """Start a cluster and wait until its node is idle.

    Args:
        folder: An empty folder, whose path is short enough for a socket in it.
        prolog: The script that runs before each task.

    Yields:
        The path of its settings, for `SLURM_CONF`.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    script, key, settings = (folder / name for name in ("prolog.sh", "key-file", "slurm.conf"))
    script.write_text(prolog)
    script.chmod(0o755)
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    here = ("127.0.0.1", 0)
    with socket.create_server(here) as one, socket.create_server(here) as two:
        ports = [server.getsockname()[1] for server in (one, two)]
    text = CONFIGURATION.format(host=host, user=os.getuid(), folder=folder, ports=ports)
    settings.write_text(text)
    path = f"{os.environ['PATH']}:/usr/sbin"
    env = {**os.environ, "PATH": path, "SLURM_CONF": str(settings)}
    munged = ["munged", "--foreground", "--force", *(f"--{n}={folder / n}" for n in MUNGE)]
    with ExitStack() as stack, (folder / "said").open("ab") as said:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
            process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        deadline = time.monotonic() + 60
        while "idle" not in run("sinfo", "--noheader", "--format=%t", env=env).stdout:
            assert time.monotonic() < deadline, (folder / "said").read_text()
            time.sleep(0.2)
        yield settings
