#!/usr/bin/env python3
"""What a capture and a verification cost, as ratios measured in one run; nothing is asserted.

Each pair of commands is run in turn, A B A B.
"""

import multiprocessing
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import make_sample
from telemetry import assets, documented, edge
from telemetry.errors import Exit
from telemetry.runs import Run, Stage
from telemetry.stage import Nursery, set_stage
from telemetry_claims import make_plan

ROUNDS = 7
SAMPLED = 20
COPIES = 40


@dataclass(frozen=True)
class Cost:
    """What one run of a command took: wall time in seconds, peak memory in MiB."""

    seconds: float
    mebibytes: float


@dataclass(frozen=True)
class Command:
    """A command to measure, with its folder and environment."""

    arguments: Sequence[str]
    folder: Path
    environment: dict[str, str]

    def cost(self, *, may_fail: bool = False) -> Cost:
        """Run the command to its end and tell what it took."""
        start = time.perf_counter()
        process = subprocess.Popen(
            self.arguments,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 and not may_fail:
            raise subprocess.CalledProcessError(process.returncode, list(self.arguments))
        # In KiB on Linux.
        return Cost(seconds, usage.ru_maxrss / 1024)


def compare(title: str, ours: Command, other: Command, rounds: int) -> None:
    """Measure two commands in turn and print the ratios of ours to the other.

    A round that warms the caches up is not counted. The ratio is the median of the rounds' own
    ratios, so that a machine that grows slower or faster in between does not show.
    """
    pairs = [(ours.cost(), other.cost()) for _ in range(rounds + 1)][1:]
    for what, unit, values in (
        ("wall time", "s", [(mine.seconds, theirs.seconds) for mine, theirs in pairs]),
        ("peak memory", "MiB", [(mine.mebibytes, theirs.mebibytes) for mine, theirs in pairs]),
    ):
        ratio = statistics.median(mine / theirs for mine, theirs in values)
        mine, theirs = (statistics.median(side) for side in zip(*values, strict=True))
        print(
            f"{title}: {what} {ratio:.3f}"
            f" ({mine:.2f} {unit} to {theirs:.2f} {unit}, median of {rounds})",
            flush=True,
        )


def larger_map(path: Path) -> None:
    """Write a contact map on which `stripepy call` takes about ten seconds.

    It holds the first chromosome of the sample, `COPIES` times.
    """
    length = make_sample.CHROMOSOMES["chr1"]
    bins = make_sample.bins_in(length)
    one = [pixel for pixel in make_sample.pixels() if pixel.row < bins]
    pixels = [
        make_sample.Pixel(row + copy * bins, column + copy * bins, contacts)
        for copy in range(COPIES)
        for row, column, contacts in one
    ]
    make_sample.write_hic(path, {f"chr{copy + 1}": length for copy in range(COPIES)}, pixels)


def main() -> int:
    resolution = str(make_sample.RESOLUTION)
    capture = [sys.executable, str(assets.ROOT / "scripts/telemetry_table.py"), "--print", "--"]
    stripepy = [str(Path(sys.executable).with_name("stripepy"))]
    off = {**os.environ, "STRIPEPY_NO_TELEMETRY": "1"}
    # The capture throws its results away by itself; those of the plain runs go with this folder.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(assets.SAMPLE, folder)
        # In a process of its own, whose memory would otherwise be inherited by what is measured.
        spawn = multiprocessing.get_context("spawn")
        maker = spawn.Process(target=larger_map, args=(folder / "larger.hic",))
        maker.start()
        maker.join()
        for matrix, rounds in (("sample.hic", ROUNDS), ("larger.hic", ROUNDS // 2)):
            call = ["call", matrix, resolution, "-p", "2", "--force"]
            compare(
                f"capture to plain run, {matrix}",
                Command([*capture, *call], folder, off),
                Command([*stripepy, *call], folder, off),
                rounds,
            )
        sphinx = [sys.executable, "-m", "sphinx", "-M", "html", "docs", "build", "-c", ".", "-q"]
        both = f"{shlex.join(capture[:-1])} && {shlex.join(sphinx)}"
        compare(
            "unchanged make html to one capture and one sphinx-build",
            Command(["make", "html"], assets.ROOT, off),
            Command(["sh", "-c", both], assets.ROOT, off),
            ROUNDS,
        )
    verification(off)
    return Exit.OK


def verification(environment: dict[str, str]) -> None:
    """Measure the whole set of experiments against its commands as plain processes, one by one.

    Of the plain runs, each `SAMPLED`-th is made; the sum is theirs, times that.
    """
    claims = str(assets.ROOT / "scripts/telemetry_claims.py")
    ours = Command([sys.executable, claims, "--check"], assets.ROOT, environment).cost()
    [exporter] = documented.load().provenance.exporters
    with set_stage(exporter["endpoint"]) as stage, Nursery(stage) as nursery:
        runs = [run for of_topic in make_plan(nursery).topics.values() for run in of_topic]
        plain = [_plain_cost(run, stage, environment) for run in runs[::SAMPLED]]
    estimate = sum(cost.seconds for cost in plain) * len(runs) / len(plain)
    memory = max(cost.mebibytes for cost in plain)
    print(
        f"verification to its {len(runs)} commands one by one: wall time"
        f" {ours.seconds / estimate:.3f} ({ours.seconds:.0f} s to {estimate:.0f} s, the latter from"
        f" {len(plain)} of them)"
    )
    print(
        f"verification to the largest of them: peak memory {ours.mebibytes / memory:.3f}"
        f" ({ours.mebibytes:.0f} MiB to {memory:.0f} MiB)",
        flush=True,
    )


def _plain_cost(run: Run, stage: Stage, environment: dict[str, str]) -> Cost:
    with tempfile.TemporaryDirectory() as name:
        for link, target in run.inputs.items():
            Path(name, link).symlink_to(Path(stage.files, target))
        stripepy = str(Path(sys.executable).with_name("stripepy"))
        return Command([stripepy, *run.argv], Path(name), environment).cost(may_fail=True)


if __name__ == "__main__":
    edge.run(main)
