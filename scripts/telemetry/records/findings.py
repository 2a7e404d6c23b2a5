"""What a check found: one line each, named so that nobody can misread them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from telemetry.records import files


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
    """One difference between what was seen and what the site says.

    Attributes:
        kind: What sort of difference.
        field: Field, claim or file that it is about.
        value: What the run gave, as the table writes it; empty if nothing.
        mend: What to do about it.
    """

    kind: Kind
    field: str
    value: str
    mend: str

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.kind}: {self.field}{value}: {self.mend}"


def show(found: Sequence[Finding], path: Path) -> None:
    """Print findings; on GitHub, each with an annotation on a file.

    Args:
        found: The findings.
        path: The file that they are about.
    """
    for finding in found:
        print(finding)
        if os.environ.get("GITHUB_ACTIONS"):
            text = str(finding).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            print(f"::error file={files.shown(path)},title={finding.kind}::{text}")
