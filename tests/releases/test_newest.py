"""The daily check: it finds a change, and reports it before it looks for the cause."""

import sys
from pathlib import Path

import pytest
from packaging.version import Version

import telemetry_newest
from conftest import Doctor, need
from telemetry.records import releases
from telemetry.records.exits import Exit, UserError
from telemetry.records.releases import FieldSeen, Setup
from telemetry.releases import environments, history, observations
from telemetry.releases.environments import Environment, Release

LEAK = FieldSeen(part="span attribute", types=["string"], values=["x"], sent_by={"call": "always"})


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> Setup:
    """The newest setup of the committed history, with its release made the newest on the index."""
    newest = releases.load().newest()
    known = [Release(Version(newest.release))]
    monkeypatch.setattr(environments, "releases", lambda _: known)
    return newest


def run(now: Setup, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(history, "looking", lambda _: lambda _: now)
    monkeypatch.setattr(sys, "argv", ["scripts/telemetry_newest.py", *arguments])
    return telemetry_newest.main()


def test_without_a_change_it_says_so(
    committed: Setup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(committed, monkeypatch) == Exit.OK
    assert "sends what the site says" in capsys.readouterr().out


def test_a_new_release_is_told(monkeypatch: pytest.MonkeyPatch, committed: Setup) -> None:
    monkeypatch.setattr(environments, "releases", lambda _: [Release(Version("999"))])
    assert run(committed, monkeypatch) == Exit.NEW_RELEASE


def test_a_finding_is_told_before_its_cause_is_asked_for(
    committed: Setup,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    issue = tmp_path / "issue.md"
    told = ""

    def bisect(*_: object, **__: object) -> None:
        nonlocal told
        told = capsys.readouterr().out
        raise UserError("no network", "wait")

    monkeypatch.setattr(history, "bisect", bisect)
    packages = {**committed.packages, history.SDK: "999"}
    now = committed.model_copy(
        update={"fields": {**committed.fields, "params.user": LEAK}, "packages": packages}
    )
    assert run(now, monkeypatch, "--issue", str(issue)) == Exit.FINDINGS
    cause = f"unfinished: {history.SDK}: no network"
    assert issue.read_text() + "\n" == told.replace("under way", cause)
    assert told.startswith("# What StripePy sends has changed\n")
    assert "changed-with-dependencies: params.user: `params.user` is new" in told
    assert "Bisection: under way.\n" in told
    assert f"Repeat it: `python scripts/telemetry_newest.py --issue {issue}`\n" in told
    assert capsys.readouterr().out == f"Bisection: {cause}.\n"


@pytest.mark.slow
def test_a_changed_program_is_found(
    committed: Setup,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    doctor: Doctor,
    tmp_path: Path,
) -> None:
    need("namespaces")
    span = '                "params.k": k,\n'
    path = doctor(("cli/call.py", span, span + '"params.user": "x",\n'))
    commands = [run for run in observations.runs() if run.name.startswith("command: ")]
    here = Environment(Path(sys.executable), (f"stripepy-hic=={committed.release}",))

    def kept(environment: Environment, _: object) -> observations.Seen:
        monkeypatch.setenv("PYTHONPATH", str(path))
        return observations.made(environment.python, commands)

    monkeypatch.setattr(history, "resolve", lambda _: here)
    monkeypatch.setattr(observations, "kept", kept)
    issue = tmp_path / "issue.md"
    arguments = ("--no-bisect", "--issue", str(issue))
    monkeypatch.setattr(sys, "argv", ["scripts/telemetry_newest.py", *arguments])
    assert telemetry_newest.main() == Exit.FINDINGS
    told = capsys.readouterr().out
    assert told == issue.read_text() + "\n"
    assert "changed-with-dependencies: params.user: `params.user` is new" in told
    # Nothing else has changed.
    assert told.count("\n- ") == 1
