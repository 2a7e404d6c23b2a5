#!/usr/bin/env python3
"""Run every release of StripePy in the same ways, and keep what each would have sent.

Each is run in an environment of its own, with the dependencies of its time and with today's.
Without an option, the outcome is written to assets/telemetry_releases.json. Exit status: 0 fine,
1 findings, 2 wrong usage, 3 something could not be fetched.
"""

import argparse
import difflib
import json
import os
import sys
import time

from telemetry import (
    assets,
    chronicle,
    edge,
    environments,
    fields,
    findings,
    history,
    package_index,
)
from telemetry.errors import Exit, UserError


def main() -> int:
    options = _options()
    # A stripepy that the caller has there would stand before each release's own.
    os.environ.pop("PYTHONPATH", None)
    dictionary = fields.load()
    if options.bisect:
        return _bisect(options.bisect, dictionary)
    if options.only:
        return _look_at(options.only, dictionary)
    new = chronicle.compile_history(dictionary, _progress())
    found = findings.against_history(history.since_faults(new, dictionary))
    found += _compare(new, write=not options.check)
    _show(found)
    megabytes = environments.size(chronicle.CACHE) / 1e6
    print(f"{len(new.releases)} releases; {assets.shown(chronicle.CACHE)}: {megabytes:.0f} MB")
    return Exit.FINDINGS if found else Exit.OK


def _options() -> argparse.Namespace:
    parser = edge.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only, write nothing")
    mode.add_argument(
        "--only", nargs="+", metavar="RELEASE", help="run these releases only, write nothing"
    )
    mode.add_argument(
        "--bisect",
        metavar="PACKAGE",
        help="name the releases of a dependency with which the newest StripePy changed",
    )
    return parser.parse_args()


def _bisect(package: str, dictionary: fields.Dictionary) -> int:
    newest = package_index.releases(chronicle.STRIPEPY)[-1]
    stretches = chronicle.bisect(package, newest, dictionary, _progress())
    for step in chronicle.steps(stretches):
        print(f"{step.package} {step.after} (after {step.before}):")
        for change in step.changes:
            print(f"  {change}")
    if len(stretches) == 1:
        span = f"{stretches[0].package} {stretches[0].first} to {stretches[0].last}"
        print(f"{span}: no release changes what StripePy {newest.version} sends.")
    return Exit.OK


def _look_at(wanted: list[str], dictionary: fields.Dictionary) -> int:
    releases = {str(r.version): r for r in package_index.releases(chronicle.STRIPEPY)}
    if unknown := sorted(set(wanted) - set(releases)):
        raise UserError(
            f"the index has no stripepy-hic {', '.join(unknown)}",
            f"choose from {', '.join(releases)}",
        )
    chosen = chronicle.jobs([releases[version] for version in wanted])
    committed = {(s.release, s.dependencies): s for s in history.load().setups}
    found = []
    for setup in chronicle.look_at(chosen, dictionary, _progress()):
        old = committed.get((setup.release, setup.dependencies))
        if old is None or old.settled() != setup.settled():
            changes = history.changes(old, setup) if old else []
            told = "; ".join(map(str, changes)) or "not in the committed history"
            what = f"stripepy-hic {setup.release}, {setup.dependencies}"
            found.append(findings.Finding(findings.Kind.OUTDATED_RELEASES, what, "", told))
    _show(found)
    return Exit.FINDINGS if found else Exit.OK


def _progress() -> chronicle.Tell:
    started = time.monotonic()

    def tell(setup: history.Setup) -> None:
        what = f"stripepy-hic {setup.release}, {setup.dependencies} dependencies"
        if setup.sdk:
            what += f", opentelemetry-sdk {setup.sdk}"
        print(
            f"{time.monotonic() - started:4.0f} s: {what}: {setup.told_state}",
            file=sys.stderr,
            flush=True,
        )

    return tell


def _compare(new: history.History, *, write: bool) -> list[findings.Finding]:
    """Compare with the committed history; replace it if that is asked for and it differs."""
    try:
        old = history.load()
    except UserError as error:
        print(f"note: {error.message}", file=sys.stderr)
        old = None
    schema = history.render_schema()
    fresh = assets.RELEASES_SCHEMA.is_file() and assets.RELEASES_SCHEMA.read_bytes() == schema
    if old and old.settled() == new.settled() and fresh:
        print(f"Up to date: {assets.shown(assets.RELEASES)}")
        return []
    if write:
        assets.replace(assets.RELEASES, history.render(new))
        assets.replace(assets.RELEASES_SCHEMA, schema)
        print(f"Updated: {assets.shown(assets.RELEASES)}")
        return []
    if old is not None:
        sys.stdout.writelines(
            difflib.unified_diff(_lines(old), _lines(new), "(committed)", "(this run)")
        )
    return [findings.outdated_releases(history.MEND)]


def _lines(document: history.History) -> list[str]:
    return json.dumps(document.settled(), indent=1).splitlines(keepends=True)


def _show(found: list[findings.Finding]) -> None:
    for line in findings.lines(found, assets.RELEASES):
        print(line)


if __name__ == "__main__":
    edge.run(main)
