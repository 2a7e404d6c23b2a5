"""The Makefile, run with a stand-in for Python that only logs what it is asked to do."""

import hashlib
import os
import re
import shutil
import socket
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT, python, run

DOCS, DEV = "requirements-docs.txt", "requirements-dev.txt"
PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) cat version ;;
    "-m venv"*) rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo venv >>log ;;
    "-m pip"*)
        for last; do :; done
        echo "$last$PYTHONPATH$PYTHONHOME$PYTHONSAFEPATH" >>log
        test ! -e broken ;;
    -c*) test ! -e elsewhere ;;
    *) printf '%s\\n' "$PYTHONPATH" "$@" >>log ;;
esac
"""


Make = Callable[..., tuple[list[str], str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run make with a stand-in for Python: `make("table", NAME="a variable")`.

    Returns what the stand-in logged, and what make printed as errors.
    """
    for name in ("Makefile", DOCS, DEV):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "version").write_text("3.11")

    def make(*arguments: str, **environment: str) -> tuple[list[str], str]:
        (tmp_path / "log").write_text("")
        env = {"PATH": os.defpath, **environment}
        made = run("make", "PYTHON=./python", *arguments, folder=tmp_path, env=env)
        return (tmp_path / "log").read_text().splitlines(), made.stderr

    return make


def test_an_environment_is_made_once_and_anew_if_it_is_not_what_it_should_be(
    make: Make, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    assert make("venv")[0] == ["venv", DOCS]
    (tmp_path / "broken").unlink()
    assert make("venv") == (["venv", DOCS], "")
    assert make("venv-dev") == ([DEV], "")
    assert make("venv-dev") == ([], "")
    for changed, made in ((DEV, [DEV]), (DOCS, ["venv", DOCS, DEV])):
        for path in (*tmp_path.glob(".venv/d*"), *tmp_path.glob("*.txt")):
            os.utime(path, (0, 0))
        (tmp_path / changed).touch()
        assert make("venv-dev") == (made, "")
    (tmp_path / "version").write_text("3.14")
    assert make("venv-dev") == (["venv", DOCS, DEV], "")
    (tmp_path / ".venv/bin/python").unlink()
    assert make("venv-dev") == (["venv", DOCS, DEV], "")


@pytest.mark.parametrize("version", ["", "3.10", "3.15"])
def test_another_python_is_refused_in_one_line(version: str, make: Make, tmp_path: Path) -> None:
    (tmp_path / "version").write_text(version)
    made, complaint = make("html")
    assert made == []
    [line] = complaint.splitlines()
    assert "Python 3.11 to 3.14 is needed" in line
    assert "make html PYTHON=python3.13" in line
    assert ("wheels" in line) is (version == "3.15")


def test_settings_of_the_user_reach_the_scripts_and_not_the_environment(
    make: Make, tmp_path: Path
) -> None:
    settings = {"PYTHONPATH": "changed", "PYTHONHOME": "none", "PYTHONSAFEPATH": "1"}
    made, _ = make("table", **settings)
    assert made == ["venv", DOCS, "changed", "scripts/telemetry_table.py"]
    (tmp_path / "elsewhere").touch()
    made, complaint = make("venv-dev", **settings)
    assert made == [DEV]
    assert complaint.startswith("pytest is not in .venv: ")
    assert "pip config list" in complaint


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda s: s.name)
def test_a_script_finds_its_modules_without_make_too(script: Path) -> None:
    helped = python(script, "--help", env={"PYTHONSAFEPATH": "1"})
    assert (helped.returncode, helped.stderr) == (0, "")


def test_no_setting_of_pip_leads_out_of_the_environment(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    wheel = tmp_path / "sphinx-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sphinx.py", "")
        for name, text in (("METADATA", "Name: sphinx"), ("WHEEL", "Wheel-Version: 1.0")):
            archive.writestr(f"sphinx-1.dist-info/{name}", f"{text}\nVersion: 1\n")
        archive.writestr("sphinx-1.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / DOCS).write_text(f"./{wheel.name} --hash=sha256:{digest}\n")
    out = tmp_path / "elsewhere"
    settings = [f"{name} = {out}\n" for name in ("target", "prefix", "root", "python")]
    (tmp_path / "pip.conf").write_text("".join(["[global]\nuser=yes\ndry-run=yes\n", *settings]))
    env = {"PIP_CONFIG_FILE": "pip.conf", "PIP_USER": "1", "PIP_PREFIX": str(out)}
    env |= {"PATH": os.defpath, "PIP_NO_INDEX": "1"}
    made = run("make", "venv", f"PYTHON={sys.executable}", folder=tmp_path, env=env)
    assert made.returncode == 0, made.stderr
    assert len(list(tmp_path.glob(".venv/lib/*/site-packages/sphinx.py"))) == 1
    assert not out.exists()


def test_a_path_is_passed_whole_and_not_without_a_resolution(make: Make) -> None:
    matrix = """it's "a*"; #b.hic"""
    made, _ = make("table", f"MATRIX={matrix}", "RESOLUTION=10000", "ARGS=-p 8")
    assert made[made.index("--") :] == ["--", "call", matrix, "10000", "-p", "8"]
    fix = "make table MATRIX=map.hic RESOLUTION=10000"
    assert fix in make("table", f"MATRIX={matrix}")[1]
    assert fix in make("table", "ARGS=-p 8")[1]


def test_help_lists_every_target() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    [phony] = [line.split()[1:-1] for line in lines if line.startswith(".PHONY:")]
    printed = run("make", env={"PATH": os.defpath}).stdout
    targets, _, _ = printed.partition("\n\n")
    assert sorted(line.split()[0] for line in targets.splitlines()) == sorted(phony)


def test_the_make_of_macos_which_is_3_81_can_read_the_makefile() -> None:
    newer = (
        r"\bprivate\b|\bundefine\b|\.ONESHELL|\.SHELLFLAGS|\.RECIPEPREFIX|!=|::=|&:|^load\b"
        r"|^define .*=|\$\((file|guile|let|intcmp) "
    )
    text = (ROOT / "Makefile").read_text()
    assert [line for line in text.splitlines() if line[:1] != "\t" and re.search(newer, line)] == []


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        served = python("tools/site_server.py", str(server.getsockname()[1]))
    assert served.returncode == 2
    [line] = served.stderr.splitlines()
    assert "make serve PORT=" in line


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("yes", "1 failed")])
def test_a_missing_tool_is_named_and_is_a_failure_where_it_is_required(
    required: str, outcome: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    test = "import conftest\ndef test():\n    conftest.need('chromium')\n"
    (tmp_path / "test_it.py").write_text(test)
    env = {"PATH": str(tmp_path), "REQUIRE_TOOLS": required, "PYTEST_ADDOPTS": ""}
    tested = python("-m", "pytest", folder=tmp_path, env=env).stdout
    assert outcome in tested
    lack = "chromium is missing: apt-get install chromium"
    assert (f"{lack}\n" if required else f"1 test skipped: {lack}\n") in tested
