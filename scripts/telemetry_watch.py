#!/usr/bin/env python3
"""Run a stripepy command, unmodified, and print the request with which it sends its telemetry.

It runs in a network of its own, in which only this machine exists: there the collector's name leads
to a receiver that answers, and keeps what comes. Exit status: 0 fine, 2 wrong usage, 3 not run.
"""

import argparse
import os
import shlex
import sys

from telemetry import documented, edge, otlp
from telemetry.errors import Exit, UserError
from telemetry.receiver import Request
from telemetry.runs import Mode, Observation, Run
from telemetry.stage import Nursery, set_stage
from telemetry_table import CHANGES, columns, localised


def main() -> int:
    options = _options()
    argv, inputs = localised(options.command)
    run = Run(
        "watched",
        argv,
        mode=Mode.UNMODIFIED,
        # Those of the caller that have a say in telemetry: the switch above all.
        environment={name: os.environ[name] for name in os.environ if CHANGES.fullmatch(name)},
        inputs={name: str(path) for name, path in inputs.items()},
        timeout=options.timeout,
    )
    seen = _observe(run)
    if seen.requests:
        print("\n\n".join(map(_shown, seen.requests)))
    elif seen.connections or seen.look_ups or seen.attempts:
        print("no request came, but a connection or a look-up of a name was tried")
    else:
        print("nothing was sent: no connection, no look-up of a name")
    if seen.exit_status:
        said = seen.stderr.strip().splitlines()[-1:]
        ending = f"ended with exit status {seen.exit_status}: {''.join(said)}"
        print(f"note: stripepy {ending}", file=sys.stderr)
    return Exit.OK


def _options() -> argparse.Namespace:
    parser = edge.parser(__doc__)
    parser.add_argument(
        "--timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="end the run after this time (default: %(default)g)",
    )
    parser.add_argument("command", nargs="+", metavar="-- COMMAND", help="arguments of stripepy")
    return parser.parse_args()


def _observe(run: Run) -> Observation:
    [exporter] = documented.load().provenance.exporters
    with set_stage(exporter["endpoint"]) as stage, Nursery(stage) as nursery:
        seen = nursery.observe([run])[run.name]
    if seen.not_tried:
        mend = "on Linux, allow user namespaces; elsewhere, use telemetry_table.py --print"
        raise UserError(seen.not_tried, mend, Exit.NOT_CAPTURED)
    if seen.timed_out:
        what = f"`stripepy {shlex.join(run.argv)}` did not end within {run.timeout:g} s"
        raise UserError(what, "allow it more with --timeout SECONDS", Exit.NOT_CAPTURED)
    return seen


def _shown(request: Request) -> str:
    headers = [f"{name}: {value}" for name, value in request.headers]
    fields = columns([(row.field, row.value) for row in otlp.rows(request.body)])
    return "\n".join([request.line, *headers, "", fields.rstrip("\n")])


if __name__ == "__main__":
    edge.run(main)
