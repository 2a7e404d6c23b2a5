#!/usr/bin/env python3
"""Measure what a capture, a build and a verification cost, as ratios of commands run in turn.

The two commands of a pair alternate: A B A B. Nothing is asserted.
"""

import contextlib
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from telemetry.capture import namespaces
from telemetry.evidence import planted
from telemetry.evidence.verification import make_plan
from telemetry.records import exits, files, table
from telemetry.records.exits import Exit
from telemetry.table import sample

ROUNDS = 7
SAMPLED = 20
COPIES = 60
STRIPEPY = str(Path(sys.executable).with_name("stripepy"))
PRINT = [sys.executable, str(files.SCRIPTS / "telemetry_table.py"), "--print", "--"]

T = TypeVar("T")


class Cost(NamedTuple):
    """What a command took: wall time, and processor time of all its processes, in seconds."""

    seconds: float
    processor: float
    mebibytes: float
    """Peak memory of the largest of its processes."""


def alone(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a new process, so that what ran before does not count as its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def cost(arguments: Sequence[str], folder: Path, check: bool = True) -> Cost:
    """Run a command without telemetry and return what it took; to be called through `alone`."""
    namespaces.adopt_orphans()
    start = time.perf_counter()
    subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "STRIPEPY_NO_TELEMETRY": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=check,
    )
    seconds = time.perf_counter() - start
    # Also count what outlives it: the server that forks supervisors ends a moment later.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # In KiB on Linux, in bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def compare(
    title: str, ours: Sequence[str], other: Sequence[str], folder: Path, rounds: int
) -> None:
    """Measure two commands in turn and print the ratios of ours to the other.

    The first round, which warms up the caches, is not counted. We take the median of the rounds'
    own ratios, which does not change when the machine becomes slower or faster in between.
    """
    pairs = [(alone(cost, ours, folder), alone(cost, other, folder)) for _ in range(rounds + 1)][1:]
    for what, unit, values in (
        ("wall time", "s", [(a.seconds, b.seconds) for a, b in pairs]),
        ("peak memory", "MiB", [(a.mebibytes, b.mebibytes) for a, b in pairs]),
    ):
        ratio = statistics.median(a / b for a, b in values)
        mine, theirs = (statistics.median(side) for side in zip(*values, strict=True))
        figures = f"{mine:.2f} {unit} to {theirs:.2f} {unit}, median of {rounds}"
        print(f"{title}: {what} {ratio:.3f} ({figures})", flush=True)


def larger_map(path: Path) -> None:
    """Write the sample's first chromosome `COPIES` times, for a `stripepy call` of about 10 s."""
    length = sample.CHROMOSOMES["chr1"]
    bins = sample.bins_in(length)
    one = [pixel for pixel in sample.pixels() if pixel.row < bins]
    pixels = [
        sample.Pixel(row + copy * bins, column + copy * bins, contacts)
        for copy in range(COPIES)
        for row, column, contacts in one
    ]
    chromosomes = {f"chr{copy + 1}": length for copy in range(COPIES)}
    sample.write_here(path, chromosomes, pixels, sample.ASSEMBLY)


def captures() -> None:
    """Compare captures with plain runs, on the sample and on a larger map."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(files.SAMPLE, folder)
        alone(larger_map, folder / "larger.hic")
        for matrix, rounds in (("sample.hic", ROUNDS), ("larger.hic", ROUNDS // 2)):
            call = ["call", matrix, str(sample.RESOLUTION), "-p", "2", "--force"]
            title = f"capture to plain run, {matrix}"
            compare(title, [*PRINT, *call], [STRIPEPY, *call], folder, rounds)


def build() -> None:
    """Compare an unchanged `make html` with its two parts."""
    sphinx = [sys.executable, "-m", "sphinx", "-M", "html", "docs", "build", "-c", ".", "-q"]
    both = ["sh", "-c", f"{shlex.join(PRINT[:-1])} && {shlex.join(sphinx)}"]
    title = "unchanged make html to one capture and one sphinx-build"
    make = ["make", "html", f"PYTHON={sys.executable}"]
    compare(title, make, both, files.ROOT, ROUNDS)


def verification() -> None:
    """Compare the verification with its commands as plain processes, one by one."""
    claims = [sys.executable, str(files.SCRIPTS / "telemetry_claims.py"), "--check"]
    ours = alone(cost, claims, files.ROOT, False)
    [exporter] = table.load().provenance.exporters
    plain = []
    with planted.planted_world(exporter["endpoint"]) as made:
        topics = make_plan(made).topics.values()
        runs = list({run.name: run for of_topic in topics for run in of_topic}.values())
        for run in runs[::SAMPLED]:
            # A plain download would really download.
            if run.subcommand != "download":
                with tempfile.TemporaryDirectory() as name:
                    for link, target in run.inputs.items():
                        Path(name, link).symlink_to(made.files / target)
                    plain.append(alone(cost, [STRIPEPY, *run.argv], Path(name), False))
    processor = statistics.mean(one.processor for one in plain) * len(runs)
    memory = max(one.mebibytes for one in plain)
    print(
        f"verification to its {len(runs)} commands run plainly: processor time"
        f" {ours.processor / processor:.3f} ({ours.processor:.0f} s to {processor:.0f} s, the"
        f" latter from {len(plain)} of them); it took {ours.seconds:.0f} s\n"
        f"verification to the largest of them: peak memory {ours.mebibytes / memory:.3f}"
        f" ({ours.mebibytes:.0f} MiB to {memory:.0f} MiB)"
    )


def main() -> int:
    captures()
    build()
    verification()
    return Exit.OK


if __name__ == "__main__":
    exits.run(main)
