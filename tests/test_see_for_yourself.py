"""The commands of the page "See for yourself" show what this site shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from snippets import Snippet, snippets
from telemetry import coolers, documented
from telemetry_table import CHANGES

SNIPPETS = snippets("see-for-yourself")


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(
            snippet,
            id=snippet.code.splitlines()[-1],
            marks=[pytest.mark.skip(f"not tried: {snippet.not_tried}")]
            if snippet.not_tried
            else [],
        )
        for snippet in SNIPPETS
    ],
)
def test_a_command_prints_the_fields_of_this_site_or_what_the_page_says(
    project: Path, snippet: Snippet
) -> None:
    coolers.make_multires_cooler(project / "my.mcool")
    (project / ".venv").symlink_to(ROOT / ".venv")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {name: os.environ[name] for name in os.environ if not CHANGES.fullmatch(name)}
    run = subprocess.run(
        ["bash", "-c", snippet.code],
        cwd=project,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    if snippet.output:
        assert run.stdout == snippet.output
        return
    request, _, table = run.stdout.rpartition("\n\n")
    watched = "telemetry_watch" in snippet.code
    assert request.startswith("POST /v1/traces HTTP/1.1\n") == watched
    printed = [line.split()[0] for line in table.splitlines()]
    assert printed == [field for field, _ in documented.load().table]


def test_something_is_tried() -> None:
    assert [snippet for snippet in SNIPPETS if not snippet.not_tried]
