"""The documented run: its table, its message and its provenance, kept and read as one."""

import difflib
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from telemetry import assets
from telemetry.capture import Capture
from telemetry.errors import UserError
from telemetry.fields import Dictionary, validated
from telemetry.rows import Row, format_value, from_tsv, to_tsv

MEND = "make table"


class ThisRun(BaseModel):
    """What differs by run, machine or installation; a change of it alone is no reason to write.

    Attributes:
        python: Version of Python.
        opentelemetry_sdk: Version of opentelemetry-sdk.
        body_bytes: Size of the OTLP body in bytes.
        gzip_bytes: Size of the OTLP body in bytes, compressed as the exporter does it.
        in_namespace: Whether the kernel, too, kept the run from the network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    python: str
    opentelemetry_sdk: str
    body_bytes: int
    gzip_bytes: int
    in_namespace: bool


class Provenance(BaseModel):
    """Where the table comes from.

    Attributes:
        command: The command as typed, without folders.
        subcommand: Its subcommand, as the dictionary names it.
        exit_status: Its exit status.
        inputs: SHA-256 of each input file, hexadecimal, by name.
        stripepy_hic: Version of stripepy-hic.
        exporters: Settings that stripepy gave each OTLP exporter.
        this_run: What is allowed to vary.
        table_sha256: SHA-256 of the table that belongs to it, hexadecimal.
        message_sha256: SHA-256 of the message that belongs to it, hexadecimal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    subcommand: str
    exit_status: int
    inputs: dict[str, str]
    stripepy_hic: str
    exporters: tuple[dict[str, Any], ...]
    this_run: ThisRun
    table_sha256: str
    message_sha256: str


@dataclass(frozen=True)
class Documented:
    """What is kept of a run.

    Attributes:
        table: (field, value) pairs.
        message: What it sent, as OTLP JSON.
        provenance: Where both come from.
    """

    table: list[tuple[str, str]]
    message: str
    provenance: Provenance

    def settled(self, dictionary: Dictionary) -> dict[str, str]:
        """Every value that should be the same in the next run of the same command, by name."""
        values = {
            field: value for field, value in self.table if not self._varies(field, dictionary)
        }
        origin = self.provenance
        return {
            **values,
            "exit status": str(origin.exit_status),
            "stripepy-hic": origin.stripepy_hic,
            "exporters": format_value(origin.exporters),
            **{f"SHA-256 of {name}": digest for name, digest in origin.inputs.items()},
        }

    def same_as(self, other: "Documented", dictionary: Dictionary) -> bool:
        """Whether the two differ in nothing but values that are declared as varying."""
        return (
            self.provenance.command == other.provenance.command
            and [field for field, _ in self.table] == [field for field, _ in other.table]
            and self.settled(dictionary) == other.settled(dictionary)
        )

    def diff(self, other: "Documented", dictionary: Dictionary) -> str:
        """The unified diff from this table to another; values that vary are left as they are."""
        mine = dict(self.table)
        quiet = [
            (field, mine.get(field, value) if self._varies(field, dictionary) else value)
            for field, value in other.table
        ]
        name = assets.shown(assets.TABLE)
        return "".join(
            difflib.unified_diff(
                to_tsv(self.table).splitlines(keepends=True),
                to_tsv(quiet).splitlines(keepends=True),
                f"{name} (committed)",
                f"{name} (this run)",
            )
        )

    @staticmethod
    def _varies(field: str, dictionary: Dictionary) -> bool:
        return field in dictionary and dictionary[field].varies != "no"


def subcommand_of(argv: tuple[str, ...]) -> str:
    """The subcommand of a command line, as the dictionary names it; for plots with their kind."""
    return " ".join(argv[: 2 if argv[:1] == ("plot",) else 1])


def document(
    run: Capture, rows: list[Row], message: str, inputs: Mapping[str, Path], command: str
) -> Documented:
    """Put together what is kept of a captured run.

    Args:
        run: The run.
        rows: What it sent, flattened.
        message: The same as OTLP JSON.
        inputs: Its input files, by name.
        command: The command as typed, without folders.
    """
    table = [(row.field, row.value) for row in rows]
    provenance = Provenance(
        command=command,
        subcommand=subcommand_of(run.argv),
        exit_status=run.exit_status,
        inputs={name: _sha256_of_file(path) for name, path in sorted(inputs.items())},
        stripepy_hic=run.versions["stripepy-hic"],
        exporters=tuple(dict(settings) for settings in run.exporters),
        this_run=ThisRun(
            python=run.versions["python"],
            opentelemetry_sdk=run.versions["opentelemetry-sdk"],
            body_bytes=len(run.body),
            gzip_bytes=len(gzip.compress(run.body)),
            in_namespace=run.in_namespace,
        ),
        table_sha256=_sha256(to_tsv(table)),
        message_sha256=_sha256(message),
    )
    return Documented(table, message, provenance)


def load(
    table: Path = assets.TABLE,
    message: Path = assets.MESSAGE,
    provenance: Path = assets.PROVENANCE,
) -> Documented:
    """Read the committed table, its message and its provenance.

    Raises:
        UserError: If one is missing, malformed, or not of the same run as the others.
    """
    text = _read(table)
    try:
        rows = from_tsv(text)
    except ValueError as error:
        raise UserError(f"{assets.shown(table)}: {error}", MEND) from None
    try:
        data = json.loads(_read(provenance))
    except ValueError as error:
        raise UserError(f"{assets.shown(provenance)}: {error}", MEND) from None
    origin = validated(Provenance, data, provenance, "provenance")
    sent = _read(message)
    for path, content, digest in (
        (table, text, origin.table_sha256),
        (message, sent, origin.message_sha256),
    ):
        if digest != _sha256(content):
            described = f"the run that {assets.shown(provenance)} describes"
            raise UserError(f"{assets.shown(path)}: is not of {described}", MEND)
    return Documented(rows, sent, origin)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{assets.shown(path)}: {reason}", MEND) from None


def save(documented: Documented) -> None:
    """Replace the committed table, its message and its provenance.

    The provenance comes last: it holds the others' digests, so files that were interrupted half-way
    do not load.
    """
    origin = documented.provenance.model_dump_json(indent=2) + "\n"
    assets.replace(assets.TABLE, to_tsv(documented.table).encode())
    assets.replace(assets.MESSAGE, documented.message.encode())
    assets.replace(assets.PROVENANCE, origin.encode())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
