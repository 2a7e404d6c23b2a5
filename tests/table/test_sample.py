"""The sample contact map: reproducible and small."""

import os
import tempfile
from pathlib import Path

from conftest import python
from telemetry.records.exits import Exit
from telemetry.records.files import ROOT, SAMPLE


def test_the_script_makes_the_committed_file_even_without_the_temporary_folder(
    project: Path,
) -> None:
    sample = project / "assets" / SAMPLE.name
    sample.unlink()
    script, lost = "scripts/make_sample.py", {"TMPDIR": "/nonexistent"}
    checked = python(script, "--check", folder=project)
    assert checked.returncode == Exit.FINDINGS
    assert checked.stdout.endswith(f"assets/sample.hic: .venv/bin/python {script}\n")
    assert not sample.exists()
    assert python(script, folder=project, env=lost).returncode == 0
    assert sample.read_bytes() == SAMPLE.read_bytes()
    checked = python(script, "--check", folder=project)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_committed_file_is_small_and_names_no_place_of_this_machine() -> None:
    content = SAMPLE.read_bytes()
    assert len(content) < 300_000
    for place in (ROOT, Path.home(), Path(tempfile.gettempdir())):
        assert os.fsencode(place) not in content
