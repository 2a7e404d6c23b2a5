"""The dictionary: refuses what is unfinished, and agrees with every subcommand of the program."""

from pathlib import Path

import pytest

from telemetry import assets, fields, findings, otlp
from telemetry.capture import Outcome, capture
from telemetry.documented import subcommand_of
from telemetry.errors import UserError
from telemetry.surroundings import expected

ENTRY = """
["params.k"]
part = "span attribute"
category = "invocation"
meaning = "Number of neighbours."
why = "Shows which settings are used."
type = ["int"]
sent_by = { call = "always" }
origin = "StripePy"
varies = "no"
since = { package = "stripepy-hic", version = "1.1.1" }
"""


def fault(tmp_path: Path, text: str) -> str:
    path = tmp_path / "telemetry_fields.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        fields.load(path)
    return caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"Number of neighbours."', '""', "[params.k] meaning: is empty or a placeholder"),
        ('"Number of neighbours."', '" TODO "', "[params.k] meaning: is empty or a placeholder"),
        ('"Shows which settings are used."', '"tbd."', "[params.k] why: is empty or a placeholder"),
        ('why = "Shows which settings are used."\n', "", "[params.k] why: Field required"),
        ('"span attribute"', '"nowhere"', "[params.k] part: Input should be"),
        ("call =", "calls =", "[params.k] sent_by.calls"),
        ('"always"', '"often"', "[params.k] sent_by.call: Input should be"),
        ('varies = "no"', 'varies = "by run"', "`because` belongs to a value that varies"),
        ('"1.1.1"', '"soon"', "[params.k] since"),
        ("type =", "typo =", "[params.k] type: Field required"),
        ("type =", 'pattern = "["\ntype =', "[params.k] pattern: is not a regular expression"),
        ("params.k", "params.*", "[params.*] names"),
        ("category", "category =", "Invalid value"),
        (ENTRY, "", "there are no entries"),
    ],
)
def test_a_fault_is_named_by_file_entry_and_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    message = fault(tmp_path, ENTRY.replace(old, new))
    assert "telemetry_fields.toml: " in message
    assert complaint in message


def test_an_entry_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert "telemetry_fields.toml: " in fault(tmp_path, ENTRY + ENTRY)


def test_what_varies_by_machine_or_installation_is_known_here() -> None:
    dictionary = fields.load()
    vary = [name for name in dictionary if dictionary[name].varies.startswith(("by m", "by i"))]
    assert len(vary) > 10
    assert [name for name in vary if not all(expected(name))] == []


SAMPLE = {"sample.hic": assets.SAMPLE}


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result file of `stripepy call` on the sample."""
    path = tmp_path_factory.mktemp("result") / "result.hdf5"
    run = capture(("call", "sample.hic", "10000", "-o", str(path)), inputs=SAMPLE)
    assert run.exit_status == 0, run.stderr
    return path


@pytest.mark.parametrize(
    ("command", "exit_status"),
    [
        ("call sample.hic 10000 -n NONE", 0),
        ("call sample.hic 12345", 1),
        ("view result.hdf5", 0),
        ("view result.hdf5 --with-biodescriptors --coefficient-of-variation-threshold 1", 0),
        ("view sample.hic", 1),
        ("download --list-only", 0),
        ("download --name nosuch", 1),
        ("plot cm sample.hic 10000 out.png", 0),
        ("plot cm sample.hic 10000 out.png --stripepy-hdf5 result.hdf5 --highlight-stripes", 0),
        ("plot cm sample.hic 12345 out.png", 1),
        ("plot contact-map sample.hic 10000 out.png", 0),
        ("plot contact-map sample.hic 12345 out.png", 1),
        ("plot pd result.hdf5 out.png", 0),
        ("plot pseudodistribution result.hdf5 out.png", 0),
        ("plot hist result.hdf5 out.png", 0),
        ("plot stripe-hist result.hdf5 out.png", 0),
        ("plot stripe-hist sample.hic out.png", 1),
    ],
)
def test_every_subcommand_sends_what_the_dictionary_says_and_nothing_else(
    result: Path, command: str, exit_status: int
) -> None:
    run = capture(command.split(), inputs={**SAMPLE, "result.hdf5": result})
    assert (run.outcome, run.exit_status) == (Outcome.ONE_SPAN, exit_status), run.stderr
    found = findings.against_dictionary(
        otlp.rows(run.body),
        fields.load(),
        subcommand_of(run.argv),
        outcome="failure" if run.exit_status else "success",
        versions=run.versions,
    )
    assert [str(finding) for finding in found] == []
