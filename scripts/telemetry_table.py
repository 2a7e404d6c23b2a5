#!/usr/bin/env python3
"""Run a real stripepy command, keep what it would send, and make a table of it.

Without options, the run is compared with assets/telemetry_fields.toml and then documented in
assets/telemetry_table.tsv. Exit status: 0 fine, 2 wrong usage, 3 not captured, 5 findings.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

# If PYTHONSAFEPATH is set, Python does not search this folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from telemetry.capture.command_line import CHANGES, INFORMATION_OPTIONS, localised
from telemetry.capture.process import CORRECT, capture, ending, require_one_message, typed
from telemetry.records import exits, files
from telemetry.records.exits import Exit, UserError
from telemetry.records.runs import Mode, Observation

DOCUMENTED_COMMAND = "call sample.hic 10000 -p 2"


def main() -> int:
    options = _options()
    run = replace(localised(options.command), mode=Mode.MEMORY)
    seen = capture(run)
    if options.print and seen.bodies:
        _print(seen.body, options.format)
    require_one_message(seen, or_none=not INFORMATION_OPTIONS.isdisjoint(run.argv))
    if options.print:
        for note in _notes(seen):
            print(f"note: {note}", file=sys.stderr)
        return Exit.OK
    if not seen.bodies:
        raise UserError(
            f"{typed(run)} sends nothing", "document another command", Exit.NOT_CAPTURED
        )
    if seen.exit_status != 0:
        raise UserError(f"{typed(run)} {ending(seen)}", CORRECT, Exit.NOT_CAPTURED)
    return _compare_or_write(seen, options)


def _options() -> argparse.Namespace:
    parser = exits.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only, write nothing")
    mode.add_argument("--print", action="store_true", help="print the table only, write nothing")
    mode.add_argument("--accept", action="store_true", help="write in spite of findings")
    parser.add_argument(
        "--format", choices=("table", "tsv", "json"), help="for --print; json is OTLP JSON"
    )
    parser.add_argument(
        "command",
        nargs="*",
        metavar="-- COMMAND",
        help=f"arguments of stripepy (default: {DOCUMENTED_COMMAND})",
    )
    options, unknown = parser.parse_known_args()
    if unknown:
        parser.error(f"unknown: {shlex.join(unknown)} (arguments for stripepy go after --)")
    if options.format and not options.print:
        parser.error("--format needs --print")
    options.format = options.format or "table"
    options.command = options.command or shlex.split(DOCUMENTED_COMMAND)
    return options


def _print(body: bytes, form: str) -> None:
    from telemetry.records import rows
    from telemetry.table import otlp

    write = {"table": rows.columns, "tsv": rows.to_tsv}.get(form)
    pairs = [(row.field, row.value) for row in otlp.rows(body)]
    sys.stdout.write(write(pairs) if write else otlp.otlp_json(body))


def _notes(seen: Observation) -> Iterator[str]:
    if not seen.bodies:
        yield f"{typed(seen.run)} sends nothing"
        return
    if seen.exit_status != 0:
        yield f"stripepy {ending(seen)}"
    if left_out := sorted(name for name in os.environ if CHANGES.fullmatch(name)):
        yield f"your {', '.join(left_out)} would change what is sent, but had no effect here"
    address = seen.exporters[0].get("endpoint")
    yield f"not sent: {len(seen.body)} bytes before compression, for {address}"


def _compare_or_write(seen: Observation, options: argparse.Namespace) -> int:
    # Imported here because --print has to work where only stripepy-hic is installed.
    try:
        from telemetry.records import fields, findings, table
        from telemetry.table import documenting
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed for {sys.executable}"
        raise UserError(message, "make venv, then use .venv/bin/python") from None

    dictionary = fields.load()
    new = documenting.document(seen)
    old = table.load() if options.check else findings.committed(table.load)
    accept = f"python scripts/telemetry_table.py --accept -- {shlex.join(options.command)}"
    found = documenting.compare(seen, new, old, dictionary, f"if that is right: {accept}")
    findings.show(found, files.FIELDS)
    again = accept.replace(" --accept", "")
    outdated = findings.write_or_compare(
        table.render(new),
        old=old.lines(dictionary) if old else None,
        new=new.lines(dictionary),
        write=not options.check and (not found or options.accept),
        kind=findings.Kind.OUTDATED_TABLE,
        fix=f"it does not match `{new.provenance.command}`; {again}",
    )
    if not found:
        findings.show(outdated, files.TABLE)
    return Exit.FINDINGS if outdated or (found and not options.accept) else Exit.OK


if __name__ == "__main__":
    exits.run(main)
