"""Building the site: a build shows what the committed files hold, or ends with one line."""

import dataclasses
import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from docutils import nodes

from conftest import build, page, text
from telemetry.records import fields, files, handling, table
from telemetry.records.exits import UserError
from telemetry.records.rows import format_value, to_tsv
from telemetry.site import content

ODD = [
    "--nproc",
    "name_",
    "|x|",
    "C:\\Users\\me",
    "1. one",
    "- x",
    "*a* `b` :ref:`c`",
    "=1+1",
    "a\tb\nc\r",
    "<script>alert(1)</script> &amp;",
    '"quoted"',
    "two  spaces",
    "\u202eold\u00a0",
    "...--'\"",
]


def odd_table() -> list[tuple[str, str]]:
    """The committed table, with the odd texts spread over the fields that allow any text."""
    entries, rows = fields.load(), dict(table.load().table)
    free = [
        name
        for name, entry in entries.items()
        if name in rows and entry.type == ("string",) and not (entry.allowed or entry.pattern)
    ]
    odd = {name: " ".join(ODD[number :: len(free)]) for number, name in enumerate(free)}
    return list((rows | {name: format_value(text) for name, text in odd.items()}).items())


def test_an_incremental_build_shows_values_and_sentences_to_the_letter_or_ends(
    project: Path,
) -> None:
    def built() -> CompletedProcess[str]:
        return build(project / "build", project=project)

    def complaint() -> str:
        ended = [built(), built()]  # a failed build must not let the next one pass
        assert [one.returncode for one in ended] == [2, 2]
        [line] = {one.stderr for one in ended}
        return line

    first = built()
    assert first.returncode == 0, first.stderr
    assets, source = project / "assets", project / "docs/fields.rst"
    reference = source.read_text()
    source.write_text(reference.replace(".. show:: field-reference protocol\n", ""))
    assert complaint().startswith("error: no page describes trace_id, span_id, ")
    source.write_text(reference)
    origin = json.loads((assets / "telemetry_table.json").read_text())
    (assets / "telemetry_table.json").unlink()
    assert complaint() == (
        "error: assets/telemetry_table.json: No such file or directory -- fix: make table\n"
    )

    rows = odd_table()
    written = to_tsv(rows)
    (assets / "telemetry_table.tsv").write_text(written)
    origin["table_sha256"] = table.sha256(written.encode())
    (assets / "telemetry_table.json").write_text(json.dumps(origin))
    document = json.loads((assets / "telemetry_claims.json").read_text())
    [claim] = [claim for claim in document["claims"] if claim["id"] == "workers"]
    claim["sentence"] = "StripePy sends `everything`, {fact:delay} later."
    (assets / "telemetry_claims.json").write_text(json.dumps(document))

    again = built()
    assert again.returncode == 0, again.stderr
    shown = page(project / "build/telemetry.html")
    for field, value in rows:
        [row] = shown.iterfind(f".//*[@id='{nodes.make_id(f'field-{field}')}']")
        # Sphinx turns repeated spaces into no-break spaces, which no value contains.
        codes = ["".join(code.itertext()).replace("\xa0", " ") for code in row.iter("code")]
        assert codes[1 if row.tag == "tr" else -1] == value, field
    [sentence] = [
        element
        for element in shown.iter("p")
        if element.find(".//a[@href='verification.html#claim-workers']") is not None
    ]
    told = f"StripePy sends everything, {content.read().facts['delay']} later. ✓"
    assert told in text(sentence)


def test_the_table_of_another_run_is_not_read(tmp_path: Path) -> None:
    other = tmp_path / "table.tsv"
    other.write_text("Field\tValue\nname\tcall\n")
    with pytest.raises(UserError, match=f"{other}: does not belong .* -- fix: make table"):
        table.load(other)


def test_a_statement_outside_of_a_section_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data_handling.toml"
    path.write_text('note = "It is kept."\n')
    monkeypatch.setattr(files, "DATA_HANDLING", path)
    with pytest.raises(UserError, match=f"{path}: note: .* -- fix: correct the line"):
        handling.load()


def test_files_that_disagree_are_refused() -> None:
    read = content.read()
    run, verification = read.run, read.verification
    first, *others = verification.claims
    false = first.model_copy(update={"verdict": "does not hold"})
    more = [*run.table, ("params.new", "1")]
    fewer = [row for row in run.table if row[0] != "params.k"]
    stated = {**read.handling, "stated.place": "It is in {fact:no.such}."}
    changes: dict[str, dict[str, Any]] = {
        "data_handling.toml: stated.place: there is no no.such -- fix": {"handling": stated},
        "undocumented-field: params.new": {"run": dataclasses.replace(run, table=more)},
        "documented-but-never-sent: params.k": {"run": dataclasses.replace(run, table=fewer)},
        "is for stripepy-hic 1.0.0, the table for": {
            "verification": verification.model_copy(update={"stripepy_hic": "1.0.0"})
        },
        f"{first.id}: does not hold -- fix: make verify": {
            "verification": verification.model_copy(update={"claims": [false, *others]})
        },
    }
    for complaint, change in changes.items():
        with pytest.raises(UserError, match=complaint):
            dataclasses.replace(read, **change)


def test_only_a_run_on_the_sample_is_said_to_be_one() -> None:
    read = content.read()
    origin = read.run.provenance
    assert read.facts["run"] == "one run on a small synthetic contact map"
    other = origin.model_copy(update={"inputs": {files.SAMPLE.name: "0" * 64}})
    run = dataclasses.replace(read.run, provenance=other)
    assert dataclasses.replace(read, run=run).facts["run"] == "one run"


SLIPS = {
    "telemetry": {
        "StripePy is harmless.": "typed, and not in guidance: StripePy is harmless.",
        ".. guidance::\n\n   Nobody sends that.": "guidance that says 'sends' states something",
        ".. guidance::\n\n   True. It tells less.": "guidance that says 'It' states",
        ".. guidance::\n\n   StripePy does not tell.": "guidance that says 'StripePy' states",
        ".. guidance::\n\n   True; it uploads more.": "guidance that says 'uploads' states",
        "It\n   Is harmless.": "typed, and not in guidance: It",
        ".. rubric:: It is harmless.": "typed, and not in guidance: It is harmless.",
        ".. sentences:: no-such": "no sentence 'no-such'",
        ".. sentences:: stated.no-such": "no sentence 'stated.no-such'",
        ".. sentences:: collector.kind": "no sentence 'collector.kind'",
    },
    "data-protection": {"It also sends this.": "typed, and not in guidance: It also sends this."},
    "index": {
        ":fact:`nosuch`": "no fact 'nosuch'",
        ":legend:`nosuch`": "no mark 'nosuch'",
        ":field:`nosuch`": "'field' reference target not found: nosuch",
        ".. show:: nosuch": "no entry 'nosuch'",
        ".. show:: fields": "missing a required argument: 'category'",
        ".. show:: claims nosuch": "too many positional arguments",
        ".. show:: fields nosuch": "no category 'nosuch'; there are: execution, ",
        ".. snippet:: console\n\n   $ true": "which tool runs this?",
    },
}


def test_a_slip_on_a_page_fails_the_build(project: Path) -> None:
    for name, slips in SLIPS.items():
        source = project / f"docs/{name}.rst"
        source.write_text("\n\n".join([source.read_text(), *slips]) + "\n")
    undescribed = project / "docs/options.rst"
    undescribed.write_text(undescribed.read_text().replace(":description:", ":other:", 1))
    failed = build(project / "build", project=project)
    assert failed.returncode == 1
    complaints = [complaint for slips in SLIPS.values() for complaint in slips.values()]
    for complaint in [*complaints, "options.rst: WARNING: no description"]:
        assert complaint in failed.stderr
    assert failed.stderr.count("typed, and not in guidance") == 5


def test_a_parallel_build_that_has_no_stripepy_makes_the_same_pages(
    site: Path, tmp_path: Path
) -> None:
    lacks = 'import sys; sys.modules.update(dict.fromkeys(("stripepy", "opentelemetry", "google")))'
    (tmp_path / "sitecustomize.py").write_text(lacks)
    # One process per page: what a process has for pages that it did not read must not count.
    built = build(tmp_path / "html", "-j", "20", PYTHONPATH=str(tmp_path))
    assert built.returncode == 0, built.stderr
    pages = sorted(site.rglob("*.html"))
    assert pages
    for path in pages:
        assert path.read_bytes() == (tmp_path / "html" / path.relative_to(site)).read_bytes()
