"""What a check found: one line each, named so that nobody can misread them."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from telemetry import assets
from telemetry.fields import MOMENTS, PERHAPS, Dictionary, Outcome
from telemetry.rows import Row, format_cell
from telemetry.surroundings import expected
from telemetry.trial import Judgement, Verdict


class Kind(StrEnum):
    """The kinds of finding."""

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


SHOWN_GROUNDS = 3


@dataclass(frozen=True)
class Finding:
    """One difference between what was seen and what the site says.

    Attributes:
        kind: What sort of difference.
        field: Field, or setting, that it is about.
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


def lines(found: Sequence[Finding], path: Path) -> list[str]:
    """Findings as they are printed: on GitHub, each with an annotation on a file.

    Args:
        found: The findings.
        path: The file that they are about.
    """
    told = []
    for finding in found:
        told.append(str(finding))
        if os.environ.get("GITHUB_ACTIONS"):
            told.append(_annotation(finding, assets.shown(path)))
    return told


def _annotation(finding: Finding, path: str) -> str:
    """A finding as a GitHub Actions annotation on a file."""
    text = str(finding).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::error file={path},title={finding.kind}::{text}"


def against_dictionary(
    rows: Sequence[Row],
    dictionary: Dictionary,
    subcommand: str,
    *,
    outcome: Outcome,
    versions: Mapping[str, str],
) -> list[Finding]:
    """Compare a run with the dictionary, in both directions.

    Args:
        rows: What the run sent.
        dictionary: What the site says.
        subcommand: As the dictionary names it.
        outcome: How the run ended.
        versions: Installed versions by package: a field that came later is not expected.
    """
    moments = MOMENTS[outcome]
    found = []
    for row in rows:
        entry = dictionary.get(row.field)
        if entry is None or entry.part != row.part:
            found.append(_undocumented(row, f"sent as a {row.part}, has no entry; describe it"))
        elif entry.when(subcommand) not in moments | PERHAPS[outcome]:
            found.append(
                _undocumented(
                    row, f"not documented for `{subcommand}` after {outcome}; correct `sent_by`"
                )
            )
        elif fault := entry.accepts(row):
            found.append(
                Finding(Kind.UNEXPECTED_VALUE, row.field, row.value, f"{fault}; correct the entry")
            )
    sent = Counter(row.field for row in rows)
    for field, count in sent.items():
        if count > 1 and field in dictionary:
            found.append(
                Finding(Kind.UNEXPECTED_VALUE, field, "", f"sent {count} times; find out why")
            )
    for field, entry in dictionary.items():
        expected = entry.when(subcommand) in moments
        if expected and field not in sent and entry.since.reached_by(versions):
            found.append(
                Finding(
                    Kind.DOCUMENTED_BUT_NEVER_SENT,
                    field,
                    "",
                    f"`{subcommand}` no longer sends it; correct or remove its entry",
                )
            )
    return found


def against_surroundings(rows: Sequence[Row], dictionary: Dictionary) -> list[Finding]:
    """Compare the values that vary by machine or installation with what these say themselves."""
    return [
        Finding(
            Kind.UNEXPECTED_VALUE,
            row.field,
            row.value,
            f"this machine says {' or '.join(known) or 'nothing of it'}; find out where it is from",
        )
        for row in rows
        if row.field in dictionary
        and dictionary[row.field].varies in {"by machine", "by installation"}
        and row.value not in (known := [format_cell(text) for text in expected(row.field)])
    ]


def _undocumented(row: Row, mend: str) -> Finding:
    return Finding(
        Kind.UNDOCUMENTED_FIELD, row.field, row.value, f"{mend} in assets/telemetry_fields.toml"
    )


def against_previous(
    settled: Mapping[str, str], previous: Mapping[str, str], mend: str
) -> list[Finding]:
    """Compare values that should not vary with what they were, for what is in both.

    Args:
        settled: Values of this run, by field.
        previous: Values of the documented run, by field.
        mend: What to do about a change.
    """
    return [
        Finding(Kind.UNEXPECTED_VALUE, field, value, f"was {previous[field]}; {mend}")
        for field, value in settled.items()
        if field in previous and previous[field] != value
    ]


def outdated(command: str, mend: str) -> Finding:
    """The finding for a run that is fine by the dictionary but not what the table shows."""
    return Finding(
        Kind.OUTDATED_TABLE, "assets/telemetry_table.tsv", "", f"not `{command}`; {mend}"
    )


def against_claim(judgement: Judgement) -> list[Finding]:
    """What is wrong with a claim; nothing if it holds, is a known limit, or was not tried here."""
    kind = {
        Verdict.DOES_NOT_HOLD: Kind.CLAIM_DOES_NOT_HOLD,
        Verdict.STALE: Kind.LIMIT_NO_LONGER_OCCURS,
        Verdict.VOID: Kind.NOTHING_OBSERVED,
    }.get(judgement.verdict)
    if kind is None:
        return []
    where = ", ".join(_sentences_with(judgement.claim.id)) or "scripts/telemetry/claims"
    mend = {
        Kind.NOTHING_OBSERVED: "find out why nothing could be seen",
        Kind.LIMIT_NO_LONGER_OCCURS: f"rewrite the sentence in {where}",
    }.get(kind, f"find out why, then correct the sentence in {where}")
    grounds = list(judgement.grounds)
    more = f" (and {len(grounds) - SHOWN_GROUNDS} more)" if len(grounds) > SHOWN_GROUNDS else ""
    return [
        Finding(kind, judgement.claim.id, "", f"{'; '.join(grounds[:SHOWN_GROUNDS])}{more}; {mend}")
    ]


def _sentences_with(claim: str) -> list[str]:
    """Where the pages bear a claim's mark, as file and line."""
    mark = f":claim:`{claim}`"
    return [
        f"{assets.shown(page)}:{number}"
        for page in sorted(assets.PAGES.glob("*.rst"))
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
        if mark in line
    ]


def outdated_claims(mend: str) -> Finding:
    """The finding for a verification that is fine, but not the one that the site shows."""
    return Finding(Kind.OUTDATED_CLAIMS, "assets/telemetry_claims.json", "", mend)


def against_history(faults: Mapping[str, str]) -> list[Finding]:
    """Entries whose `since` is not what the history of releases shows.

    Args:
        faults: What it shows, by field.
    """
    return [
        Finding(Kind.SINCE_DISAGREES, field, "", f"{shows}; correct `since` of its entry")
        for field, shows in faults.items()
    ]


def outdated_releases(mend: str) -> Finding:
    """The finding for a history that is not the one that the site shows."""
    return Finding(Kind.OUTDATED_RELEASES, "assets/telemetry_releases.json", "", mend)


def against_committed(differs: str, what: str) -> Finding:
    """The finding for something that today's dependencies changed.

    Args:
        differs: The difference, in words.
        what: The field, variable or datum.
    """
    mend = "describe it in assets/telemetry_fields.toml, then `make releases`"
    return Finding(Kind.CHANGED_WITH_DEPENDENCIES, what, "", f"{differs}; {mend}")
