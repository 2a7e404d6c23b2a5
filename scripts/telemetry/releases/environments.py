"""Releases on the package index, and environments for them, which uv makes from its own cache.

Whatever does not exist or cannot be fetched raises a UserError.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, PyPISimple
from requests import RequestException
from uv import find_uv_bin

from telemetry.records.exits import Exit, UserError

WHEELS = ("--only-binary", ":all:")

FIX = "run it again with a network; what was run before is kept"


@dataclass(frozen=True)
class Release:
    """A release that can be installed without building it."""

    version: Version
    uploaded: str = ""  # time of its first wheel, ISO 8601; empty if the index does not say


def releases(package: str) -> list[Release]:
    """Return every release, but for pre-releases, that has a wheel not yanked, oldest first."""
    uploads: dict[Version, list[str]] = {}
    try:
        with PyPISimple(_index() or PYPI_SIMPLE_ENDPOINT) as index:
            for file in index.get_project_page(package, timeout=60).packages:
                if file.package_type == "wheel" and file.version and not file.is_yanked:
                    uploaded = file.upload_time.isoformat() if file.upload_time else ""
                    uploads.setdefault(Version(file.version), []).append(uploaded)
    except (RequestException, NoSuchProjectError, ValueError) as error:
        message = f"the package index does not list the releases of {package}: {error}"
        raise UserError(message, FIX, Exit.NOT_CAPTURED) from None
    final = ((version, times) for version, times in uploads.items() if not version.is_prerelease)
    return [Release(version, min(times)) for version, times in sorted(final)]


def _index() -> str:
    """Return the package index that the user has chosen; empty for the default one."""
    variables = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    return next(filter(None, map(os.environ.get, variables)), "")


class UnresolvableError(UserError):
    """No set of packages satisfies the requirements."""


@dataclass(frozen=True)
class Environment:
    """An environment yet to be made: a Python, and every package with its version."""

    python: Path
    requirements: tuple[str, ...]

    @property
    def packages(self) -> dict[str, str]:
        return dict(line.split("==") for line in self.requirements)

    @contextmanager
    def made(self) -> Iterator[Path]:
        """Make it in a temporary folder for as long as the context; yield its Python."""
        with tempfile.TemporaryDirectory(prefix="tl-") as name:
            venv = str(Path(name, "venv"))
            _uv("venv", "--python", str(self.python), venv)
            _uv("pip", "install", "--python", venv, "--no-deps", *WHEELS, *self.requirements)
            yield Path(venv, "bin", "python")


def resolve(wanted: Sequence[str], *flags: str, python: Path = Path(sys.executable)) -> Environment:
    """Choose a version of every package, from wheels only; `flags` go to `uv pip compile`."""
    bare = ("--no-header", "--no-annotate")
    command = ("pip", "compile", *bare, *WHEELS, "--python", str(python), *flags, "-")
    return Environment(python, tuple(_uv(*command, text="\n".join(wanted)).split()))


def required_by(requirement: str, python: Path = Path(sys.executable)) -> list[str]:
    """Return what a package itself requires, without its extras."""
    code = "import importlib.metadata as m, json, sys; print(json.dumps(m.requires(sys.argv[1])))"
    alone = ("--isolated", "--no-project", "--no-build", "--python", str(python))
    package = requirement.partition("==")[0]
    said = _uv("run", *alone, "--with", requirement, "python", "-c", code, package)
    return [line for line in json.loads(said) or [] if "extra ==" not in line]


def pythons(versions: Iterable[str]) -> dict[str, Path]:
    """Return the paths of those Pythons that are installed, by version (such as "3.13")."""
    # Of pyenv's Pythons, uv by itself finds only those in use.
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, kept)])
    found = {}
    for version in versions:
        with suppress(UserError):
            found[version] = Path(_uv("python", "find", "--system", version, PATH=path).strip())
    return found


def _uv(*arguments: str, text: str = "", **environment: str) -> str:
    """Run uv with the index that `releases` uses, and return what it prints."""
    if index := _index():
        environment["UV_DEFAULT_INDEX"] = index
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
    # Warnings and progress come before the error.
    _, _, error = done.stderr.partition("error: ")
    lines = error.strip().splitlines() or [f"exit status {done.returncode}"]
    reason = lines[:2][-1].strip().removeprefix("cause: ")
    if "No solution found" in done.stderr:
        fix = "ask for another release"
        raise UnresolvableError(f"nothing fits: {reason}", fix, Exit.NOT_CAPTURED)
    message = f"uv cannot `{' '.join(arguments[:2])}`: {reason}"
    raise UserError(message, FIX, Exit.NOT_CAPTURED)
