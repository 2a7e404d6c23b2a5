"""The sample contact map: reproducible, small, and worth calling stripes on."""

import os
import sysconfig
import tempfile
from pathlib import Path

import h5py
import pytest

from conftest import python, run
from telemetry.records.exits import Exit
from telemetry.records.files import ROOT, SAMPLE
from telemetry.table.coolers import make_cooler
from telemetry.table.sample import RESOLUTION, STRIPES


def test_the_script_makes_the_committed_file_even_without_the_temporary_folder(
    project: Path,
) -> None:
    sample = project / "assets" / SAMPLE.name
    sample.unlink()
    script, lost = "scripts/make_sample.py", {"TMPDIR": "/nonexistent"}
    checked = python(script, "--check", folder=project)
    assert checked.returncode == Exit.FINDINGS
    assert checked.stdout.endswith(f"outdated-sample: assets/sample.hic: python {script}\n")
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample.hic", "sample.cool", "sample.mcool"])
def test_stripepy_finds_every_planted_stripe_and_no_other_and_plots_them(
    name: str, tmp_path: Path
) -> None:
    result, image = tmp_path / "result.hdf5", tmp_path / "image.png"
    sample = SAMPLE
    if name != SAMPLE.name:
        make_cooler(sample := tmp_path / name)
    stripepy("call", sample, RESOLUTION, "-o", result)
    # Not by StripePy's own reader: it imports hictkpy, which keeps a core busy from then on.
    with h5py.File(result) as file:
        for side, triangle in (("lower", "lt"), ("upper", "ut")):
            planted = [s.anchor for each in STRIPES.values() for s in each if s.side == side]
            found = file[f"stripes/{triangle}/seed"][:].tolist()
            assert found == pytest.approx(planted, abs=1)
    assert len(stripepy("view", result).splitlines()) == sum(map(len, STRIPES.values()))
    stripepy("plot", "cm", SAMPLE, RESOLUTION, image, "--stripepy-hdf5", result)
    for kind in ("pd", "hist"):
        stripepy("plot", kind, result, image, "--force")
    assert image.stat().st_size > 0


def stripepy(*arguments: object) -> str:
    """Run stripepy, without telemetry, and return what it prints."""
    script = Path(sysconfig.get_path("scripts"), "stripepy")
    done = run(script, *map(str, arguments), env=os.environ | {"STRIPEPY_NO_TELEMETRY": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout
