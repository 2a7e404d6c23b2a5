"""The commands of the page "See for yourself" print what this site shows."""

import os
import sys
from pathlib import Path

import pytest

from conftest import ROOT, need, run
from snippets import Snippet, tried
from telemetry.capture.command_line import CHANGES
from telemetry.records import table
from telemetry.table.coolers import make_cooler

SNIPPETS = tried("see-for-yourself")


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(
            snippet,
            id=snippet.code.splitlines()[-1],
            marks=[] if "--print" in snippet.code else [pytest.mark.slow],
        )
        for snippet in SNIPPETS
    ],
)
def test_a_command_prints_the_fields_of_this_site_or_what_the_page_says(
    project: Path, snippet: Snippet
) -> None:
    on_the_wire = "telemetry_request.py" in snippet.code
    if on_the_wire:
        need("namespaces")
    make_cooler(project / "my.mcool")
    environment = {name: os.environ[name] for name in os.environ if not CHANGES.fullmatch(name)}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    code = snippet.code.replace(".venv/bin/python ", "python ")
    ended = run("bash", "-c", code, folder=project, env={**environment, "PATH": path})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if snippet.output:
        assert ended.stdout == snippet.output
        return
    request, _, fields = ended.stdout.rpartition("\n\n")
    assert request.startswith("POST /v1/traces HTTP/1.1\n") == on_the_wire
    assert [line.split()[0] for line in fields.splitlines()] == [
        field for field, _ in table.load().table
    ]


def test_each_way_to_see_is_tested() -> None:
    tested = {word for snippet in SNIPPETS for word in snippet.code.split()}
    scripts = {word for word in tested if word.startswith("scripts/")}
    assert scripts == {"scripts/telemetry_table.py", "scripts/telemetry_request.py"}
    assert all((ROOT / script).is_file() for script in scripts)
