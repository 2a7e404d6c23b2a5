"""The files of this repository: where they are, and how they are read and replaced."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from telemetry.records.exits import Exit, UserError

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "scripts"
ASSETS = ROOT / "assets"
PAGES = ROOT / "docs"
TABLE = ASSETS / "telemetry_table.tsv"
MESSAGE = ASSETS / "telemetry_table.otlp.json"
PROVENANCE = ASSETS / "telemetry_table.json"
CLAIMS = ASSETS / "telemetry_claims.json"
RELEASES = ASSETS / "telemetry_releases.json"
FIELDS = ASSETS / "telemetry_fields.toml"
DATA_HANDLING = ASSETS / "data_handling.toml"
SAMPLE = ASSETS / "sample.hic"

PENDING = ".replacing"


def shown(path: Path) -> str:
    """Return a path as messages show it: from the root of the repository, if it is inside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def read(path: Path, fix: str) -> str:
    """Read a text file, as UTF-8."""
    try:
        finish(path.parent)
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(path)}: {reason}", fix) from None


def replace(files: Mapping[Path, bytes]) -> None:
    """Replace files of one folder: whoever reads them sees all of the old ones or all of the new.

    All are first written to a folder in there, which then gets its name: from then on, whoever
    reads the files finishes what an interruption left undone. If they cannot be written, the old
    ones stay intact.
    """
    [folder] = {path.parent for path in files}
    try:
        finish(folder)
        with tempfile.TemporaryDirectory(prefix=f"{PENDING}.", dir=folder) as name:
            (ready := Path(name, PENDING)).mkdir()
            for path, content in files.items():
                with (ready / path.name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                if path.exists():
                    shutil.copymode(path, ready / path.name)
            ready.rename(folder / PENDING)
        finish(folder)
    except OSError as error:
        raise UserError(
            f"{shown(next(iter(files)))}: cannot be written: {error.strerror}",
            "make room or allow writing, then run the command again",
            Exit.NOT_CAPTURED,
        ) from None


def finish(folder: Path) -> None:
    """Put files in their places that an interrupted command had written for them."""
    with contextlib.suppress(FileNotFoundError):
        for ready in (folder / PENDING).iterdir():
            # Somebody else may have moved it.
            with contextlib.suppress(FileNotFoundError):
                ready.replace(folder / ready.name)
        (folder / PENDING).rmdir()
