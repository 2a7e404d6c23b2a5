"""Turn a captured run into the committed table, and find out what is wrong with it."""

import gzip
import shlex
from pathlib import Path

from telemetry.records import table
from telemetry.records.fields import Dictionary
from telemetry.records.findings import Finding, Kind
from telemetry.records.rows import to_tsv
from telemetry.records.runs import Observation
from telemetry.records.table import CaptureDetails, Documented, Provenance
from telemetry.table import machine, otlp


def document(seen: Observation) -> Documented:
    """Put together what is kept of a captured run and of its input files."""
    rows = [(row.field, row.value) for row in otlp.rows(seen.body)]
    message = otlp.otlp_json(seen.body)
    provenance = Provenance(
        command=f"stripepy {shlex.join(seen.run.argv)}",
        subcommand=seen.run.subcommand,
        exit_status=seen.exit_status,
        inputs={
            name: table.sha256(Path(path).read_bytes())
            for name, path in sorted(seen.run.inputs.items())
        },
        stripepy_hic=seen.versions["stripepy-hic"],
        exporters=tuple(dict(settings) for settings in seen.exporters),
        this_run=CaptureDetails(
            python=seen.versions["python"],
            opentelemetry_sdk=seen.versions["opentelemetry-sdk"],
            body_bytes=len(seen.body),
            gzip_bytes=len(gzip.compress(seen.body)),
        ),
        table_sha256=table.sha256(to_tsv(rows).encode()),
        message_sha256=table.sha256(message.encode()),
    )
    return Documented(rows, message, provenance)


def compare(
    seen: Observation, new: Documented, old: Documented | None, dictionary: Dictionary, fix: str
) -> list[Finding]:
    """Compare a run with the dictionary, with this machine and with the documented run, if any.

    `new` is what `document` made of the run; `fix` is what to do if a changed value is right.
    """
    rows = otlp.rows(seen.body)
    found = dictionary.compare(
        rows,
        seen.run.subcommand,
        outcome="failure" if seen.exit_status else "success",
        versions=seen.versions,
    )
    found += machine.compare(rows, dictionary)
    if old and old.provenance.command == new.provenance.command:
        before, now = old.settled(dictionary), new.settled(dictionary)
        found += [
            Finding(Kind.UNEXPECTED_VALUE, name, value, f"was {before[name]}; {fix}")
            for name, value in now.items()
            if before.get(name, value) != value
        ]
    return found
