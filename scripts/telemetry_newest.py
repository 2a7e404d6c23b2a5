#!/usr/bin/env python3
"""Run the newest StripePy with today's newest dependencies, and compare with what the site says.

What changed is printed as the text of an issue, at first without its cause. Exit status: 0 nothing
changed, 2 wrong usage, 3 something could not be fetched, 4 there is a new release of StripePy,
5 something changed.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

# If PYTHONSAFEPATH is set, Python does not search this folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from packaging.version import Version

from telemetry.records import exits, fields, files, releases
from telemetry.records.exits import Exit, UserError
from telemetry.records.findings import Finding, Kind
from telemetry.records.releases import Change, Setup
from telemetry.releases import environments, history
from telemetry.releases.changes import changes, steps
from telemetry.releases.environments import Release


def main() -> int:
    parser = exits.parser(__doc__)
    parser.add_argument(
        "--issue", type=Path, metavar="FILE", help="write the text of the issue to this file, too"
    )
    parser.add_argument(
        "--no-bisect", action="store_true", help="do not look for the package that caused a change"
    )
    options = parser.parse_args()
    dictionary, committed = fields.load(), releases.load().newest()
    # Otherwise, a stripepy on the caller's PYTHONPATH would be run.
    os.environ.pop("PYTHONPATH", None)
    newest = environments.releases(history.STRIPEPY)[-1]
    if newest.version > Version(committed.release):
        print(f"StripePy {newest.version} is on the index; the site knows {committed.release}.")
        return Exit.NEW_RELEASE
    look = history.looking(dictionary)
    now = look(history.Job(newest, "newest"))
    found = changes(committed, now)
    if not found:
        print(f"StripePy {now.release} with {history.SDK} {now.sdk} sends what the site says.")
        return Exit.OK

    cause = "not asked for" if options.no_bisect else "under way"
    print(_issue(committed, now, found, cause), flush=True)
    if not options.no_bisect:
        # This can take hours or fail, so the findings were printed first.
        cause = _cause(committed, now, look)
        print(f"Bisection: {cause}.")
    if options.issue:
        files.replace({options.issue: _issue(committed, now, found, cause).encode()})
    return Exit.FINDINGS


def _cause(committed: Setup, now: Setup, look: history.Look) -> str:
    """Name the release of a dependency that caused the change, if bisection can tell."""
    before, after = committed.packages, now.packages
    moved = [package for package in after if before.get(package, after[package]) != after[package]]
    failed = []
    # OpenTelemetry's packages come first, as the likeliest cause.
    for package in sorted(moved, key=lambda name: not name.startswith("opentelemetry")):
        release, low, high = Release(Version(now.release)), before[package], after[package]
        try:
            found = history.bisect(package, release, look, low=low, high=high)
        except UserError as error:
            failed.append(f"{package}: {error.message}")
            continue
        if turns := [f"{step.after} (after {step.before})" for step in steps(found)]:
            return f"it came with {package} {', '.join(turns)}"
    if failed:
        return f"unfinished: {'; '.join(failed)}"
    return f"no single package brought it; these moved: {', '.join(moved) or 'none'}"


def _issue(committed: Setup, now: Setup, found: Sequence[Change], cause: str) -> str:
    fix = f"describe it in {files.shown(files.FIELDS)}, then `{releases.FIX}`"
    kind = Kind.CHANGED_WITH_DEPENDENCIES
    findings = (Finding(kind, change.what, "", f"{change}; {fix}") for change in found)
    items = "\n".join(f"- {finding}" for finding in findings)
    return f"""\
# What StripePy sends has changed

StripePy {now.release} with {history.SDK} {now.sdk} does not send what it sent with \
{history.SDK} {committed.sdk}.

{items}

Bisection: {cause}.

Repeat it: `{shlex.join(["python", *sys.argv])}`
"""


if __name__ == "__main__":
    exits.run(main)
