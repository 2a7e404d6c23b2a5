"""The stage on which experiments are set: planted files, certificates; and the running of them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

import trustme

import make_sample
from telemetry import capture, coolers
from telemetry.canaries import PLANTED
from telemetry.receiver import Network
from telemetry.runs import Observation, Run, Stage, order

CHROMOSOMES = dict(
    zip(
        (PLANTED["the first chromosome's name"], PLANTED["the second chromosome's name"]),
        make_sample.CHROMOSOMES.values(),
        strict=True,
    )
)

# What a run does not have to wait for.
AT_ONCE = frozenset(
    {Network.ANSWERS, Network.REDIRECT, Network.BAD_REQUEST, Network.NOT_FOUND, Network.ERROR}
)

# Runs that only wait for somebody who does not answer; the cores are free for others meanwhile.
WAITING_AT_ONCE = 4


@contextlib.contextmanager
def set_stage(endpoint: str) -> Iterator[Stage]:
    """Make the files that runs find, in a folder that is there as long as the context.

    Args:
        endpoint: Address of the collector, as stripepy gives it to its exporter.
    """
    address = urlsplit(endpoint)
    host = address.hostname or ""
    with tempfile.TemporaryDirectory(prefix="ZqxStage-") as name:
        folder = Path(name)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            making = pool.submit(_make_matrices, folder)
            authority = trustme.CA()
            authority.cert_pem.write_to_path(folder / "authority.pem")
            for kind, names in (("right", (host,)), ("wrong", ("wrong.example",))):
                certificate = authority.issue_cert(*names)
                certificate.private_key_and_cert_chain_pem.write_to_path(folder / f"{kind}.pem")
            covers = _covers(folder)
            making.result()
        yield Stage(
            files=name,
            folder=PLANTED["the working directory"],
            home=PLANTED["the home folder"],
            host_name=PLANTED["the machine's name"],
            environment={
                "USER": PLANTED["the user's name"],
                "LOGNAME": PLANTED["the user's name"],
                "HOSTNAME": PLANTED["the machine's name"],
                "ZQX": PLANTED["a variable of the environment"],
            },
            covers=covers,
            collector_host=host,
            collector_port=address.port or 443,
            certificates={kind: str(folder / f"{kind}.pem") for kind in ("right", "wrong")},
            authority=str(folder / "authority.pem"),
        )


def _covers(folder: Path) -> dict[str, str]:
    user, group = os.getuid(), os.getgid()
    machine = PLANTED["the machine's name"]
    home = PLANTED["the home folder"]
    identifier = PLANTED["the machine's identifier"]
    person, name = PLANTED["the user's full name"], PLANTED["the user's name"]
    texts = {
        "/etc/hosts": f"127.0.0.1 localhost {machine}\n::1 localhost\n",
        "/etc/hostname": f"{machine}\n",
        "/etc/machine-id": f"{identifier}\n",
        "/etc/passwd": f"{name}:x:{user}:{group}:{person}:/{home}:/bin/sh\n",
    }
    covers = {}
    for path, text in texts.items():
        cover = folder / Path(path).name
        cover.write_text(text)
        covers[path] = str(cover)
    return covers


def _make_matrices(folder: Path) -> None:
    """Write the sample in every format, with names and texts that can be found again."""
    texts = coolers.ATTRIBUTES | {
        "genome-assembly": PLANTED["the assembly's name"],
        "generated-by": PLANTED["the matrix's metadata"],
        "metadata": json.dumps({"note": PLANTED["the matrix's metadata"]}),
    }
    coolers.make_cooler(folder / "matrix.cool", CHROMOSOMES, texts)
    coolers.make_multires_cooler(folder / "matrix.mcool", CHROMOSOMES, texts)
    make_sample.write_hic_here(
        folder / "matrix.hic",
        CHROMOSOMES,
        list(make_sample.pixels()),
        PLANTED["the assembly's name"],
    )
    (folder / "cut.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


class Nursery:
    """Makes runs; a context that ends every process of its.

    Args:
        stage: What the runs have around them.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._process: subprocess.Popen[str] | None = None
        self._number = 0

    def __enter__(self) -> "Nursery":
        environment = {**os.environ, "PYTHONPATH": capture.python_path(), "MPLBACKEND": "Agg"}
        # Libraries would otherwise start a thread for each core in every run.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        for variable in [name for name in environment if name.startswith("OTEL_")]:
            del environment[variable]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "telemetry.nursery"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def observe(
        self, runs: Sequence[Run], tell: Callable[[Observation], None] = lambda _: None
    ) -> dict[str, Observation]:
        """Make runs, several at once.

        Args:
            runs: What to run; names differ.
            tell: Called with each observation as it is made.

        Returns:
            Observations by name, in the order of the runs.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        at_once = os.cpu_count() or 1
        waiting = [run for run in runs if _waits(run)]
        working = [run for run in runs if not _waits(run)]
        under_way: dict[int, tuple[Run, Path]] = {}
        seen: dict[str, Observation] = {}

        def start(run: Run) -> None:
            self._number += 1
            result = Path(self.stage.files, f"seen-{self._number}.json")
            under_way[self._number] = (run, result)
            line = json.dumps(order(self._number, str(result), run, self.stage))
            self._process.stdin.write(f"{line}\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

        while waiting or working or under_way:
            waits = sum(_waits(run) for run, _ in under_way.values())
            if waiting and waits < WAITING_AT_ONCE:
                start(waiting.pop(0))
            elif working and len(under_way) - waits < at_once:
                start(working.pop(0))
            else:
                answer = self._process.stdout.readline()
                if not answer:
                    raise RuntimeError("the process that makes runs has ended")
                run, result = under_way.pop(int(answer))
                data = json.loads(result.read_text())
                result.unlink()
                if "failed" in data:
                    raise RuntimeError(f"{run.name}: {data['failed']}")
                seen[run.name] = Observation.from_json(run, data)
                tell(seen[run.name])
        return {run.name: seen[run.name] for run in runs}


def _waits(run: Run) -> bool:
    return run.mode.is_real and run.network not in AT_ONCE
