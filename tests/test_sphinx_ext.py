"""The built page: shows what the table holds to the letter, or is not built."""

import hashlib
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from html5lib import parse
from sphinx.util.inventory import InventoryFile

from conftest import ROOT, installed_stripepy, python
from telemetry import documented, fields, verification
from telemetry.rows import format_value, from_tsv, to_tsv

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


def build(project: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["-M", "html", "docs", "build", "-c", ".", "-W", "-n", "-q"]
    return python("-m", "sphinx", *arguments, folder=project)


def write_table(project: Path, table: list[tuple[str, str]]) -> None:
    """Write a table and a provenance that belongs to it."""
    text = to_tsv(table)
    (project / "assets/telemetry_table.tsv").write_text(text)
    path = project / "assets/telemetry_table.json"
    origin = json.loads(path.read_text())
    origin["table_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(origin))


def cells(page: Path) -> dict[str, list[str]]:
    """The text of every row of a field table, by the row's identifier."""
    tree = parse(page.read_text(), namespaceHTMLElements=False)
    return {
        str(row.get("id")): ["".join(cell.itertext()).strip("\n") for cell in row]
        for row in tree.iterfind(".//table[@class]/tbody/tr[@id]")
    }


def test_the_page_shows_every_value_to_the_letter(project: Path) -> None:
    dictionary = fields.load()

    def free(field: str) -> bool:
        entry = dictionary[field]
        return entry.type == ("string",) and entry.allowed is None and entry.pattern is None

    odd = itertools.cycle(ODD)
    table = [
        (field, format_value(next(odd)) if free(field) else value)
        for field, value in documented.load().table
    ]
    write_table(project, table)
    built = build(project)
    assert built.returncode == 0, built.stderr
    shown = {row[0]: row[1] for row in cells(project / "build/html/telemetry.html").values()}
    assert {field: shown[field] for field, _ in table} == dict(table)


def test_other_projects_can_refer_to_every_field_option_and_variable(site: Path) -> None:
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, uri: f"{base}{uri}")
    seen = verification.load()
    expected = {
        "telemetry:field": set(fields.load()),
        "std:cmdoption": {f"stripepy {o.subcommand}.{o.option}" for o in seen.options},
        "std:envvar": {v.variable for v in seen.variables} | {s.variable for s in seen.switches},
        "std:claim": {claim.id for claim in seen.claims},
    }
    for kind, names in expected.items():
        assert names
        assert set(inventory[kind]) == names, kind
        for item in inventory[kind].values():
            page, _, anchor = item.uri.partition("#")
            tree = parse((site / page).read_text(), namespaceHTMLElements=False)
            assert tree.find(f".//*[@id='{anchor}']") is not None, item.uri


def test_the_reference_shows_an_example_from_a_run_for_every_field_that_a_run_sent(
    site: Path,
) -> None:
    page = parse((site / "fields.html").read_text(), namespaceHTMLElements=False)
    run, seen = documented.load(), verification.load()
    values = {name: example.value for name, example in seen.this_run.examples.items()}
    values |= dict(run.table)
    shown: dict[str, dict[str, str]] = {}
    for entry in page.iterfind(".//dl[@class='telemetry field']"):
        terms = [text(term).rstrip(":") for term in entry.iterfind("dd/dl/dt")]
        facts = [text(fact) for fact in entry.iterfind("dd/dl/dd")]
        name = text(entry.find("dt")).removesuffix("#")
        shown[name] = dict(zip(terms, facts, strict=True))
    assert set(shown) == set(fields.load())
    for name, described in shown.items():
        if name in values:
            assert described["Example"].startswith(f"{values[name]}, from stripepy "), name
        else:
            assert described["Example"] == "no run that was made here sent it", name
            assert described["Seen in runs of"] == "no subcommand", name


def text(element: Any) -> str:
    return "".join(element.itertext()).strip()


def test_the_caption_names_the_run_that_made_the_table(site: Path) -> None:
    page = (site / "telemetry.html").read_text()
    origin = documented.load().provenance
    captions = re.findall(r'<span class="caption-text">(.*?)</span>', page)
    assert sum(origin.command in caption for caption in captions) == 5
    for fact in (origin.stripepy_hic, f"{origin.this_run.body_bytes} bytes"):
        assert fact in page


DAMAGE = {
    "missing": (None, "No such file"),
    "empty": ("", "line 1"),
    "without rows": ("Field\tValue\n", "there are no rows"),
    "ragged": ("Field\tValue\nname\n", "line 2"),
    "of another run": ("Field\tValue\nname\tcall\n", "is not of the run that assets"),
}


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_ends_the_build_with_one_line(
    project: Path, damage: str, incremental: bool
) -> None:
    if incremental:
        assert build(project).returncode == 0
    text, complaint = DAMAGE[damage]
    path = project / "assets/telemetry_table.tsv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    for _ in range(2):  # a failed build must not let the next one pass
        built = build(project)
        assert built.returncode != 0
        [line] = built.stderr.splitlines()
        assert line.startswith("error: assets/telemetry_table.tsv: ")
        assert complaint in line
        assert "mend: make table" in line


def test_a_table_that_the_dictionary_does_not_know_ends_the_build(project: Path) -> None:
    table = from_tsv((project / "assets/telemetry_table.tsv").read_text())
    write_table(project, [*table, ("params.new", "1")])
    assert "undocumented-field: params.new" in build(project).stderr
    write_table(project, [row for row in table if row[0] != "params.k"])
    assert "documented-but-never-sent: params.k" in build(project).stderr


def test_a_changed_table_reaches_the_page_in_an_incremental_build(project: Path) -> None:
    assert build(project).returncode == 0
    table = dict(from_tsv((project / "assets/telemetry_table.tsv").read_text()))
    write_table(project, list((table | {"params.max_width": "4711"}).items()))
    assert build(project).returncode == 0
    assert cells(project / "build/html/telemetry.html")["field-params-max-width"][1] == "4711"


def test_a_field_that_the_reference_leaves_out_ends_the_build(project: Path) -> None:
    page = project / "docs/fields.rst"
    page.write_text(page.read_text().replace(".. telemetry-fields:: protocol\n", ""))
    for _ in range(2):
        built = build(project)
        assert built.returncode != 0
        assert "error: no page describes trace_id, span_id" in built.stderr


@pytest.mark.parametrize("text", [":fact:`nosuch`", ":telemetry:field:`nosuch`"])
def test_an_unknown_fact_or_field_in_prose_ends_the_build(project: Path, text: str) -> None:
    page = project / "docs/index.rst"
    page.write_text(page.read_text() + f"\n{text}\n")
    built = build(project)
    assert built.returncode != 0
    assert "nosuch" in built.stderr


def test_the_pages_build_without_stripepy_or_opentelemetry(project: Path) -> None:
    code = """
import sys
sys.modules.update(dict.fromkeys(("stripepy", "opentelemetry", "google")))
from sphinx.cmd.build import main
sys.exit(main(sys.argv[1:]))
"""
    arguments = ["-b", "html", "-c", ".", "-W", "docs", "build/alone"]
    built = python("-c", code, *arguments, folder=project)
    assert built.returncode == 0, built.stderr


def test_two_builds_of_the_same_files_are_the_same_bytes(project: Path) -> None:
    first, second = project / "build", project / "first"
    assert build(project).returncode == 0
    shutil.move(first, second)
    assert build(project).returncode == 0
    for page in sorted(second.joinpath("html").rglob("*.html")):
        assert page.read_bytes() == (first / page.relative_to(second)).read_bytes()


def test_the_page_lists_every_file_of_stripepy_that_takes_part(site: Path) -> None:
    package = installed_stripepy()
    taking_part = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"telem|opentelemetry", path.read_text())
    }
    release = documented.load().provenance.stripepy_hic
    pattern = rf"https://github\.com/paulsengroup/StripePy/blob/v{release}/src/stripepy/([\w/.]+)"
    assert set(re.findall(pattern, (site / "telemetry.html").read_text())) == taking_part


@pytest.mark.parametrize(
    ("sentence", "complaint"),
    [
        ("StripePy sends everything.", "bears no mark: StripePy sends everything."),
        ("StripePy sends everything. :claim:`no-such`", "no claim 'no-such' was tried"),
        ("StripePy sends it. :stated:`no.such`", "no statement 'no.such' of the maintainers"),
    ],
)
def test_a_sentence_that_nothing_stands_behind_is_not_published(
    project: Path, sentence: str, complaint: str
) -> None:
    page = project / "docs/telemetry.rst"
    page.write_text(f"{page.read_text()}\n{sentence}\n")
    built = build(project)
    assert built.returncode != 0
    assert complaint in built.stderr


def test_a_claim_that_does_not_hold_is_not_published(project: Path) -> None:
    path = project / "assets/telemetry_claims.json"
    document = json.loads(path.read_text())
    document["claims"][0]["verdict"] = "does not hold"
    path.write_text(json.dumps(document))
    built = build(project)
    assert built.returncode != 0
    assert f"{document['claims'][0]['id']}: does not hold -- mend: make verify" in built.stderr


def test_each_mark_leads_to_its_evidence(site: Path) -> None:
    page = parse((site / "telemetry.html").read_text(), namespaceHTMLElements=False)
    evidence = parse((site / "verification.html").read_text(), namespaceHTMLElements=False)
    targets = {element.get("id") for element in evidence.iter() if element.get("id")}
    links = [
        str(link.get("href"))
        for link in page.iter("a")
        if str(link.get("href")).startswith("verification.html#claim-")
    ]
    assert len(links) > 50
    assert {link.partition("#")[2] for link in links} <= targets


SERVED = (
    "telemetry_claims.json",
    "telemetry_claims.schema.json",
    "telemetry_table.tsv",
    "telemetry_table.otlp.json",
)


def test_assets_for_programs_are_served_as_they_are(site: Path) -> None:
    for name in SERVED:
        assert (site / name).read_bytes() == (ROOT / "assets" / name).read_bytes()
