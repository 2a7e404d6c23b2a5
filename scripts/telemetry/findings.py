"""What a check found: one line each, named so that nobody can misread them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from telemetry.fields import Dictionary
from telemetry.rows import Row, format_cell
from telemetry.surroundings import expected


class Kind(StrEnum):
    """The kinds of finding."""

    UNDOCUMENTED_FIELD = "undocumented-field"
    DOCUMENTED_BUT_NEVER_SENT = "documented-but-never-sent"
    UNEXPECTED_VALUE = "unexpected-value"
    OUTDATED_TABLE = "outdated-table"


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


def annotation(finding: Finding, path: str) -> str:
    """A finding as a GitHub Actions annotation on a file."""
    text = str(finding).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::error file={path},title={finding.kind}::{text}"


def against_dictionary(
    rows: Sequence[Row],
    dictionary: Dictionary,
    subcommand: str,
    *,
    succeeded: bool,
    versions: Mapping[str, str],
) -> list[Finding]:
    """Compare a run with the dictionary, in both directions.

    Args:
        rows: What the run sent.
        dictionary: What the site says.
        subcommand: As the dictionary names it.
        succeeded: Whether the exit status was 0.
        versions: Installed versions by package: a field that came later is not expected.
    """
    outcome = "on success" if succeeded else "on failure"
    found = []
    for row in rows:
        entry = dictionary.get(row.field)
        if entry is None or entry.part != row.part:
            found.append(_undocumented(row, f"sent as a {row.part}, has no entry; describe it"))
        elif entry.when(subcommand) not in {"always", "sometimes", outcome}:
            found.append(
                _undocumented(
                    row, f"not documented for `{subcommand}` {outcome}; correct `sent_by`"
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
        expected = entry.when(subcommand) in {"always", outcome}
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
