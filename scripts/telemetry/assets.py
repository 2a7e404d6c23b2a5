"""The files that pages show: where they are, and how they are replaced."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from telemetry.errors import Exit, UserError

ROOT = Path(__file__).resolve().parent.parent.parent
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


def shown(path: Path) -> str:
    """A path as messages show it: from the root of the repository, if it is inside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def replace(path: Path, content: bytes) -> None:
    """Replace a file as a whole: whoever reads it sees the old content or the new, never a part.

    Raises:
        UserError: If the folder is not writable or the disk is full; the old file is then intact.
    """
    try:
        _replace(path, content)
    except OSError as error:
        raise UserError(
            f"{shown(path)}: cannot be written: {error.strerror}",
            "make room or allow writing, then run the command again",
            Exit.NOT_CAPTURED,
        ) from None


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
