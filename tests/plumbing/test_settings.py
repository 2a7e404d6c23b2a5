"""Locks and workflows: what is installed is locked, and every door is narrow."""

import re
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from conftest import ROOT

LOCKS = ["requirements-docs.txt", "requirements-dev.txt", "requirements-tools.txt"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ENTRY = re.compile(r"(?P<name>[a-z0-9-]+)==[\w.]+( ; [^\\]+)?( --hash=sha256:[0-9a-f]{64})+")


def locked(lock: str) -> dict[str, set[str]]:
    """Every entry of a lock by package; a package has several where Pythons differ."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    packages: dict[str, set[str]] = {}
    for entry in re.sub(r" \\\n +", " ", text).splitlines():
        match = ENTRY.fullmatch(entry)
        assert match, f"{lock}: neither a version nor hashes, or a place to install from: {entry}"
        packages.setdefault(match["name"], set()).add(entry)
    return packages


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_one_version_and_hashes_of_whatever_is_asked_for(lock: str) -> None:
    asked = (ROOT / lock).with_suffix(".in").read_text()
    names = re.findall(r"^[A-Za-z][\w.-]*", asked, re.MULTILINE)
    assert names
    assert {canonicalize_name(name) for name in names} <= locked(lock).keys(), "run: make lock"
    assert "://" not in (ROOT / lock).read_text()


def test_tests_run_with_what_the_site_is_built_with() -> None:
    docs, dev, _ = map(locked, LOCKS)
    assert docs == {package: dev.get(package) for package in docs}, "run: make lock"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_that_its_job_did_not_ask_for(workflow: Path) -> None:
    settings = YAML(typ="safe").load(workflow)
    assert settings["permissions"] == {}
    for job in settings["jobs"].values():
        if "uses" in job:
            continue
        # A bisection takes hours; without a limit, a run that hangs would take six.
        assert job["timeout-minutes"] <= 240
        if job["permissions"] != {"contents": "read"}:
            assert not any("run" in step for step in job["steps"]), "who may write runs nothing"
