"""The documented run: its table, its message and its provenance, kept and read as one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telemetry.records import documents, files
from telemetry.records.documents import Record
from telemetry.records.exits import UserError
from telemetry.records.fields import Dictionary
from telemetry.records.rows import format_value, from_tsv, to_tsv

FIX = "make table"


class CaptureDetails(Record):
    """What may differ by run, machine or installation; files are not rewritten for this alone."""

    python: str
    opentelemetry_sdk: str
    body_bytes: int  # size of the OTLP body in bytes
    gzip_bytes: int  # size of the OTLP body in bytes, compressed as the exporter does it


class Provenance(Record):
    """Where the table comes from."""

    command: str  # the command as typed, without folders
    subcommand: str  # its subcommand, as the dictionary names it
    exit_status: int
    inputs: dict[str, str]  # SHA-256 of each input file, hexadecimal, by name
    stripepy_hic: str
    exporters: tuple[dict[str, Any], ...]  # settings that stripepy gave each OTLP exporter
    this_run: CaptureDetails  # what is allowed to vary
    table_sha256: str
    message_sha256: str

    @property
    def versions(self) -> dict[str, str]:
        return {
            "stripepy-hic": self.stripepy_hic,
            "opentelemetry-sdk": self.this_run.opentelemetry_sdk,
        }


@dataclass(frozen=True)
class Documented:
    """What is committed of the documented run."""

    table: list[tuple[str, str]]  # (field, value) pairs
    message: str  # what it sent, as OTLP JSON
    provenance: Provenance  # where both come from

    def settled(self, dictionary: Dictionary) -> dict[str, str]:
        """Return every value that should be the same whenever the command is run, by name."""
        origin = self.provenance
        return {
            **{field: text for field, text in self.table if not dictionary.varies(field)},
            "exit status": str(origin.exit_status),
            "stripepy-hic": origin.stripepy_hic,
            "exporters": format_value(origin.exporters),
            **{f"SHA-256 of {name}": digest for name, digest in origin.inputs.items()},
        }

    def lines(self, dictionary: Dictionary) -> list[str]:
        """Return the command, every settled value and every field in order, for comparison."""
        settled = self.settled(dictionary)
        fields = {field: settled.pop(field, "(varies)") for field, _ in self.table}
        pairs = {"command": self.provenance.command, **settled, **fields}
        return [f"{name}\t{value}\n" for name, value in pairs.items()]


def load(table: Path = files.TABLE) -> Documented:
    """Read the committed files, all of which must come from the same run."""
    origin = documents.load(Provenance, files.PROVENANCE, FIX)
    texts = []
    for path, digest in ((table, origin.table_sha256), (files.MESSAGE, origin.message_sha256)):
        texts.append(text := files.read(path, FIX))
        if digest != sha256(text.encode()):
            described = f"the run that {files.shown(files.PROVENANCE)} describes"
            raise UserError(f"{files.shown(path)}: does not belong to {described}", FIX)
    rows, message = texts
    return Documented(from_tsv(rows), message, origin)


def render(documented: Documented) -> dict[Path, bytes]:
    return {
        files.TABLE: to_tsv(documented.table).encode(),
        files.MESSAGE: documented.message.encode(),
        files.PROVENANCE: documents.render(documented.provenance),
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
