"""Every snippet of the page "Switch it off" sets the variable, or the page says: not tested.

A snippet is taken from the page and run by the tool that it is for: as it stands, and with another
name for the variable. A stand-in on PATH writes down whether `stripepy` would find the variable.
Two runs of the real program show what it does then.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT, need
from snippets import Snippet, tried
from telemetry.capture.process import capture
from telemetry.records.runs import Mode, Observation, Run

SNIPPETS = tried("switch-off")
SWITCH, NO_SWITCH = "STRIPEPY_NO_TELEMETRY", "STRIPEPY_NO_SUCH_SWITCH"
COMMAND = "stripepy call my.mcool 10000"
TOOLS = ROOT / ".venv" / "tools" / "bin"
# The last argument is where Snakemake looks for the result.
STAND_IN = '#!/bin/sh\necho "${{{}-not set}}" >>{}\nfor last; do :; done\ntouch "$last"\n'


class Place:
    """A private folder in which a tool runs, with a stand-in for stripepy."""

    def __init__(self, folder: Path) -> None:
        self.work, self.bin, self.record = folder / "work", folder / "bin", folder / "record"
        self.home, self.said = folder / "home", ""
        for made in (self.work, self.bin, self.home):
            made.mkdir(parents=True)
        (self.work / "my.mcool").touch()
        (self.bin / "python3").symlink_to(sys.executable)
        stand_in = self.bin / "stripepy"
        stand_in.write_text(STAND_IN.format(SWITCH, self.record))
        stand_in.chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        """Write a file in the working directory."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words: str | Path) -> str:
        """Run a tool to its end and return what it prints."""
        path = os.pathsep.join((str(self.bin), str(TOOLS), os.environ["PATH"]))
        run = subprocess.run(
            words,
            cwd=self.work,
            env={"PATH": path, "HOME": str(self.home), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            start_new_session=True,
        )
        self.said += run.stdout + run.stderr
        return run.stdout

    def found(self) -> str:
        """What the one run of stripepy finds in the variable."""
        values = self.record.read_text().splitlines() if self.record.exists() else []
        assert len(values) == 1, f"not one run of stripepy:\n{self.said}"
        return values[0]


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


def login(place: Place, snippet: Snippet) -> str:
    """In a session that reads the files of the system, one of which is the snippet."""
    need("namespaces")
    folder = place.write(Path(snippet.file).name, snippet.code).parent
    cover = 'mount --bind "$1" /etc/profile.d && exec bash -l -c "$2"'
    # A login session sets PATH anew.
    command = f"PATH={place.bin}:$PATH; {COMMAND}"
    return place.run(
        "unshare", "--map-root-user", "--mount", "sh", "-c", cover, "sh", folder, command
    )


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


def modules(place: Place, snippet: Snippet) -> str:
    need("environment-modules")
    folder = place.write("modules/stripes", snippet.code).parent
    load = f"source /usr/share/modules/init/bash; module use {folder}; module load stripes"
    return place.run("bash", "-c", f"{load}; {COMMAND}")


TOOL: dict[str, Callable[[Place, Snippet], str]] = {
    "bash": shell,
    "zsh": shell,
    "fish": shell,
    "a login session of bash": login,
    "bash, without a scheduler": script,
    "Python": python,
    "Jupyter": notebook,
    "Snakemake": snakemake,
    "Environment Modules": modules,
}
SLOW = {"Jupyter", "Snakemake"}


# -- What the page promises -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(
            snippet,
            id=f"{number}: {snippet.tool}: {snippet.caption or 'check'}",
            marks=[pytest.mark.slow] if snippet.tool in SLOW else [],
        )
        for number, snippet in enumerate(SNIPPETS, start=1)
    ],
)
def test_a_snippet_sets_the_variable_and_the_same_with_another_name_does_not(
    snippet: Snippet, tmp_path: Path
) -> None:
    run = TOOL[snippet.tool]
    off, on = Place(tmp_path / "off"), Place(tmp_path / "on")
    printed = run(off, snippet)
    if "python3" in snippet.code:
        assert printed == snippet.output
    else:
        assert off.found() == "1"
        run(on, replace(snippet, code=snippet.code.replace(SWITCH, NO_SWITCH)))
        assert on.found() == "not set"


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
