"""The files of this repository: where they are, and the one way to write or compare them."""

import contextlib
import json
import os
import stat
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
CLAIMS_SCHEMA = ASSETS / "telemetry_claims.schema.json"
RELEASES = ASSETS / "telemetry_releases.json"
RELEASES_SCHEMA = ASSETS / "telemetry_releases.schema.json"
FIELDS = ASSETS / "telemetry_fields.toml"
DATA_HANDLING = ASSETS / "data_handling.toml"
SAMPLE = ASSETS / "sample.hic"

PENDING = ".replacing.json"


def shown(path: Path) -> str:
    """Return a path as messages show it: from the root of the repository, if it is inside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def read(path: Path, mend: str) -> str:
    """Read a text file.

    Raises:
        UserError: If it is missing or not UTF-8.
    """
    finish(path.parent)
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(path)}: {reason}", mend) from None


def replace(files: Mapping[Path, bytes]) -> None:
    """Replace files of one folder: whoever reads them sees all of the old ones or all of the new.

    All are written beside their places first, and a list of them last: from then on, whoever reads
    the folder finishes what an interruption left undone.

    Raises:
        UserError: If the folder is not writable or the disk is full; the old files are then intact.
    """
    [folder] = {path.parent for path in files}
    beside: dict[str, str] = {}

    def forget() -> None:
        for name in (*beside.values(), PENDING):
            (folder / name).unlink(missing_ok=True)

    try:
        for path, content in files.items():
            beside[path.name] = _write_beside(path, content).name
        _write_beside(folder / PENDING, json.dumps(beside).encode()).replace(folder / PENDING)
        finish(folder)
    except OSError as error:
        forget()
        raise UserError(
            f"{shown(path)}: cannot be written: {error.strerror}",
            "make room or allow writing, then run the command again",
            Exit.NOT_CAPTURED,
        ) from None
    except BaseException:
        if not (folder / PENDING).exists():
            forget()
        raise


def finish(folder: Path) -> None:
    """Put files in their places that an interrupted command had written beside them."""
    with contextlib.suppress(FileNotFoundError):
        for name, beside in json.loads((folder / PENDING).read_bytes()).items():
            # One that was moved before is not there any more.
            with contextlib.suppress(FileNotFoundError):
                (folder / beside).replace(folder / name)
        (folder / PENDING).unlink()


def _write_beside(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)
