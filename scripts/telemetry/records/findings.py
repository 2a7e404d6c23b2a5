"""What a check found, one line each; and the one way to write or compare a generated file."""

import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from telemetry.records import files
from telemetry.records.exits import UserError

Value = TypeVar("Value")


class Kind(StrEnum):
    """The kinds of finding; the page "Maintaining this site" explains each."""

    UNDOCUMENTED_FIELD = "undocumented-field"
    DOCUMENTED_BUT_NEVER_SENT = "documented-but-never-sent"
    UNEXPECTED_VALUE = "unexpected-value"
    OUTDATED_TABLE = "outdated-table"
    CLAIM_DOES_NOT_HOLD = "claim-does-not-hold"
    LIMIT_NO_LONGER_OCCURS = "limit-no-longer-occurs"
    NOTHING_OBSERVED = "nothing-observed"
    OUTDATED_CLAIMS = "outdated-claims"
    SINCE_DISAGREES = "since-disagrees"
    OUTDATED_RELEASES = "outdated-releases"
    CHANGED_WITH_DEPENDENCIES = "changed-with-dependencies"
    OUTDATED_SAMPLE = "outdated-sample"


@dataclass(frozen=True)
class Finding:
    """One difference between what was seen and what the site says."""

    kind: Kind  # what sort of difference
    field: str  # field, claim or file that it is about
    value: str  # what the run gave, as the table writes it; empty if nothing
    fix: str  # what to do about it

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.kind}: {self.field}{value}: {self.fix}"


def show(found: Sequence[Finding], path: Path) -> None:
    """Print findings about a file; on GitHub, annotate the file with each as well."""
    for finding in found:
        print(finding)
        if os.environ.get("GITHUB_ACTIONS"):
            text = str(finding).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            print(f"::error file={files.shown(path)},title={finding.kind}::{text}")


def write_or_compare(
    content: Mapping[Path, bytes],
    *,
    old: Sequence[str] | None,
    new: Sequence[str],
    write: bool,
    kind: Kind,
    fix: str,
) -> list[Finding]:
    """Write generated files that belong together, or compare them with what is committed.

    Prints "Up to date", "Updated", or a diff; only the last is a finding.

    Args:
        content: The new content by path, all in one folder; messages name the first path.
        old: The committed content as lines with their line ends, without what may vary; None if
            it is missing or cannot be read.
        new: The new content, likewise.
        write: Whether to replace files that differ.
        kind: The kind of the finding for outdated files.
        fix: The fix that this finding names.
    """
    name = files.shown(next(iter(content)))
    if old == new:
        print(f"Up to date: {name}")
    elif write:
        files.replace(content)
        print(f"Updated: {name}")
    else:
        both = f"{name} (committed)", f"{name} (this run)"
        sys.stdout.writelines(difflib.unified_diff(list(old or []), list(new), *both))
        return [Finding(kind, name, "", fix)]
    return []


def committed(load: Callable[[], Value]) -> Value | None:
    """Load what is committed; if it is missing or cannot be read, print a note and return None."""
    try:
        return load()
    except UserError as error:
        print(f"note: {error.message}", file=sys.stderr)
        return None
