#!/usr/bin/env python3
"""Run a real stripepy command, seal off what it would send, and make a table of it.

Without an option, the run is compared with assets/telemetry_fields.toml and then documented in
assets/telemetry_table.tsv. Exit status: 0 fine, 1 findings, 2 wrong usage, 3 not captured.
"""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

from telemetry import assets, edge
from telemetry.capture import Capture, capture, require_one_span, require_telemetry
from telemetry.errors import Exit, UserError

DOCUMENTED_COMMAND = "call sample.hic 10000 -p 2"

# Variables by which users change what is sent; a capture does not pass them on.
CHANGES = re.compile(r"OTEL_\w+|(STRIPEPY_)?NO_TELEMETRY")

# With one of these, stripepy prints something about itself and sets no telemetry up.
INFORMATION_OPTIONS = frozenset({"-h", "--help", "-v", "--version", "--cite", "--license"})


def main() -> int:
    options = _options()
    argv, inputs = localised(options.command)
    run = capture(argv, inputs=inputs, timeout=options.timeout)
    require_telemetry(run)
    informs = not INFORMATION_OPTIONS.isdisjoint(argv)
    if informs and not run.spans:
        message = f"`stripepy {shlex.join(argv)}` sends nothing"
        if options.print:
            print(f"note: {message}", file=sys.stderr)
            return Exit.OK
        raise UserError(message, "document another command", Exit.NOT_CAPTURED)
    if options.print:
        return _print(run, options.format)
    require_one_span(run)
    if run.exit_status != 0:
        raise UserError(
            f"`stripepy {shlex.join(argv)}` ended with exit status {run.exit_status}:"
            f" {run.last_error}",
            "do as StripePy says, or correct the command after --",
            Exit.NOT_CAPTURED,
        )
    return _compare_or_write(run, inputs, options)


def _options() -> argparse.Namespace:
    parser = edge.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only, write nothing")
    mode.add_argument("--print", action="store_true", help="print the table only, write nothing")
    mode.add_argument("--accept", action="store_true", help="write in spite of findings")
    parser.add_argument(
        "--format", choices=("table", "tsv", "json"), help="for --print; json is OTLP JSON"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="end the run after this time (default: %(default)g)",
    )
    parser.add_argument(
        "command",
        nargs="*",
        metavar="-- COMMAND",
        help=f"arguments of stripepy (default: {DOCUMENTED_COMMAND})",
    )
    options, unknown = parser.parse_known_args()
    if unknown:
        parser.error(f"unknown: {shlex.join(unknown)} (what is for stripepy goes behind --)")
    if options.format and not options.print:
        parser.error("--format goes with --print")
    if not options.timeout > 0:
        parser.error("--timeout takes a positive number of seconds")
    if options.command[:1] == ["stripepy"]:
        del options.command[0]
    options.format = options.format or "table"
    options.command = options.command or shlex.split(DOCUMENTED_COMMAND)
    return options


def localised(command: list[str]) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Make a command line fit for the private folder in which it will run.

    An argument that is a file is found there under its own name, so that what is documented
    holds no folder of this machine. Any other path out of that folder is an output, and lands in
    it: nothing of the caller's is written to.

    Returns:
        The arguments, and the files among them by name.
    """
    argv: list[str] = []
    inputs: dict[str, Path] = {}
    for argument in command:
        match = re.fullmatch(r"(--[\w-]+=|-[a-zA-Z](?=.))?(.*)", argument, re.DOTALL)
        assert match is not None
        option, value = match[1] or "", match[2]
        path = Path(value)
        if not path.is_file() and value == assets.SAMPLE.name:
            path = assets.SAMPLE
        if path.is_file():
            if inputs.setdefault(path.name, path.resolve()) != path.resolve():
                raise UserError(f"two different files are called {path.name}", "rename one of them")
            value = path.name
        elif _leads_elsewhere(path):
            value = path.name
        argv.append(f"{option}{value}")
    return tuple(argv), inputs


def _leads_elsewhere(path: Path) -> bool:
    into_a_folder = len(path.parts) > 1 and path.parent.is_dir()
    return bool(path.name) and (path.is_absolute() or ".." in path.parts or into_a_folder)


def _print(run: Capture, form: str) -> int:
    from telemetry import otlp, rows

    if run.spans:
        write = {"table": columns, "tsv": rows.to_tsv}.get(form)
        sys.stdout.write(write(_pairs(run)) if write else otlp.otlp_json(run.body))
    require_one_span(run)
    if run.exit_status != 0:
        ending = f"ended with exit status {run.exit_status}: {run.last_error}"
        print(f"note: stripepy {ending}", file=sys.stderr)
    left_out = sorted(name for name in os.environ if CHANGES.fullmatch(name))
    if left_out:
        print(
            f"note: your {', '.join(left_out)} would change what is sent, and had no part in this",
            file=sys.stderr,
        )
    size, address = len(run.body), run.exporters[0].get("endpoint")
    print(f"note: not sent: {size} bytes before compression, for {address}", file=sys.stderr)
    return Exit.OK


def _pairs(run: Capture) -> list[tuple[str, str]]:
    from telemetry import otlp

    return [(row.field, row.value) for row in otlp.rows(run.body)]


def columns(table: list[tuple[str, str]]) -> str:
    width = max(len(field) for field, _ in table)
    return "".join(f"{field:{width}}  {value}\n" for field, value in table)


def _compare_or_write(run: Capture, inputs: dict[str, Path], options: argparse.Namespace) -> int:
    # Not imported for --print, which has to work where there is nothing but stripepy-hic.
    try:
        from telemetry import documented, fields, findings, otlp
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed for {sys.executable}"
        raise UserError(message, "make venv, then use .venv/bin/python") from None

    dictionary = fields.load()
    sent = otlp.rows(run.body)
    new = documented.document(
        run, sent, otlp.otlp_json(run.body), inputs, f"stripepy {shlex.join(run.argv)}"
    )
    try:
        old = documented.load()
    except UserError as error:
        if options.check:
            raise
        print(f"note: {error.message}", file=sys.stderr)
        old = None

    found = findings.against_dictionary(
        sent,
        dictionary,
        new.provenance.subcommand,
        outcome="failure" if run.exit_status else "success",
        versions=run.versions,
    )
    found += findings.against_surroundings(sent, dictionary)
    mend = shlex.join(["python", "scripts/telemetry_table.py", "--accept", "--", *options.command])
    if old and old.provenance.command == new.provenance.command:
        found += findings.against_previous(
            new.settled(dictionary), old.settled(dictionary), f"if that is right: {mend}"
        )
    same = old is not None and old.same_as(new, dictionary)
    if options.check and not same and not found:
        found.append(findings.outdated(new.provenance.command, mend.replace(" --accept", "")))

    for line in findings.lines(found, assets.FIELDS):
        print(line)
    if found and old:
        sys.stdout.write(old.diff(new, dictionary))
    if found and not options.accept:
        return Exit.FINDINGS
    if same:
        print(f"Up to date: {assets.shown(assets.TABLE)}")
        return Exit.OK
    documented.save(new)
    print(f"Updated: {assets.shown(assets.TABLE)}")
    return Exit.OK


if __name__ == "__main__":
    edge.run(main)
