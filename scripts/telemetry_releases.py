#!/usr/bin/env python3
"""Run every release of StripePy in the same ways, and keep what each would have sent.

Each is run in an environment of its own, with the dependencies of its time and with today's.
Without options, the outcome is written to assets/telemetry_releases.json. Exit status: 0 fine,
2 wrong usage, 3 something could not be fetched, 5 findings.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# If PYTHONSAFEPATH is set, Python does not search this folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from telemetry.records import documents, exits, fields, files, findings, releases
from telemetry.records.exits import Exit, UserError
from telemetry.records.findings import Finding, Kind
from telemetry.records.releases import Setup
from telemetry.releases import environments, history
from telemetry.releases.changes import changes, since_faults, steps


def main() -> int:
    parser = exits.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only, write nothing")
    mode.add_argument(
        "--only", nargs="+", metavar="RELEASE", help="run these releases only, write nothing"
    )
    mode.add_argument(
        "--bisect",
        metavar="PACKAGE",
        help="name the releases of a dependency that changed what the newest StripePy sends",
    )
    options = parser.parse_args()
    # Otherwise, a stripepy on the caller's PYTHONPATH would be run.
    os.environ.pop("PYTHONPATH", None)
    dictionary = fields.load()
    look = history.looking(dictionary, _progress())
    if options.bisect:
        return _bisect(options.bisect, look)
    if options.only:
        found = _look_at(options.only, look)
    else:
        new = history.compile_history(look)
        found = [
            Finding(Kind.SINCE_DISAGREES, field, "", f"{shows}; correct `since` of its entry")
            for field, shows in since_faults(new, dictionary).items()
        ]
        old = findings.committed(releases.load)
        found += findings.write_or_compare(
            {files.RELEASES: documents.render(new)},
            old=documents.lines(old.settled()) if old else None,
            new=documents.lines(new.settled()),
            write=not options.check,
            kind=Kind.OUTDATED_RELEASES,
            fix=releases.FIX,
        )
    findings.show(found, files.RELEASES)
    return Exit.FINDINGS if found else Exit.OK


def _bisect(package: str, look: history.Look) -> int:
    newest = environments.releases(history.STRIPEPY)[-1]
    stretches = history.bisect(package, newest, look)
    for step in steps(stretches):
        print(f"{step.package} {step.after} (after {step.before}):")
        for change in step.changes:
            print(f"  {change}")
    if len(stretches) == 1:
        span = f"{stretches[0].package} {stretches[0].first} to {stretches[0].last}"
        print(f"{span}: no release changes what StripePy {newest.version} sends.")
    return Exit.OK


def _look_at(wanted: Sequence[str], look: history.Look) -> list[Finding]:
    known = {str(release.version): release for release in environments.releases(history.STRIPEPY)}
    if unknown := sorted(set(wanted) - set(known)):
        message = f"the index has no {history.STRIPEPY} {', '.join(unknown)}"
        raise UserError(message, f"choose from {', '.join(known)}")
    committed = {(s.release, s.dependencies): s for s in releases.load().setups}
    found = []
    for new in (look(job) for version in wanted for job in history.jobs(known[version])):
        old = committed.get((new.release, new.dependencies))
        if old is None or old.settled() != new.settled():
            told = "; ".join(map(str, changes(old, new))) if old else "not in the committed history"
            what = f"{history.STRIPEPY} {new.release}, {new.dependencies}"
            found.append(Finding(Kind.OUTDATED_RELEASES, what, "", f"{told}; {releases.FIX}"))
    return found


def _progress() -> Callable[[Setup], None]:
    started = time.monotonic()

    def tell(setup: Setup) -> None:
        sdk = f", {history.SDK} {setup.sdk}" if setup.sdk else ""
        what = f"{history.STRIPEPY} {setup.release}, {setup.dependencies} dependencies{sdk}"
        seconds = time.monotonic() - started
        print(f"{seconds:4.0f} s: {what}: {setup.told_state}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    exits.run(main)
