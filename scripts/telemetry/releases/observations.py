"""The making of runs in an environment, and what was observed of them, kept for the next time.

Whatever cannot be fetched, or observed here, raises a UserError.
"""

import ast
import hashlib
import pickle
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from telemetry.box import world
from telemetry.box.observing import have_namespaces, observe
from telemetry.capture.process import capture
from telemetry.records import files, table
from telemetry.records.exits import Exit, UserError
from telemetry.records.runs import NO_NAMESPACES, Observation, Run
from telemetry.releases.conditions import EXPORTER, TRIES, fill
from telemetry.releases.environments import Environment

KEPT = files.ROOT / "build" / "releases"

OBSERVING = ("capture/**/*.py", "box/**/*.py", "records/runs.py", "releases/observations.py")
"""The modules that decide what is observed of a run."""

Seen = dict[str, Observation]
"""Observations by the names of their runs, with that of `EXPORTER`."""


def kept(environment: Environment, runs: Sequence[Run], folder: Path = KEPT) -> Seen:
    """Return what runs do in an environment, which is made only if the folder does not tell."""
    path = folder / f"{_digest(environment, runs)}.pickle"
    if path.exists():
        known: Seen = pickle.loads(path.read_bytes())
        return known
    with environment.made() as interpreter:
        seen = made(interpreter, runs)
    folder.mkdir(parents=True, exist_ok=True)
    files.replace({path: pickle.dumps(seen)})
    return seen


def made(interpreter: Path, runs: Sequence[Run]) -> Seen:
    """Make runs with the console script beside an interpreter; what others read is made first."""
    if not have_namespaces():
        mend = "allow network namespaces, or run it on another Linux machine"
        raise UserError(NO_NAMESPACES, mend, Exit.NOT_CAPTURED)
    exporter = capture(EXPORTER, interpreter=interpreter)
    [usual] = table.load().provenance.exporters
    endpoint = next((settings["endpoint"] for settings in exporter.exporters), usual["endpoint"])
    seen = {EXPORTER.name: exporter}
    with world.made(endpoint, interpreter, fill=fill) as here:
        for first in (True, False):
            wanted = [run for run in runs if bool(run.keep) is first]
            for _ in range(TRIES):
                seen |= observe(wanted, here)
                wanted = [run for run in wanted if seen[run.name].timed_out]
    for observation in seen.values():
        if observation.fault:
            message = f"`{observation.run.command}` was not observed: {observation.fault}"
            raise UserError(message, "find out what ended it, and run it again", Exit.NOT_CAPTURED)
    return seen


def _digest(environment: Environment, runs: Sequence[Run]) -> str:
    """Return a name for everything that observations depend on."""
    code = "import platform, sys; print(sys.version, platform.platform())"
    python = subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    digest = hashlib.sha256(files.SAMPLE.read_bytes())
    digest.update(repr((python, environment.requirements, runs, list(_code()))).encode())
    return digest.hexdigest()[:16]


def _code() -> Iterator[str]:
    """The code that observes, without comments and docstrings."""
    library = files.SCRIPTS / "telemetry"
    for path in (path for pattern in OBSERVING for path in sorted(library.glob(pattern))):
        yield ast.dump(_WithoutTexts().visit(ast.parse(path.read_bytes())))


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
