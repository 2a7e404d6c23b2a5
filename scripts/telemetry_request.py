#!/usr/bin/env python3
"""Run a stripepy command, unmodified, and print the request that carries its telemetry.

It runs in a network of its own that contains only this machine; there, the collector's name
resolves to a receiver, which answers and keeps what arrives. Exit status: 0 fine, 2 wrong usage,
3 not run.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

# If PYTHONSAFEPATH is set, Python does not search this folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from telemetry.box import world
from telemetry.box.observing import observe
from telemetry.capture.command_line import CHANGES, localised
from telemetry.capture.process import ending, require_end, typed
from telemetry.records import exits, table
from telemetry.records.exits import Exit, UserError
from telemetry.records.rows import columns
from telemetry.records.runs import Request
from telemetry.table import otlp


def main() -> int:
    parser = exits.parser(__doc__)
    parser.add_argument("command", nargs="+", metavar="-- COMMAND", help="arguments of stripepy")
    options = parser.parse_args()
    run = replace(
        localised(options.command),
        # The caller's variables that affect telemetry, above all the switch.
        environment={name: os.environ[name] for name in os.environ if CHANGES.fullmatch(name)},
        missing_hosts=world.DATA_HOSTS,
    )
    [exporter] = table.load().provenance.exporters
    with world.made(exporter["endpoint"]) as made:
        seen = observe([run], made)[run.name]
    if seen.not_tried:
        fix = "on Linux, allow user namespaces; elsewhere, use telemetry_table.py --print"
        raise UserError(seen.not_tried, fix, Exit.NOT_CAPTURED)
    if seen.fault:
        raise UserError(f"{typed(run)}: {seen.fault}", "run it again", Exit.NOT_CAPTURED)
    require_end(seen)
    if seen.wire.requests:
        print("\n\n".join(map(_shown, seen.wire.requests)))
    elif seen.attempts or seen.wire.connections or seen.wire.look_ups:
        print("nothing reached StripePy's collector")
    else:
        print("nothing was sent: no connection, no DNS query")
    for attempt in dict.fromkeys(seen.attempts):
        print(f"note: it tried to reach something else: {attempt}", file=sys.stderr)
    if seen.exit_status:
        print(f"note: stripepy {ending(seen)}", file=sys.stderr)
    return Exit.OK


def _shown(request: Request) -> str:
    headers = [f"{name}: {value}" for name, value in request.headers]
    fields = columns([(row.field, row.value) for row in otlp.rows(request.body)])
    return "\n".join([request.line, *headers, "", fields.rstrip("\n")])


if __name__ == "__main__":
    exits.run(main)
