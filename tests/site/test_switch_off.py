"""Every snippet of the page "Switch it off" sets the variable, or the page says: not tested.

A snippet is taken from the page and run by the tool that it is for: as it stands, and with another
name for the variable. Two runs of the real program show what it does then.
"""

import json
import sys
from pathlib import Path

import pytest

from conftest import ROOT, need
from snippets import (
    COMMAND,
    SWITCH,
    Place,
    Runner,
    Snippet,
    assert_switches,
    parameters,
    tried,
)
from telemetry.capture.process import capture
from telemetry.records.runs import Mode, Observation, Run

SNIPPETS = tried("switch-off")

# -- How each tool runs a snippet -----------------------------------------------------------------


def shell(place: Place, snippet: Snippet) -> str:
    """In one session; what holds for good, in the next one."""
    name = snippet.tool
    if name != "bash":
        need(name)
    if snippet.caption == "Permanently":
        place.run(name, "-c", snippet.code)
        # Only an interactive bash reads its file.
        return place.run(name, *(["-i"] if name == "bash" else []), "-c", COMMAND)
    code = snippet.code if "stripepy " in snippet.code else f"{snippet.code}{COMMAND}\n"
    return place.run(name, "-c", code)


def script(place: Place, snippet: Snippet) -> str:
    return place.run("bash", place.write(snippet.file, snippet.code))


def python(place: Place, snippet: Snippet) -> str:
    code = snippet.code
    if "subprocess" not in code:
        code += f"\nimport subprocess\nsubprocess.run({COMMAND.split()}, check=True)\n"
    return place.run("python3", "-c", code)


def notebook(place: Place, snippet: Snippet) -> str:
    need("workflow tools")
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    cells = [{**cell, "id": code[1:4], "source": code} for code in (snippet.code, f"!{COMMAND}")]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return place.run("jupyter", "execute", place.write("stripes.ipynb", json.dumps(book)))


def snakemake(place: Place, snippet: Snippet) -> str:
    """As a Snakefile; a command finds that Snakefile without the lines that switch off."""
    need("workflow tools")
    [workflow] = [other.code for other in SNIPPETS if other.file == "Snakefile"]
    if snippet.file == "Snakefile":
        place.write("Snakefile", snippet.code)
        return place.run("snakemake", "--cores", "1")
    place.write("Snakefile", workflow[workflow.index("rule ") :])
    return place.run("bash", "-c", snippet.code)


TOOL: dict[str, Runner] = {
    "bash": shell,
    "zsh": shell,
    "fish": shell,
    "bash, without a scheduler": script,
    "Python": python,
    "Jupyter": notebook,
    "Snakemake": snakemake,
}


# -- What the page promises -----------------------------------------------------------------------


@pytest.mark.parametrize("snippet", parameters(SNIPPETS, slow={"Jupyter", "Snakemake"}))
def test_a_snippet_sets_the_variable_and_the_same_with_another_name_does_not(
    snippet: Snippet, tmp_path: Path
) -> None:
    if "python3" in snippet.code:
        assert shell(Place(tmp_path), snippet) == snippet.output
    else:
        assert_switches(TOOL[snippet.tool], snippet, tmp_path)


def test_every_snippet_names_the_variable_and_every_tool_has_one() -> None:
    assert [snippet for snippet in SNIPPETS if SWITCH not in snippet.code] == []
    assert {snippet.tool for snippet in SNIPPETS} == TOOL.keys()


def test_stripepy_finds_what_the_shell_has_set_and_says_so(tmp_path: Path) -> None:
    [check] = [snippet for snippet in SNIPPETS if "--verbosity debug" in snippet.code]
    place = Place(tmp_path)
    shell(place, check)
    argv = tuple(check.code.partition("stripepy ")[2].partition(" 2>&1")[0].split())

    def real(environment: dict[str, str]) -> Observation:
        run = Run("checked", argv, mode=Mode.MEMORY, environment=environment)
        return capture(run, tmp_path, interpreter=Path(sys.executable))

    off, on = real({SWITCH: place.found()}), real({})
    assert check.output.rstrip() in off.stderr
    assert "setting up telemetry..." in on.stderr
    assert "``setting up telemetry...``" in (ROOT / "docs/switch-off.rst").read_text()
    assert (len(off.bodies), len(on.bodies)) == (0, 1)
