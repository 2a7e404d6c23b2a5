"""What the tests share: a scratch copy of the project, doctored stripepys, the built site."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

# The documented command, but without worker processes, which take longer to start than to work.
QUICK = ("call", "sample.hic", "10000")

Run = Callable[..., subprocess.CompletedProcess[str]]
Doctor = Callable[..., Path]


def installed_stripepy() -> Path:
    """Folder of the installed package; it is read, copied, and never changed."""
    spec = importlib.util.find_spec("stripepy")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def python(
    *arguments: str | Path,
    folder: Path = ROOT,
    interpreter: Path = Path(sys.executable),
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run this Python to its end, whatever that is, and keep what it says."""
    return subprocess.run(
        [interpreter, *arguments],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder whose name is short enough for a capture to work in."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A scratch copy of what the site is built from, to be written to at will."""
    folder = tmp_path / "project"
    for name in ("scripts", "assets", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "conf.py", folder)
    return folder


@pytest.fixture(scope="session")
def quick_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Assets that document `QUICK`."""
    folder = tmp_path_factory.mktemp("quick")
    for name in ("scripts", "assets"):
        shutil.copytree(ROOT / name, folder / name)
    run = python("scripts/telemetry_table.py", "--", *QUICK, folder=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "assets"


@pytest.fixture
def quick_project(project: Path, quick_assets: Path) -> Path:
    """A scratch copy that documents `QUICK`, for the many tests that run stripepy again."""
    shutil.copytree(quick_assets, project / "assets", dirs_exist_ok=True)
    return project


@pytest.fixture
def table(project: Path) -> Run:
    """Run telemetry_table.py of the scratch copy: `table("--check", PYTHONPATH=...)`."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return python("scripts/telemetry_table.py", *arguments, folder=project, env=environment)

    return run


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Copy stripepy and change it: `doctor({"cli/call.py": ("old", "new")})` -> its parent."""

    def change(edits: dict[str, tuple[str, str]]) -> Path:
        folder = tmp_path / "doctored"
        package = folder / "stripepy"
        shutil.copytree(installed_stripepy(), package)
        for name, (old, new) in edits.items():
            text = (package / name).read_text()
            assert text.count(old) >= 1, f"{name} has changed: nothing to doctor at {old!r}"
            (package / name).write_text(text.replace(old, new, 1))
        return folder

    return change


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once from the committed files; the folder with its pages."""
    build = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-M", "html", "docs", build, "-c", ".", "-W", "-n", "-q"],
        cwd=ROOT,
        check=True,
    )
    return build / "html"
