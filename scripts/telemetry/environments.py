"""Environments to run stripepy in: resolved and made by uv, kept by what is in them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import findpython
from uv import find_uv_bin

from telemetry import assets
from telemetry.errors import Exit, UserError

KEPT = 8
"""How many environments stay on the disk; what was run in the others is kept all the same."""

LARGEST_DOWNLOADS = 2e9
"""Bytes of wheels that are kept for the next environment; above, all of them are thrown away."""


# Where uv links its files from; its usual place is the user's, and nobody's to empty.
DOWNLOADS = "downloads"


class UnresolvableError(UserError):
    """No set of packages fits what was asked for."""


@dataclass(frozen=True)
class Environment:
    """An environment, made or still to be made.

    Attributes:
        python: The Python that it is made with.
        requirements: Every package, with its version.
        folder: Where it is, with what was run in it.
    """

    python: Path
    requirements: tuple[str, ...]
    folder: Path

    @property
    def interpreter(self) -> Path:
        """The Python inside."""
        inside = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        return self.folder / "venv" / inside

    @property
    def packages(self) -> dict[str, str]:
        """Versions, by package."""
        return dict(line.split("==") for line in self.requirements)

    def make(self) -> Path:
        """Make it, unless it is there; return the Python inside.

        Raises:
            UserError: If something of it cannot be fetched.
        """
        cache = self.folder.parent
        made = self.folder / "made"
        if not made.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            listing = self.folder / "requirements.txt"
            listing.write_text("".join(f"{line}\n" for line in self.requirements))
            venv = self.folder / "venv"
            _uv(cache, "venv", "--clear", "--python", str(self.python), str(venv))
            wheels = ("--no-deps", "--only-binary", ":all:")
            try:
                _uv(cache, "pip", "install", "--python", str(venv), *wheels, "-r", str(listing))
            except UnresolvableError as error:
                raise UserError(
                    f"what was to be had is not any more: {error.message}",
                    "run it again; what was run before is kept",
                    Exit.NOT_CAPTURED,
                ) from None
            made.touch()
            prune(cache)
        made.touch()
        return self.interpreter


def resolve(
    wanted: Sequence[str], *flags: str, python: Path = Path(sys.executable), cache: Path
) -> Environment:
    """Choose a version of every package, from wheels alone.

    Args:
        wanted: Requirements.
        flags: How to choose, in the words of `uv pip compile`.
        python: The Python that the environment is for.
        cache: Folder for environments.

    Raises:
        UnresolvableError: If nothing fits.
        UserError: If the index cannot be reached.
    """
    quiet = ("--quiet", "--no-header", "--no-annotate", "--no-strip-extras")
    wheels = ("--only-binary", ":all:", "--python", str(python))
    said = _uv(cache, "pip", "compile", *quiet, *wheels, *flags, "-", text="\n".join(wanted))
    requirements = tuple(
        re.sub(r"\[.*?\]", "", line)
        for line in said.splitlines()
        if re.match(r"[\w.-]+(\[|==)", line)
    )
    version = subprocess.run(
        [python, "-c", "import sys, platform; print(sys.version, platform.platform())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    digest = hashlib.sha256(json.dumps([version, *requirements]).encode()).hexdigest()
    return Environment(python, requirements, cache / digest[:16])


def asked_for(interpreter: Path, package: str) -> list[str]:
    """What an installed package itself requires, its extras apart."""
    code = "import importlib.metadata as m, json, sys; print(json.dumps(m.requires(sys.argv[1])))"
    done = subprocess.run(
        [interpreter, "-c", code, package], capture_output=True, text=True, check=True
    )
    return [line for line in json.loads(done.stdout) or [] if "extra ==" not in line]


def prune(cache: Path) -> None:
    """Remove the environments that were not used for longest, but not what was run in them."""
    made = sorted(cache.glob("*/made"), key=lambda path: path.stat().st_mtime, reverse=True)
    for mark in made[KEPT:]:
        mark.unlink()
        shutil.rmtree(mark.parent / "venv")
    if size(cache / DOWNLOADS) > LARGEST_DOWNLOADS:
        _uv(cache, "cache", "clean")


def size(cache: Path) -> int:
    """How many bytes a folder takes; a file that is linked from several places counts once."""
    files = {
        (status.st_dev, status.st_ino): status.st_blocks * 512
        for path in cache.rglob("*")
        if not path.is_symlink()
        for status in [path.stat()]
    }
    return sum(files.values())


def pythons(versions: Iterable[str]) -> dict[str, Path]:
    """Those of some Pythons that are installed, the newest of each, by feature version."""
    found = {version: findpython.find(version) for version in versions}
    return {version: python.executable for version, python in found.items() if python}


def _uv(cache: Path, *arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [find_uv_bin(), "--cache-dir", str(cache / DOWNLOADS), *arguments],
        cwd=assets.ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    # Past the frame that uv draws around it.
    lines = re.findall(r"[\w`].*", done.stderr)
    if "No solution found" in done.stderr:
        reason = " ".join(line for line in lines[1:] if not line.startswith(("hint", "And")))
        raise UnresolvableError(
            f"nothing fits: {reason}", "ask for another release", Exit.NOT_CAPTURED
        )
    raise UserError(
        f"uv cannot `{' '.join(arguments[:2])}`: {lines[-1] if lines else done.returncode}",
        "run it again with a network; what was run before is kept",
        Exit.NOT_CAPTURED,
    )
