"""The built pages: what they show is what the committed files say."""

import re
from pathlib import Path

import pytest
from docutils import nodes

from conftest import ROOT, page, python, text
from telemetry.evidence import source_lines
from telemetry.records import claims, fields, releases, table
from telemetry.records.words import summed_up


def test_another_project_can_refer_to_every_field_option_variable_and_claim(
    site: Path, tmp_path: Path
) -> None:
    seen, address = claims.load(), "https://site.example/"
    targets = {
        "ref": [nodes.make_id(f"field-{name}") for name in fields.load()]
        + [f"claim-{claim.id}" for claim in seen.claims],
        "option": [f"stripepy {o.subcommand} {o.option}" for o in seen.options],
        "envvar": [*(v.variable for v in seen.variables), *(s.variable for s in seen.switches)],
    }
    lines = [f":{role}:`{name}`" for role, names in targets.items() for name in names]
    (tmp_path / "index.rst").write_text("\n\n".join(["Another project\n===============", *lines]))
    mapping = {"site": (address, str(site / "objects.inv"))}
    settings = f"extensions = ['sphinx.ext.intersphinx']\nintersphinx_mapping = {mapping}\n"
    (tmp_path / "conf.py").write_text(settings)
    built = python("-m", "sphinx", "-n", "-W", "-q", tmp_path, tmp_path / "html")
    assert built.returncode == 0, built.stderr
    links = [link.get("href", "") for link in page(tmp_path / "html/index.html").iter("a")]
    found = [link.removeprefix(address) for link in links if link.startswith(address)]
    assert len(found) == len(lines)
    for link in found:
        name, _, anchor = link.partition("#")
        assert page(site / name).find(f".//*[@id='{anchor}']") is not None, link
    _, _, examples = (ROOT / "docs/fields.rst").read_text().partition(".. code-block:: rst")
    assert set(examples.strip().split("\n   ")) <= set(lines)


def test_the_reference_shows_an_example_from_a_run_for_every_field_that_a_run_sent(
    site: Path,
) -> None:
    run, seen = table.load(), claims.load()
    values = {name: example.value for name, example in seen.this_run.examples.items()}
    values |= dict(run.table)
    shown: dict[str, dict[str, str]] = {}
    for entry in page(site / "fields.html").iterfind(".//dl[@class='telemetry field']"):
        terms = [text(term).rstrip(":") for term in entry.iterfind("dd/dl/dt")]
        facts = [text(fact) for fact in entry.iterfind("dd/dl/dd")]
        name = re.sub(r"\W+$", "", text(entry.find("dt")))
        shown[name] = dict(zip(terms, facts, strict=True))
    assert set(shown) == set(fields.load())
    for name, described in shown.items():
        if name in values:
            assert described["Example"].startswith(f"{values[name]}, from "), name
        else:
            assert described["Example"] == "no run here sent it", name
            assert described["Seen in runs of"] == "no subcommand", name


def test_the_page_lists_every_file_of_stripepy_that_takes_part(site: Path) -> None:
    package = source_lines.package()
    taking_part = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"telem|opentelemetry", path.read_text())
    }
    release = table.load().provenance.stripepy_hic
    pattern = rf"https://github\.com/paulsengroup/StripePy/blob/v{release}/src/stripepy/([\w/.]+)"
    assert set(re.findall(pattern, (site / "telemetry.html").read_text())) == taking_part


def test_many_effects_become_a_list() -> None:
    added = [f"adds `{name}`" for name in "abcde"]
    assert summed_up(added) == "adds the fields `a`, `b` and three more"
    assert summed_up(added[:2]) == "adds the fields `a` and `b`"
    assert summed_up(["adds `a`", "adds `b`"]) == summed_up(added[:2])
    effects = ["removes `k`", "adds the header `h`", "sends nothing"]
    assert summed_up(effects) == "removes the field `k`; adds the header `h`; sends nothing"


def test_each_delay_has_a_bar_and_what_a_thousand_commands_would_cost(site: Path) -> None:
    measured = claims.load().this_run.delays
    shown = dict[str, tuple[list[str], list[float]]]()
    for row in page(site / "administrators.html").iterfind(".//tr"):
        if bars := row.findall(".//{*}svg/{*}rect"):
            name, *told = map(text, row)
            shown[name.lower()] = told, [float(bar.get("width", "")) for bar in bars]
    longest = max(measured.values())
    assert len(shown) == len(measured)
    for met, seconds in measured.items():
        (number, minutes), widths = shown[met.lower()]
        assert number == str(seconds)
        assert float(minutes) * 60 / 1000 == pytest.approx(seconds, abs=0.03)
        assert widths == pytest.approx([seconds / longest], abs=0.001)


def test_the_picture_has_room_for_what_the_maintainers_state(site: Path) -> None:
    [picture] = page(site / "telemetry.html").iterfind(".//{*}svg")
    lines = [text(line) for line in picture.iterfind(".//{*}tspan")]
    assert "kept up to 60 days" in lines
    assert max(map(len, lines)) <= 45


def test_the_page_of_releases_shows_every_field_and_release(site: Path) -> None:
    tree, read = page(site / "releases.html"), releases.load()
    identifiers = {element.get("id") for element in tree.iter()}
    assert {f"release-{r.replace('.', '-')}" for r in read.releases} <= identifiers
    title = "Fields that some of the releases send"
    [matrix] = [t for t in tree.iter("table") if title in "".join(map(text, t.iter("caption")))]
    head, *rows = matrix.iter("tr")
    assert all(cell.tag == "th" or cell.get("scope") == "col" for cell in head)
    shown = {text(row[0]): [text(cell)[0] for cell in row[1:]] for row in rows}
    columns = [s for s in read.of("contemporary") if s.state == "sends"] + [read.newest()]
    names = {name for setup in columns for name in setup.fields}
    same = {name for name in names if all(name in setup.fields for setup in columns)}
    assert shown.keys() == names - same
    for name, cells in shown.items():
        assert [cell == "✓" for cell in cells] == [name in s.fields for s in columns], name
    [folded] = [d for d in tree.iter("details") if "Fields that all of them send" in text(d)]
    assert {text(item) for item in folded.iter("li")} == same
