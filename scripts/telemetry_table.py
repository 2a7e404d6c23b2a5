#!/usr/bin/env python3
"""Run a real stripepy command, seal off what it would send, and make a table of it.

Without an option, the run is compared with assets/telemetry_fields.toml and then documented in
assets/telemetry_table.tsv. Exit status: 0 fine, 1 findings, 2 wrong usage, 3 not captured.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from telemetry import assets, edge
from telemetry.capture import Capture, capture, require_one_span, require_telemetry
from telemetry.errors import Exit, UserError

DOCUMENTED_COMMAND = "call sample.hic 10000 -p 2"

# With one of these, stripepy prints something about itself and sets no telemetry up.
INFORMATION_OPTIONS = frozenset({"-h", "--help", "-v", "--version", "--cite", "--license"})


def main() -> int:
    options = _options()
    argv, inputs = _localised(options.command)
    run = capture(argv, inputs=inputs, timeout=options.timeout)
    require_telemetry(run)
    if options.print:
        return _print(run, options.format)
    require_one_span(run)
    if run.exit_status != 0:
        raise UserError(
            f"`stripepy {shlex.join(argv)}` ended with exit status {run.exit_status}:"
            f" {run.last_error}",
            "correct the command after --",
            Exit.NOT_CAPTURED,
        )
    return _compare_or_write(run, inputs, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    options = parser.parse_args()
    if options.format and not options.print:
        parser.error("--format goes with --print")
    if not options.timeout > 0:
        parser.error("--timeout takes a positive number of seconds")
    if options.command[:1] == ["stripepy"]:
        del options.command[0]
    options.format = options.format or "table"
    options.command = options.command or shlex.split(DOCUMENTED_COMMAND)
    return options


def _localised(command: list[str]) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Make a command line fit for the private folder in which it will run.

    An argument that is a file is found there under its own name, so that what is documented
    holds no folder of this machine; any other absolute path is an output, and lands there.

    Returns:
        The arguments, and the files among them by name.
    """
    argv: list[str] = []
    inputs: dict[str, Path] = {}
    for argument in command:
        option, equals, value = argument.partition("=")
        if not (equals and option.startswith("--")):
            option, equals, value = "", "", argument
        path = Path(value)
        if not path.is_file() and value == assets.SAMPLE.name:
            path = assets.SAMPLE
        if path.is_file():
            if inputs.setdefault(path.name, path.resolve()) != path.resolve():
                raise UserError(f"two different files are called {path.name}", "rename one of them")
            value = path.name
        elif path.is_absolute():
            value = path.name
        argv.append(f"{option}{equals}{value}")
    return tuple(argv), inputs


def _print(run: Capture, form: str) -> int:
    from telemetry import otlp, rows

    if run.spans:
        write = {"table": _columns, "tsv": rows.to_tsv}.get(form)
        sys.stdout.write(write(_pairs(run)) if write else otlp.otlp_json(run.body))
    elif not INFORMATION_OPTIONS.isdisjoint(run.argv):
        print(f"note: `stripepy {shlex.join(run.argv)}` sends nothing", file=sys.stderr)
        return Exit.OK
    require_one_span(run)
    if run.exit_status != 0:
        ending = f"ended with exit status {run.exit_status}: {run.last_error}"
        print(f"note: stripepy {ending}", file=sys.stderr)
    size, address = len(run.body), run.exporters[0].get("endpoint")
    print(f"note: not sent: {size} bytes before compression, for {address}", file=sys.stderr)
    return Exit.OK


def _pairs(run: Capture) -> list[tuple[str, str]]:
    from telemetry import otlp

    return [(row.field, row.value) for row in otlp.rows(run.body)]


def _columns(table: list[tuple[str, str]]) -> str:
    width = max(len(field) for field, _ in table)
    return "".join(f"{field:{width}}  {value}\n" for field, value in table)


def _compare_or_write(run: Capture, inputs: dict[str, Path], options: argparse.Namespace) -> int:
    # Not imported for --print, which has to work where there is nothing but stripepy-hic.
    try:
        from telemetry import documented, fields, findings, otlp
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name} is not installed for {sys.executable}", "make venv"
        ) from None

    dictionary = fields.load()
    sent = otlp.rows(run.body)
    new = documented.document(run, sent, inputs, f"stripepy {shlex.join(run.argv)}")
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
        succeeded=run.exit_status == 0,
        versions=run.versions,
    )
    found += findings.against_surroundings(sent, dictionary)
    mend = shlex.join(["python", "scripts/telemetry_table.py", "--accept", "--", *run.argv])
    if old and old.provenance.command == new.provenance.command:
        found += findings.against_previous(
            new.settled(dictionary), old.settled(dictionary), f"if that is right: {mend}"
        )
    same = old is not None and old.same_as(new, dictionary)
    if options.check and not same and not found:
        found.append(findings.outdated(new.provenance.command, mend.replace(" --accept", "")))

    for finding in found:
        print(finding)
        if os.environ.get("GITHUB_ACTIONS"):
            print(findings.annotation(finding, assets.shown(assets.FIELDS)))
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
