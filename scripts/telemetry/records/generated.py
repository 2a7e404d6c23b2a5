"""The one way in which a generated file is written or compared."""

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from telemetry.records import files
from telemetry.records.findings import Finding, Kind


def write_or_compare(
    content: Mapping[Path, bytes],
    *,
    old: Sequence[str] | None,
    new: Sequence[str],
    write: bool,
    kind: Kind,
    mend: str,
) -> list[Finding]:
    """Write generated files that belong together, or compare them with what is committed.

    Prints "Up to date", "Updated", or the difference.

    Args:
        content: What the files should hold, by path, in one folder; the first is spoken of.
        old: What the committed files say, as lines with their ends, apart from what may vary;
            None if they are missing or cannot be read.
        new: What they should say, likewise.
        write: Whether to replace files that say something else.
        kind: The finding for files that are outdated.
        mend: The command that brings them up to date.

    Returns:
        No findings if the files now say what they should.

    Raises:
        UserError: If a file cannot be written.
    """
    first = next(iter(content))
    if old == new:
        print(f"Up to date: {files.shown(first)}")
        return []
    if write:
        files.replace(content)
        print(f"Updated: {files.shown(first)}")
        return []
    names = f"{files.shown(first)} (committed)", f"{files.shown(first)} (this run)"
    sys.stdout.writelines(difflib.unified_diff(list(old or []), list(new), *names))
    return [Finding(kind, files.shown(first), "", mend)]
