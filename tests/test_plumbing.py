"""The plumbing: what is installed is locked, and every door builds the same site."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from conftest import ROOT

LOCKS = ["requirements-docs.txt", "requirements-dev.txt", "requirements-tools.txt"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

# Flags and variables of the make that runs the tests are not meant for the make that they run.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MATRIX", "RESOLUTION", "ARGS", "ACCEPT"}
}


class Locked(NamedTuple):
    requirement: str
    hashes: frozenset[str]


def locked(name: str) -> dict[str, list[Locked]]:
    """Every entry of a lock by package; a package has several where Pythons differ."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line.lstrip()[:1] != "#"]
    packages: dict[str, list[Locked]] = {}
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        package = canonicalize_name(Requirement(requirement).name)
        packages.setdefault(package, []).append(
            Locked(requirement.strip(), frozenset(text.strip() for text in hashes))
        )
    return packages


def load_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def values(node: Any, key: str) -> Iterator[Any]:
    """All values of a key, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from values(value, key)


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_one_version_and_its_hashes(lock: str) -> None:
    for entry in (entry for entries in locked(lock).values() for entry in entries):
        specifiers = list(Requirement(entry.requirement).specifier)
        assert [specifier.operator for specifier in specifiers] == ["=="], entry.requirement
        assert "*" not in specifiers[0].version
        assert entry.hashes, f"{entry.requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in entry.hashes)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_place_to_install_from(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"^\s*-(?!-hash=sha256:)", text, re.MULTILINE)
    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"\s[./~]*/", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_whatever_is_asked_for(lock: str) -> None:
    asked = (ROOT / lock).with_suffix(".in").read_text()
    names = re.findall(r"^[A-Za-z][\w.-]*", asked, re.MULTILINE)
    assert {canonicalize_name(name) for name in names} <= locked(lock).keys(), "run: make lock"


def test_tests_run_with_what_the_site_is_built_with() -> None:
    docs, dev, _ = map(locked, LOCKS)
    assert docs == {package: dev.get(package) for package in docs}, "run: make lock"


def test_read_the_docs_publishes_the_pages_and_nothing_else(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    output = checkout / "_readthedocs"
    binaries = str(Path(sys.executable).parent)
    environment = {
        **ENVIRONMENT,
        "PATH": os.pathsep.join([binaries, os.environ["PATH"]]),
        "READTHEDOCS": "True",
        "READTHEDOCS_OUTPUT": f"{output}/",
    }

    settings = load_yaml(checkout / ".readthedocs.yaml")
    jobs = settings["build"]["jobs"]
    assert jobs.keys() == {"pre_build", "build"}
    assert jobs["build"].keys() == {"html", *settings["formats"]}
    # The other formats are made and read in test_books.py.
    for command in [*jobs["pre_build"], *jobs["build"]["html"]]:
        subprocess.run(command, shell=True, cwd=checkout, env=environment, check=True)

    assert (checkout / settings["sphinx"]["configuration"]).is_file()
    assert (checkout / settings["python"]["install"][0]["requirements"]).is_file()
    assert [path.name for path in output.iterdir()] == ["html"]
    assert (output / "html" / "index.html").is_file()
    for page in settings["search"]["ranking"]:
        assert (output / "html" / page).is_file()
    assert not list(output.rglob("*.doctree"))
    assert not (checkout / "_build" / "html").exists(), "Read the Docs takes that for a mistake"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(workflow: Path) -> None:
    actions = list(values(load_yaml(workflow), "uses"))
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action


def test_no_workflow_has_a_right_that_its_job_did_not_ask_for() -> None:
    for workflow in map(load_yaml, WORKFLOWS):
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            # A bisection takes hours; without a limit, a run that hangs would take six.
            assert job["timeout-minutes"] <= 180
            if job["permissions"] != {"contents": "read"}:
                assert not any("run" in step for step in job["steps"]), "who may write runs nothing"


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    help_ = make()
    assert help_.returncode == 0
    described = re.findall(r"^([a-z-]+) +\S", help_.stdout.partition("\n\n")[0], re.MULTILINE)
    assert sorted(described) == sorted({*phony[1].split()} - {"FORCE"})


@pytest.mark.parametrize("matrix", ["a b.hic", "it's.hic", "$HOME/`a`.hic", 'a"*;#b.hic'])
@pytest.mark.parametrize("target", ["html", "table", "check"])
def test_make_passes_a_path_whole(target: str, matrix: str) -> None:
    printed = make("-n", target, f"MATRIX={matrix}", "RESOLUTION=10000", "ARGS=-p 8")
    assert printed.returncode == 0, printed.stderr
    (line,) = (line for line in printed.stdout.splitlines() if "telemetry_table.py" in line)
    words = shlex.split(line)
    assert words[words.index("--") + 1 :] == ["call", matrix, "10000", "-p", "8"]


@pytest.mark.parametrize("given", ["MATRIX=a.hic", "RESOLUTION=10000", "ARGS=-p 8"])
def test_make_refuses_half_a_command(given: str) -> None:
    refused = make("-n", "table", given)
    assert refused.returncode == 2
    assert "make table MATRIX=map.hic RESOLUTION=10000" in refused.stderr


Workshop = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A Makefile among stand-ins that only write down what they are asked to do."""
    for name in ("Makefile", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    patched = "import sys; sys.version_info = ({version}); exec(sys.argv[1])"
    python = f"""#!/bin/sh
        case $2 in
            venv) test "$3" != --clear || rm -rf .venv; echo venv >>log
                mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
            *) exec {shlex.quote(sys.executable)} -c {shlex.quote(patched)} "$2" ;;
        esac
        """
    uv = '#!/bin/sh\nfor last; do :; done; echo "$last" >>log; test ! -e broken\n'
    (tmp_path / "bin").mkdir()

    def stand_in(name: str, text: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    stand_in("uv", uv)

    def work(target: str, *, version: str = "3.11") -> tuple[int, list[str], str]:
        stand_in("python", python.replace("{version}", version.replace(".", ", ")))
        log = tmp_path / "log"
        log.write_text("")
        done = subprocess.run(
            ["make", "--no-print-directory", target, "PYTHON=bin/python"],
            cwd=tmp_path,
            env={**ENVIRONMENT, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, log.read_text().split(), done.stderr

    return work


DOCS_MADE = ["venv", LOCKS[0]]
DEV_MADE = [*DOCS_MADE, LOCKS[1]]


def test_building_the_site_installs_nothing_for_tests(workshop: Workshop) -> None:
    assert workshop("venv") == (0, DOCS_MADE, "")
    assert workshop("venv-dev") == (0, [LOCKS[1]], "")


def test_a_whole_venv_is_left_alone(workshop: Workshop) -> None:
    assert workshop("venv-dev") == (0, DEV_MADE, "")
    assert workshop("venv-dev") == (0, [], "")
    assert workshop("venv") == (0, [], "")


def test_half_a_venv_is_made_again(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    assert workshop("venv")[:2] == (2, DOCS_MADE)
    (tmp_path / "broken").unlink()
    assert workshop("venv") == (0, DOCS_MADE, "")


@pytest.mark.parametrize(("lock", "made"), [(LOCKS[0], DEV_MADE), (LOCKS[1], [LOCKS[1]])])
def test_a_changed_lock_is_followed(
    lock: str, made: list[str], workshop: Workshop, tmp_path: Path
) -> None:
    workshop("venv-dev")
    newest = max(path.stat().st_mtime for path in (tmp_path / ".venv").iterdir())
    os.utime(tmp_path / lock, (newest + 1, newest + 1))
    assert workshop("venv-dev")[1] == made


def test_another_python_makes_another_venv(workshop: Workshop, tmp_path: Path) -> None:
    workshop("venv")
    (tmp_path / ".venv" / "left over").touch()
    assert workshop("venv", version="3.13") == (0, DOCS_MADE, "")
    assert not (tmp_path / ".venv" / "left over").exists()


def test_a_venv_that_lost_its_python_is_made_again(workshop: Workshop, tmp_path: Path) -> None:
    workshop("venv-dev")
    python = tmp_path / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("gone")
    assert workshop("venv-dev") == (0, DEV_MADE, "")


def test_an_old_python_is_refused_in_one_line_with_the_mend(workshop: Workshop) -> None:
    status, made, stderr = workshop("venv", version="3.9")
    assert (status, made) == (2, [])
    assert re.match(r"Python 3\.11 or newer is needed.* 3\.9.*PYTHON=python3\.13\n", stderr)
