"""Every snippet of the page "Switch it off" does what the page says, or the page says: not tried.

A snippet is taken from the page and run twice by the tool that it is for: as it stands, when
nothing may be sent; and with another name for the variable, when one message has to be. What runs
is the real stripepy in the sealed process of a capture: a launcher stands in its place on PATH.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT
from snippets import Snippet, snippets
from telemetry import RECORD_VARIABLE, coolers
from telemetry.capture import SCRIPTS, Seam, scratch_folder

SNIPPETS = snippets("switch-off")
SWITCH, NO_SWITCH = "STRIPEPY_NO_TELEMETRY", "STRIPEPY_NO_SUCH_SWITCH"
COMMAND = "stripepy call my.mcool 10000"
TOOLS = ROOT / ".venv" / "tools" / "bin"
MODULES = Path("/usr/share/modules/init/bash")


class Place:
    """A private folder in which a tool runs, with a contact map and a stripepy that is sealed.

    Args:
        folder: The folder; empty.
        contact_map: The map that the page calls my.mcool.
    """

    def __init__(self, folder: Path, contact_map: Path) -> None:
        self.work, self.home, self.bin = folder / "work", folder / "home", folder / "bin"
        self.record, self.said = folder / "record", ""
        for made in (self.work, self.home, self.bin, folder / "t"):
            made.mkdir()
        self.record.touch()
        (self.work / "my.mcool").symlink_to(contact_map)
        # Set here, and not by the tool: only the switch depends on what the tool hands over.
        sealed = {"TMPDIR": folder / "t", "PYTHONPATH": SCRIPTS, RECORD_VARIABLE: self.record}
        settings = shlex.join(f"{name}={value}" for name, value in sealed.items())
        self._launch(
            "stripepy", f"env {settings} {sys.executable} -m telemetry.child {Seam.EXPORTER}"
        )
        self._launch("python3", sys.executable)

    def _launch(self, name: str, command: str) -> None:
        (self.bin / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (self.bin / name).chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        """Write a file in the working directory."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words: str | Path) -> str:
        """Run a tool to its end and return what it prints."""
        path = os.pathsep.join((str(self.bin), str(TOOLS), os.defpath))
        try:
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
        except FileNotFoundError:
            pytest.fail(f"{words[0]} is missing; .ci/run has what to install", pytrace=False)
        self.said += run.stdout + run.stderr
        return run.stdout

    def messages(self) -> int:
        """How many messages the one run of stripepy would have sent."""
        records = [json.loads(line) for line in self.record.read_text().splitlines()]
        assert sum("done" in record for record in records) == 1, f"no single run:\n{self.said}"
        assert not [record for record in records if "attempt" in record], records
        return sum(record.get("spans", 0) for record in records)


# -- How each tool runs a snippet ------------------------------------------------------------------


def shell(place: Place, snippet: Snippet) -> str:
    """In one session; for what holds for good, in the next one."""
    name = snippet.tool
    if snippet.caption == "For good":
        place.run(name, "-c", snippet.code)
        # bash alone reads its file in interactive sessions only.
        return place.run(name, *(["-i"] if name == "bash" else []), "-c", COMMAND)
    code = snippet.code if "stripepy " in snippet.code else f"{snippet.code}{COMMAND}\n"
    return place.run(name, "-c", code)


def login(place: Place, snippet: Snippet) -> str:
    """In a session that reads the files of the system, one of which is the snippet."""
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
    if "stripepy" not in code.replace(SWITCH, "").replace(NO_SWITCH, ""):
        code += f"\nimport subprocess\nsubprocess.run({COMMAND.split()}, check=True)\n"
    return place.run("python3", "-c", code)


def notebook(place: Place, snippet: Snippet) -> str:
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": str(number),
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate((snippet.code, f"!{COMMAND}"))
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return place.run("jupyter", "execute", place.write("stripes.ipynb", json.dumps(book)))


def snakemake(place: Place, snippet: Snippet) -> str:
    """As a Snakefile; a command finds that Snakefile without the lines that switch off."""
    [workflow] = [other.code for other in SNIPPETS if other.file == "Snakefile"]
    if snippet.file == "Snakefile":
        place.write("Snakefile", snippet.code)
        return place.run("snakemake", "--cores", "1")
    place.write("Snakefile", workflow[workflow.index("rule ") :])
    return place.run("bash", "-c", snippet.code)


def modules(place: Place, snippet: Snippet) -> str:
    if not MODULES.exists():
        pytest.fail("environment-modules is missing; .ci/run installs it", pytrace=False)
    folder = place.write("modules/stripes", snippet.code).parent
    return place.run(
        "bash", "-c", f"source {MODULES}; module use {folder}; module load stripes; {COMMAND}"
    )


TRIALS: dict[str, Callable[[Place, Snippet], str]] = {
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


# -- What is promised ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contact_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "my.mcool"
    coolers.make_multires_cooler(path)
    return path


@pytest.fixture
def new_place(contact_map: Path) -> Iterator[Callable[[], Place]]:
    """Make private folders, with names that are short enough for multiprocessing's sockets."""
    with tempfile.TemporaryDirectory(dir=scratch_folder(), ignore_cleanup_errors=True) as name:
        folders = (Path(name, number) for number in "12")

        def make() -> Place:
            folder = next(folders)
            folder.mkdir()
            return Place(folder, contact_map)

        yield make


def each_snippet() -> Iterator[object]:
    for number, snippet in enumerate(SNIPPETS, start=1):
        name = f"{number}: {snippet.tool}: {snippet.caption or 'check'}"
        why = f"not tried: {name}: {snippet.not_tried}"
        yield pytest.param(
            snippet, id=name, marks=[pytest.mark.skip(why)] if snippet.not_tried else []
        )


@pytest.mark.parametrize("snippet", list(each_snippet()))
def test_a_snippet_switches_off_and_the_same_with_another_name_does_not(
    snippet: Snippet, new_place: Callable[[], Place]
) -> None:
    trial = TRIALS[snippet.tool]
    off, on = new_place(), new_place()
    printed = trial(off, snippet)
    assert off.messages() == 0
    if snippet.output:
        assert printed == snippet.output
    trial(on, replace(snippet, code=snippet.code.replace(SWITCH, NO_SWITCH)))
    assert on.messages() == 1


def test_every_snippet_names_the_variable_and_none_is_spared_whose_tool_is_here() -> None:
    assert SNIPPETS
    assert [snippet for snippet in SNIPPETS if SWITCH not in snippet.code] == []
    spared = [snippet for snippet in SNIPPETS if snippet.not_tried and snippet.tool in TRIALS]
    assert spared == []
    assert {snippet.tool for snippet in SNIPPETS if not snippet.not_tried} == TRIALS.keys()


def test_the_page_quotes_what_stripepy_says_when_it_is_on(new_place: Callable[[], Place]) -> None:
    [check] = [snippet for snippet in SNIPPETS if "--verbosity debug" in snippet.code]
    place = new_place()
    said = shell(place, replace(check, code=check.code.replace(SWITCH, NO_SWITCH)))
    assert place.messages() == 1
    assert f"``{said.rstrip()}``" in (ROOT / "docs/switch-off.rst").read_text()
