"""The dictionary refuses entries that are unfinished."""

from pathlib import Path

import pytest

from telemetry.records import fields
from telemetry.records.exits import UserError

ENTRY = """
["params.k"]
part = "span attribute"
category = "invocation"
meaning = "Number of neighbours."
why = "Shows which settings are used."
sensitivity = "usage"
type = ["int"]
sent_by = { call = "always" }
origin = "StripePy"
varies = "no"
since = { package = "stripepy-hic", version = "1.1.1" }
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"Number of neighbours."', '""', "[params.k] meaning: is empty or a placeholder"),
        ('"Shows which settings are used."', '"tbd."', "[params.k] why: is empty or a placeholder"),
        ('"usage"', '"free text"', "`sensitivity_because` is for the last two classes"),
        ("call =", "calls =", "[params.k] sent_by.calls"),
        ('varies = "no"', 'varies = "by run"', "`because` is for values that vary"),
        ('"1.1.1"', '"soon"', "[params.k] since"),
        ("params.k", "params.*", "[params.*] names"),
        ("category", "category =", "Invalid value"),
        (ENTRY, "", "there are no entries"),
    ],
)
def test_a_fault_is_named_by_file_entry_and_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "telemetry_fields.toml"
    path.write_text(ENTRY.replace(old, new))
    with pytest.raises(UserError) as caught:
        fields.load(path)
    assert f"{path}: " in caught.value.message
    assert complaint in caught.value.message
