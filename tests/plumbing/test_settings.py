"""Locks and workflows: tests run with what builds the site, and permissions are minimal."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_tests_run_with_what_the_site_is_built_with() -> None:
    texts = ((ROOT / f"requirements-{of}.txt").read_text() for of in ("docs", "dev"))
    docs, dev = ({line for line in text.splitlines() if "==" in line} for text in texts)
    assert docs
    assert docs <= dev, "run: make lock"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_that_its_job_did_not_ask_for(workflow: Path) -> None:
    settings = YAML(typ="safe").load(workflow)
    assert settings["permissions"] == {}
    for job in settings["jobs"].values():
        if "uses" in job:
            continue
        # A bisection takes hours; without a limit, GitHub lets a job that hangs run for six.
        assert job["timeout-minutes"] <= 240
        if job["permissions"] != {"contents": "read"}:
            assert not any("run" in step for step in job["steps"]), "who may write runs nothing"
