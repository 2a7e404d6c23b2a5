"""The sample contact map: reproducible, small, and worth calling stripes on."""

import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from make_sample import MEND, RESOLUTION, STRIPES, main, make_sample, render
from telemetry.assets import SAMPLE
from telemetry.coolers import make_cooler, make_multires_cooler
from telemetry.errors import UserError

MAKERS = [
    pytest.param("sample.hic", make_sample, id="hic"),
    pytest.param("sample.cool", make_cooler, id="cool"),
    pytest.param("sample.mcool", make_multires_cooler, id="mcool"),
]


def test_committed_file_is_what_the_script_makes() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_bytes_depend_neither_on_the_run_nor_on_the_place(
    name: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / name, tmp_path / "elsewhere" / name
    elsewhere.parent.mkdir()
    make(here)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere.parent))
    make(elsewhere)
    assert elsewhere.read_bytes() == here.read_bytes()
    assert list(elsewhere.parent.iterdir()) == [elsewhere]


def test_committed_file_is_small_and_names_no_place_of_this_machine() -> None:
    content = SAMPLE.read_bytes()
    assert len(content) < 300_000
    for place in (SAMPLE.parent.parent, Path.home(), Path(tempfile.gettempdir())):
        assert os.fsencode(place) not in content


@pytest.mark.parametrize("before", [None, b"outdated"])
def test_check_writes_nothing_and_names_the_command_that_mends(
    before: bytes | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sample = _divert_sample(tmp_path, monkeypatch)
    if before is not None:
        sample.write_bytes(before)

    assert main(["--check"]) == 1
    assert capsys.readouterr().err.endswith(f" -- mend: {MEND}\n")
    assert (sample.read_bytes() if sample.exists() else None) == before

    assert main([]) == 0
    assert capsys.readouterr().out == f"Updated: {sample}\n"
    assert list(tmp_path.iterdir()) == [sample]
    assert main(["--check"]) == 0


def test_identical_file_is_left_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = _divert_sample(tmp_path, monkeypatch)
    sample.write_bytes(render())
    before = sample.stat()
    assert main([]) == 0
    assert capsys.readouterr().out == f"Up to date: {sample}\n"
    assert (sample.stat().st_ino, sample.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_old_hictkpy_is_reported_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("make_sample.version", lambda package: "1.3.0")
    with pytest.raises(UserError, match=r"hictkpy.*make venv-dev") as raised:
        main([])
    assert raised.value.status == 2


def test_unwritable_place_is_reported_and_the_old_file_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = _divert_sample(tmp_path, monkeypatch)
    sample.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        main([])
    assert list(tmp_path.iterdir()) == [sample]


@pytest.mark.parametrize(("name", "make"), MAKERS)
def test_stripepy_finds_every_planted_stripe_and_no_other(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / name)
    result = tmp_path / "result.hdf5"
    _stripepy("call", tmp_path / name, RESOLUTION, "-o", result)

    # Not by StripePy's own reader: it imports hictkpy, which keeps a core busy from then on.
    with h5py.File(result) as file:
        for side, triangle in (("lower", "lt"), ("upper", "ut")):
            found = file[f"stripes/{triangle}/seed"][:].tolist()
            planted = [
                stripe.anchor
                for stripes in STRIPES.values()
                for stripe in stripes
                if stripe.side == side
            ]
            assert found == pytest.approx(planted, abs=1)


def test_result_can_be_viewed_and_plotted(tmp_path: Path) -> None:
    result, image = tmp_path / "result.hdf5", tmp_path / "image.png"
    _stripepy("call", SAMPLE, RESOLUTION, "-p", 2, "-o", result)

    shown = _stripepy("view", result).splitlines()
    assert len(shown) == sum(map(len, STRIPES.values()))

    _stripepy("plot", "cm", SAMPLE, RESOLUTION, image, "--stripepy-hdf5", result)
    for kind in ("pd", "hist"):
        _stripepy("plot", kind, result, image, "--force")
    assert image.stat().st_size > 0


def _divert_sample(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the command work on a file in `directory` in place of the committed one."""
    sample = directory / "sample.hic"
    monkeypatch.setattr("make_sample.SAMPLE", sample)
    return sample


def _stripepy(*arguments: object) -> str:
    """Run stripepy, without telemetry, and return its standard output.

    Raises:
        AssertionError: If it fails.
        subprocess.TimeoutExpired: If it hangs.
    """
    run = subprocess.run(
        [Path(sysconfig.get_path("scripts"), "stripepy"), *map(str, arguments)],
        env=os.environ | {"STRIPEPY_NO_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout
