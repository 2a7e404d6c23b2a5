"""What the tests share: a scratch copy of the project, doctored stripepys, the built site."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

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
def project(tmp_path: Path) -> Path:
    """A scratch copy of what the site is built from, to be written to at will."""
    folder = tmp_path / "project"
    for name in ("scripts", "assets", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conf.py", folder)
    return folder


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
        shutil.copytree(installed_stripepy(), package, ignore=shutil.ignore_patterns("__pycache__"))
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
