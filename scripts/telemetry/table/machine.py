"""What this machine and this installation say about themselves.

A value that varies by machine or installation cannot be compared with an earlier run, so it is
compared with what Python's standard library says here and now.
"""

import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distributions

from telemetry.capture.folder import run_paths
from telemetry.records.fields import Dictionary
from telemetry.records.findings import Finding, Kind
from telemetry.records.rows import Row, format_cell

MACHINE = {
    "host.arch": platform.machine,
    # OpenTelemetry's detector makes the same choice.
    "os.version": lambda: (
        platform.version() if platform.system() in {"Windows", "SunOS"} else platform.release()
    ),
    "os.type": lambda: platform.system().lower(),
    "process.runtime.name": platform.python_implementation,
    "process.runtime.version": platform.python_version,
    "process.runtime.description": platform.python_compiler,
}


@cache
def expected(field: str) -> str:
    """Return the value that a field should have here; empty if nothing is known about it."""
    if field in MACHINE:
        return format_cell(MACHINE[field]())
    package = {"telemetry.sdk.version": "opentelemetry-sdk", "service.version": "stripepy-hic"}.get(
        field, field.removeprefix("dependency.").removesuffix(".version")
    )
    versions = (found.version for found in distributions(name=package, path=run_paths()))
    return next(map(format_cell, versions), "")


def compare(rows: Sequence[Row], dictionary: Dictionary) -> list[Finding]:
    """Compare values that vary by machine or installation with what these say about themselves."""
    found = []
    for row in rows:
        entry = dictionary.get(row.field)
        varies = entry is not None and entry.varies in {"by machine", "by installation"}
        if not varies and row.field != "service.version":
            continue
        known = expected(row.field)
        if row.value != known:
            fix = f"this machine says {known or 'nothing of it'}; find out where it comes from"
            found.append(Finding(Kind.UNEXPECTED_VALUE, row.field, row.value, fix))
    return found
