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
    """Replace files in one folder, so that `read` finds either all the old ones or all the new.

    The new files are written to a temporary folder beside the old ones, which is then renamed to
    PENDING. From then on, `finish` moves them into place: it is called here, and by `read` in case
    an interruption has left some behind. If writing fails, the old files stay intact.
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
    """Move pending files into place, including those that an interrupted command left."""
    with contextlib.suppress(FileNotFoundError):
        for ready in (folder / PENDING).iterdir():
            # Another process may have moved it already.
            with contextlib.suppress(FileNotFoundError):
                ready.replace(folder / ready.name)
        (folder / PENDING).rmdir()
