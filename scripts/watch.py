#!/usr/bin/env python3
"""Run the newest StripePy with today's newest dependencies, and compare with what the site says.

What changed is told as the text of an issue. Exit status: 0 all as it was, 1 something changed,
2 wrong usage, 3 something could not be fetched, 4 there is a new release of StripePy.
"""

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path

from packaging.version import Version

from telemetry import assets, chronicle, edge, fields, findings, history, package_index, repertoire
from telemetry.errors import Exit
from telemetry.history import Change, Setup

TITLE = "What StripePy sends has changed"


def main() -> int:
    options = _options()
    dictionary, committed = fields.load(), history.load().newest()
    if options.python:
        now = _look_here(options.python, dictionary)
    else:
        # A stripepy that the caller has there would stand before the newest.
        os.environ.pop("PYTHONPATH", None)
        newest = package_index.releases(chronicle.STRIPEPY)[-1]
        if newest.version > Version(committed.release):
            print(f"StripePy {newest.version} is on the index; the site knows {committed.release}.")
            return Exit.NEW_RELEASE
        now = chronicle.look(chronicle.Job(newest, "newest"), dictionary)
    changes = history.changes(committed, now)
    if not changes:
        sdk = f"{chronicle.SDK} {now.sdk}"
        print(f"StripePy {now.release} with {sdk} sends what the site says.")
        return Exit.OK
    cause = "not asked: the environment was given" if options.python else None
    text = _issue(committed, now, changes, cause or _cause(committed, now, dictionary))
    sys.stdout.write(text)
    if options.issue:
        assets.replace(options.issue, text.encode())
    return Exit.FINDINGS


def _options() -> argparse.Namespace:
    parser = edge.parser(__doc__)
    parser.add_argument(
        "--python",
        type=Path,
        metavar="INTERPRETER",
        help="run the stripepy of this Python, instead of the newest on the index",
    )
    parser.add_argument(
        "--issue", type=Path, metavar="FILE", help="write the text of the issue to this file, too"
    )
    return parser.parse_args()


def _look_here(interpreter: Path, dictionary: fields.Dictionary) -> Setup:
    with tempfile.TemporaryDirectory() as folder:
        return chronicle.observe_here(
            interpreter.absolute(), repertoire.runs(), Path(folder), dictionary
        )


def _cause(committed: Setup, now: Setup, dictionary: fields.Dictionary) -> str:
    """Which release of which dependency brought the change, as far as a bisection can tell."""
    release = package_index.Release(Version(now.release), "")
    moved = [
        package
        for package, version in now.packages.items()
        if version != committed.packages.get(package, version)
    ]
    # The likeliest first.
    for package in sorted(moved, key=lambda name: not name.startswith("opentelemetry")):
        stretches = chronicle.bisect(
            package,
            release,
            dictionary,
            lambda _: None,
            low=committed.packages[package],
            high=now.packages[package],
        )
        if steps := chronicle.steps(stretches):
            turns = ", ".join(f"{step.after} (after {step.before})" for step in steps)
            return f"it came with {package} {turns}"
    return f"no single package brought it; these moved: {', '.join(moved) or 'none'}"


def _issue(committed: Setup, now: Setup, changes: list[Change], cause: str) -> str:
    found = [findings.against_committed(str(change), change.what) for change in changes]
    command = shlex.join(["python", *sys.argv])
    then, today = (f"{chronicle.SDK} {setup.sdk}" for setup in (committed, now))
    lines = [
        f"# {TITLE}",
        "",
        f"StripePy {now.release} with {today} does not send what it sent with {then}.",
        "",
        *(f"- {finding}" for finding in found),
        "",
        f"Bisection: {cause}.",
        "",
        f"Repeat it: `{command}`",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    edge.run(main)
