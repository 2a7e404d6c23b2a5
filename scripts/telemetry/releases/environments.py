"""Environments to run stripepy in: resolved and made by uv, out of its own cache."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from telemetry.records.exits import Exit, UserError
from telemetry.releases import index

WHEELS = ("--only-binary", ":all:")


class UnresolvableError(UserError):
    """No set of packages fits what was asked for."""


@dataclass(frozen=True)
class Environment:
    """An environment, still to be made.

    Attributes:
        python: The Python that it is made with.
        requirements: Every package, with its version.
    """

    python: Path
    requirements: tuple[str, ...]

    @property
    def packages(self) -> dict[str, str]:
        """Versions, by package."""
        return dict(line.split("==") for line in self.requirements)

    @contextmanager
    def made(self) -> Iterator[Path]:
        """Make it in a temporary folder; the Python inside is there as long as the context.

        Raises:
            UserError: If something of it cannot be fetched.
        """
        with tempfile.TemporaryDirectory(prefix="tl-") as name:
            venv = str(Path(name, "venv"))
            _uv("venv", "--python", str(self.python), venv)
            _uv("pip", "install", "--python", venv, "--no-deps", *WHEELS, *self.requirements)
            yield Path(venv, "bin", "python")


def resolve(wanted: Sequence[str], *flags: str, python: Path = Path(sys.executable)) -> Environment:
    """Choose a version of every package, from wheels alone.

    Args:
        wanted: Requirements.
        flags: How to choose, in the words of `uv pip compile`.
        python: The Python that the environment is for.

    Raises:
        UnresolvableError: If nothing fits.
        UserError: If the index cannot be reached.
    """
    bare = ("--no-header", "--no-annotate")
    command = ("pip", "compile", *bare, *WHEELS, "--python", str(python), *flags, "-")
    return Environment(python, tuple(_uv(*command, text="\n".join(wanted)).split()))


def required_by(requirement: str, python: Path = Path(sys.executable)) -> list[str]:
    """Return what a package itself requires, its extras apart.

    Raises:
        UserError: If it cannot be fetched.
    """
    code = "import importlib.metadata as m, json, sys; print(json.dumps(m.requires(sys.argv[1])))"
    alone = ("--isolated", "--no-project", "--no-build", "--python", str(python))
    package = requirement.partition("==")[0]
    said = _uv("run", *alone, "--with", requirement, "python", "-c", code, package)
    return [line for line in json.loads(said) or [] if "extra ==" not in line]


def pythons(versions: Iterable[str]) -> dict[str, Path]:
    """Return those of some Pythons that are installed, by feature version."""
    # Of those that pyenv keeps, uv alone sees what is in use.
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, kept)])
    found = {}
    for version in versions:
        try:
            found[version] = Path(_uv("python", "find", "--system", version, PATH=path).strip())
        except UserError:
            continue
    return found


def _uv(*arguments: str, text: str = "", **environment: str) -> str:
    """Have uv do something, with the index that every other question goes to; what it prints."""
    if address := index.address():
        environment["UV_DEFAULT_INDEX"] = address
    done = subprocess.run(
        [find_uv_bin(), *arguments],
        env={**os.environ, **environment},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    # Before its error come warnings and progress.
    _, _, error = done.stderr.partition("error: ")
    lines = error.strip().splitlines() or [f"exit status {done.returncode}"]
    reason = lines[:2][-1].strip().removeprefix("cause: ")
    if "No solution found" in done.stderr:
        mend = "ask for another release"
        raise UnresolvableError(f"nothing fits: {reason}", mend, Exit.NOT_CAPTURED)
    message = f"uv cannot `{' '.join(arguments[:2])}`: {reason}"
    raise UserError(message, index.MEND, Exit.NOT_CAPTURED)
