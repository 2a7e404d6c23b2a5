"""What the tests share: tools that may be missing, copies to write to, and the built site."""

import fcntl
import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest

ROOT = Path(__file__).resolve().parent.parent
NODE_MODULES = ROOT / "tests" / "browser" / "node_modules"

# A background job of a shell ignores SIGINT, and so would everything that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

Edit = tuple[str, str, str]
"""A file of a package, the text to replace, and what replaces it."""

Doctor = Callable[..., Path]


# -- Tools that a machine may not have ------------------------------------------------------------

Tool = tuple[Callable[[], object], str]
"""A function that finds the tool, and a message that says how to install it."""


def _program(name: str, package: str) -> Tool:
    return lambda: shutil.which(name), f"{name} is missing: apt-get install {package}"


def _file(name: str, path: str | Path, command: str) -> Tool:
    return Path(path).exists, f"{name} is missing: {command}"


def _have_namespaces() -> bool:
    from telemetry.box import observing

    return observing.have_namespaces()


TOOLS: dict[str, Tool] = {
    "chromium": _program("chromium", "chromium"),
    "axe-core": _file("axe-core", NODE_MODULES / "axe-core", "make browser"),
    "vnu": _file("vnu-jar", NODE_MODULES / "vnu-jar", "make browser"),
    "java": _program("java", "default-jre-headless"),
    "pango": (
        lambda: python("-c", "import weasyprint").returncode == 0,
        "pango is missing: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    ),
    "zsh": _program("zsh", "zsh"),
    "fish": _program("fish", "fish"),
    "environment-modules": _file(
        "environment-modules",
        "/usr/share/modules/init/bash",
        "apt-get install environment-modules",
    ),
    "lmod": _file("lmod", "/usr/share/lmod/lmod/init/bash", ".ci/lmod"),
    "systemd": _file("systemd", "/usr/lib/systemd/systemd", "apt-get install systemd"),
    "slurm": _program("sbatch", "slurmctld slurmd slurm-client munge"),
    "faketime": _program("faketime", "faketime"),
    "rotel": (
        lambda: importlib.util.find_spec("rotel"),
        "rotel has no wheel for this Python: make test-all PYTHON=python3.13",
    ),
    "git": _program("git", "git"),
    "workflow tools": _file("snakemake", ROOT / ".venv/tools/bin/snakemake", "make test-all"),
    "namespaces": (
        _have_namespaces,
        (
            "namespaces are not allowed: on Ubuntu,"
            " sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        ),
    ),
}


def need(*names: str) -> None:
    """Skip a test if one of the `TOOLS` that it needs is missing; with `make test-all`, fail it."""
    for found, lack in (TOOLS[name] for name in names):
        if not found():
            if os.environ.get("REQUIRE_TOOLS"):
                pytest.fail(lack, pytrace=False)
            pytest.skip(lack)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each missing tool once, with the number of tests that were skipped for it."""
    skipped = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    for reason, count in skipped.items():
        plural = "" if count == 1 else "s"
        lack = reason.removeprefix("Skipped: ")
        terminalreporter.write_line(f"{count} test{plural} skipped: {lack}")


# -- What tests run -------------------------------------------------------------------------------


def run(
    *command: str | Path, folder: Path = ROOT, env: Mapping[str, str] | None = None, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command, even if it fails, and keep its output; `env` is its whole environment."""
    return subprocess.run(
        command,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **how,
    )


def build(
    folder: Path, *options: str | Path, project: Path = ROOT, **env: str
) -> subprocess.CompletedProcess[str]:
    """Build the site of a project, even if that fails, and keep the output."""
    form = ("-m", "sphinx", "-b", "html", "-c", ".", "-W", "-q")
    return python(*form, *options, "docs", folder, folder=project, env=env)


@functools.cache
def page(path: Path) -> Element:
    """A built page, parsed as a browser does; the tests share it, so do not change it."""
    parsed: Element = html5lib.parse(path.read_text("utf-8"), namespaceHTMLElements=False)
    return parsed


def text(element: Element | None) -> str:
    """The text of a part of a page."""
    assert element is not None
    return "".join(element.itertext()).strip()


def python(
    *arguments: str | Path, folder: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this Python as `run` does; `env` is added to the variables of this process."""
    return run(sys.executable, *arguments, folder=folder, env={**os.environ, **(env or {})})


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder whose name is short enough for the sockets of a run."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the site is built from, which a test may change."""
    folder = tmp_path / "project"
    for name in ("scripts", "assets", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "conf.py", folder)
    return folder


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Copy stripepy and edit the copy: `doctor(("cli/call.py", "old", "new"))` -> its parent.

    This also works for packages that it uses: `doctor(("requests/sessions.py", "old", "new"))`.
    """
    packages = Path(sysconfig.get_path("purelib"))

    def change(*edits: Edit) -> Path:
        copies = tmp_path / "doctored"
        shutil.copytree(packages / "stripepy", copies / "stripepy")
        for name, old, new in edits:
            file = copies / (name if (packages / name).exists() else f"stripepy/{name}")
            top = file.relative_to(copies).parts[0]
            if not (copies / top).exists():
                shutil.copytree(packages / top, copies / top)
            text = file.read_text()
            assert old in text, f"{name} has changed: nothing to doctor at {old!r}"
            file.write_text(text.replace(old, new, 1))
        return copies

    return change


def protobuf(message: str) -> bytes:
    """Encode a message in OTLP JSON as it is sent."""
    from base64 import b64encode

    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from telemetry.table.otlp import IDS

    def in_base64(tree: dict[str, str]) -> dict[str, str]:
        ids = {key: b64encode(bytes.fromhex(tree[key])).decode() for key in IDS & tree.keys()}
        return tree | ids

    tree = json.loads(message, object_hook=in_base64)
    return ParseDict(tree, ExportTraceServiceRequest()).SerializeToString()


# -- What is made once for all tests --------------------------------------------------------------


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Fill a folder in the first worker that needs it, while the others wait for it."""
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    making = shared.with_suffix(".making")
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            assert not making.exists(), f"another worker could not make the {name}"
            making.mkdir()
            make(making)
            making.rename(shared)
    return shared


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once from the committed files; the folder with its pages."""

    def make(folder: Path) -> None:
        built = build(folder / "html", "-d", folder / "doctrees")
        assert built.returncode == 0, built.stderr

    return once(tmp_path_factory, "site", make) / "html"
