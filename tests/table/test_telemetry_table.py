"""The table: made by the real program, checked both ways, replaced as a whole or not at all."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Doctor, need, python, run
from telemetry.evidence import planted
from telemetry.records import files
from telemetry.records.exits import Exit, UserError
from telemetry.records.rows import from_tsv

HOSTILE = {
    "STRIPEPY_NO_TELEMETRY": "1",
    "NO_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_RESOURCE_ATTRIBUTES": "planted=attribute,service.name=planted",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "*",
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "LC_ALL": "de_DE.UTF-8",
    "TZ": "Asia/Kathmandu",
    "COLUMNS": "20",
    "PYTHONWARNINGS": "error",
}

# The quickest command that sends a message.
LIST = ("--", "download", "--list-only")

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(project: Path) -> Command:
    """Run telemetry_table.py of a copy of the project: `command("--check", PYTHONPATH=...)`."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return python("scripts/telemetry_table.py", *arguments, folder=project, env=environment)

    return run


def assets_of(project: Path) -> dict[str, bytes]:
    files = filter(Path.is_file, (project / "assets").iterdir())
    return {path.name: path.read_bytes() for path in files}


def test_a_user_with_hostile_variables_gets_the_committed_table_and_it_stays_untouched(
    command: Command, project: Path
) -> None:
    before = assets_of(project)
    run = command(**HOSTILE)
    assert (run.returncode, run.stdout) == (0, "Up to date: assets/telemetry_table.tsv\n")
    assert assets_of(project) == before


def test_a_failing_run_is_printed_with_its_error_and_stripepys_own_words(
    command: Command, tmp_path: Path
) -> None:
    matrix = tmp_path / "secret-name.hic"
    matrix.write_bytes(b"no matrix")
    run = command("--print", "--format", "tsv", "--", "call", str(matrix), "10000")
    assert run.returncode == 0, run.stderr
    values = dict(from_tsv(run.stdout))
    assert values["status.code"] == "STATUS_CODE_ERROR"
    assert values["exception.type"] == "RuntimeError"
    assert values["exception.message"] == values["exception.stacktrace"] == '""'
    assert "secret-name" not in run.stdout
    assert "RuntimeError: error opening file" in run.stderr


def test_print_gives_otlp_json_and_needs_nothing_but_stripepy(project: Path) -> None:
    code = """
import sys
sys.modules.update(dict.fromkeys(("pydantic", "sphinx", "docutils", "trustme", "dns")))
sys.path.insert(0, "scripts")
import telemetry_table
telemetry_table.exits.run(telemetry_table.main)
"""
    environment = {"STRIPEPY_NO_TELEMETRY": "1", "OTEL_RESOURCE_ATTRIBUTES": "a=b"}
    run = python("-c", code, "--print", "--format", "json", *LIST, folder=project, env=environment)
    assert run.returncode == 0, run.stderr
    span = json.loads(run.stdout)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (span["name"], span["kind"]) == ("download", 1)
    assert len(bytes.fromhex(span["traceId"])) == 16
    assert "your OTEL_RESOURCE_ATTRIBUTES, STRIPEPY_NO_TELEMETRY would change" in run.stderr


# -- Findings -------------------------------------------------------------------------------------


def test_findings_stop_a_writing_run_until_they_are_accepted(
    command: Command, project: Path, doctor: Doctor
) -> None:
    path = str(doctor(("cli/call.py", '"params.k": k,', '"params.k": k + 1,')))
    quick = ("--", "call", "sample.hic", "10000", "-p", "2")
    before = assets_of(project)
    stopped = command(*quick, PYTHONPATH=path, GITHUB_ACTIONS="true")
    assert stopped.returncode == Exit.FINDINGS
    accepting = shlex.join(["python", "scripts/telemetry_table.py", "--accept", *quick])
    finding = f"unexpected-value: params.k = 4: was 3; if that is right: {accepting}\n"
    assert finding in stopped.stdout
    assert "-params.k\t3\n+params.k\t4\n" in stopped.stdout
    assert "\n::error file=assets/telemetry_fields.toml,title=unexpected-value::" in stopped.stdout
    assert assets_of(project) == before
    accepted = command("--accept", *quick, PYTHONPATH=path)
    assert accepted.returncode == 0
    assert ("params.k", "4") in from_tsv((project / "assets/telemetry_table.tsv").read_text())


@pytest.mark.slow
def test_another_command_is_documented_and_the_check_says_that_the_table_is_another(
    command: Command, project: Path, tmp_path: Path
) -> None:
    matrix = tmp_path / "other map.hic"
    matrix.write_bytes((project / "assets/sample.hic").read_bytes())
    other = ("--", "call", str(matrix), "10000", "-k", "4")
    assert command("--check", *other).returncode == Exit.FINDINGS
    for name in ("telemetry_table.tsv", "telemetry_table.json"):
        (project / "assets" / name).unlink()
    assert command("--check", *other).returncode == Exit.USAGE
    run = command(*other)
    assert (run.returncode, run.stdout) == (0, "Updated: assets/telemetry_table.tsv\n")
    text = (project / "assets/telemetry_table.json").read_text()
    assert json.loads(text)["command"] == "stripepy call 'other map.hic' 10000 -k 4"
    assert str(tmp_path) not in text
    outdated = command("--check")
    assert outdated.returncode == Exit.FINDINGS
    assert "outdated-table: assets/telemetry_table.tsv: " in outdated.stdout


# -- Errors ---------------------------------------------------------------------------------------

MISTAKES: list[tuple[Any, ...]] = [
    (["--format", "tsv"], 2, "--format needs --print"),
    (["--check", "--print"], 2, "not allowed with"),
    (["--print", "call", "sample.hic", "10000", "-p", "2"], 2, "go after --"),
    (["--", "--version"], 3, "sends nothing"),
    (["--", "call", "nosuch.hic", "10000"], 3, 'Not an existing file: "nosuch.hic"'),
    (["--", "call", "/none/x.hic", "10000"], 3, 'Not an existing file: "/none/x.hic"'),
    (["--", "call", "/d/my.mcool::/resolutions/10000", "1"], 3, "`stripepy call /d/my.mcool::/res"),
    (["--", "call", "sample.hic", "12345"], 3, "does not have interactions for resolution"),
    (["--", "call", "conf.py", "10000"], 3, "error opening file"),
    (["--", "nosuch"], 3, "invalid choice: 'nosuch'"),
    (["--print", "--", "download", "--name", "ENCFF993FGR"], 3, "look-up of zenodo.org"),
    # StripePy's message is quoted in full, over several lines.
    (
        ["--", "call", "sample.hic", "10000", "-o", "conf.py", "--log-file", "docs/index.rst"],
        3,
        'existing file "conf.py"',
        'existing file "docs/index.rst"',
        "Pass --force",
    ),
]


def test_a_users_mistake_gets_the_reason_and_the_mend(command: Command, project: Path) -> None:
    before = assets_of(project)
    for arguments, status, *words in MISTAKES:
        run = command(*arguments)
        assert run.returncode == status, arguments
        complaint = run.stderr[run.stderr.rindex("error: ") :] if status == 2 else run.stderr
        assert all(word in complaint for word in words), arguments
        assert status == 2 or "fix: " in complaint
        assert "Traceback" not in complaint
    assert assets_of(project) == before


@pytest.mark.parametrize(
    ("script", "status"),
    [("table.py --check", 3), ("claims.py --only status", 3), ("request.py -- download", 0)],
)
def test_a_module_on_pythonpath_that_is_for_another_python_is_stripepys_problem_and_not_ours(
    project: Path, tmp_path: Path, script: str, status: int
) -> None:
    if script.startswith("request"):
        need("namespaces")
    (tmp_path / "numpy.py").write_text("raise ImportError('for another Python')")
    command = f"scripts/telemetry_{script}".split()
    run = python(*command, folder=project, env={"PYTHONPATH": str(tmp_path)})
    assert run.returncode == status
    [line] = run.stderr.splitlines()
    assert "ImportError: for another Python" in line
    assert status == 0 or "fix: unset PYTHONPATH" in line


def test_a_span_that_a_provider_set_before_takes_elsewhere_is_not_shown_as_stripepys(
    command: Command, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(planted.PROVIDER)
    path = {"PYTHONPATH": str(tmp_path)}
    run = command("--print", *LIST, **path)
    assert (run.returncode, run.stdout) == (Exit.NOT_CAPTURED, "")
    assert "a tracer provider that was set before StripePy's own" in run.stderr
    need("namespaces")
    there = path | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://10.1.2.3:4318"}
    run = python("scripts/telemetry_request.py", *LIST, folder=project, env=there)
    assert run.stdout == "nothing reached StripePy's collector\n"
    assert run.stderr == "note: it tried to reach something else: connection to 10.1.2.3:4318\n"


def test_without_stripepy_the_error_says_how_to_install_it(tmp_path: Path, project: Path) -> None:
    python("-m", "venv", "--without-pip", tmp_path / "bare")
    bare = tmp_path / "bare/bin/python"
    refused = run(bare, "scripts/telemetry_table.py", "--print", folder=project)
    assert refused.returncode == Exit.NOT_CAPTURED
    assert refused.stderr.startswith("error: stripepy cannot run here: ")
    assert "pip install --upgrade stripepy-hic" in refused.stderr


def test_a_stripepy_from_before_telemetry_and_one_with_telemetry_off_are_named(
    command: Command, doctor: Doctor
) -> None:
    folder = doctor(("main.py", "no_telemetry: bool = False", "no_telemetry: bool = True"))
    run = command("--check", *LIST, PYTHONPATH=str(folder))
    assert run.returncode == Exit.NOT_CAPTURED
    assert "sent no message: telemetry is switched off" in run.stderr

    information = folder / "stripepy_hic-1.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: stripepy-hic\nVersion: 1.1.0\n")
    run = command("--check", *LIST, PYTHONPATH=str(folder))
    assert run.returncode == Exit.NOT_CAPTURED
    assert "stripepy-hic 1.1.0 sends no telemetry, which came with 1.1.1" in run.stderr


# -- Interruptions --------------------------------------------------------------------------------

REPLACE = """
import os, pathlib, resource, signal, sys
sys.path.insert(0, "scripts")
from telemetry.records import exits, files
names = (files.TABLE, files.MESSAGE, files.PROVENANCE)
new = {path: path.read_bytes() + b" " * 100_000 for path in names}
die = lambda *_: os.kill(os.getpid(), signal.NUMBER)
SABOTAGE
exits.run(lambda: files.replace(new) or 0)
"""
# While the files are being written, and when the first of them has been moved.
SABOTAGE = {
    "while writing": "os.fsync = die",
    "while replacing": (
        "move = pathlib.Path.replace\n"
        "def moved(self, to): move(self, to); to == files.TABLE and die()\n"
        "pathlib.Path.replace = moved"
    ),
}


@pytest.mark.parametrize("moment", SABOTAGE)
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_an_interruption_leaves_all_of_the_old_files_or_all_of_the_new(
    project: Path, moment: str, number: str
) -> None:
    code = REPLACE.replace("SABOTAGE", SABOTAGE[moment]).replace("NUMBER", number)
    before = assets_of(project)
    run = python("-c", code, folder=project)
    expected = getattr(signal, number)
    assert run.returncode == (-expected if number == "SIGKILL" else 128 + expected), run.stderr
    assert "Traceback" not in run.stderr
    files.finish(project / "assets")
    after = assets_of(project)
    changed = {name for name in before if before[name] != after[name]}
    parts = {"telemetry_table.tsv", "telemetry_table.otlp.json", "telemetry_table.json"}
    assert changed == (set() if moment == "while writing" else parts)


def test_what_was_interrupted_and_cannot_be_finished_is_told_and_stays(tmp_path: Path) -> None:
    pending = tmp_path / files.PENDING / "taken"
    pending.parent.mkdir()
    pending.touch()
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match=r"table\.tsv: Is a directory -- fix: make table"):
        files.read(tmp_path / "table.tsv", "make table")
    with pytest.raises(UserError, match=r"table\.tsv: cannot be written: Is a directory"):
        files.replace({tmp_path / "table.tsv": b"new"})
    assert pending.exists()


def test_a_full_disk_leaves_the_old_files(project: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    before = assets_of(project)
    run = python("-c", REPLACE.replace("SABOTAGE", limit), folder=project)
    assert run.returncode == Exit.NOT_CAPTURED
    assert run.stderr.startswith("error: assets/telemetry_table.tsv: cannot be written: ")
    assert assets_of(project) == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_trace(
    project: Path, short_folder: Path, number: int, status: int
) -> None:
    before = assets_of(project)
    process = subprocess.Popen(
        [sys.executable, "scripts/telemetry_table.py"],
        cwd=project,
        env={**os.environ, "TMPDIR": str(short_folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(short_folder.glob("*/stderr")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (status, "interrupted: no file is half-written\n")
    assert list(short_folder.iterdir()) == []
    assert assets_of(project) == before
