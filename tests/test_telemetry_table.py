"""The table: made by the real program, checked both ways, replaced as a whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import QUICK, Doctor, Run, installed_stripepy, python
from telemetry import coolers
from telemetry.rows import from_tsv

HOSTILE = {
    "STRIPEPY_NO_TELEMETRY": "1",
    "NO_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_RESOURCE_ATTRIBUTES": "planted=attribute,service.name=planted",
    "OTEL_SERVICE_NAME": "planted",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "*",
    "OTEL_EXPORTER_OTLP_HEADERS": "planted=header",
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "LC_ALL": "de_DE.UTF-8",
    "TZ": "Asia/Kathmandu",
    "COLUMNS": "20",
    "PYTHONWARNINGS": "error",
}


def assets_of(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "assets").iterdir()}


def printed(run: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert run.returncode == 0, run.stderr
    return dict(from_tsv(run.stdout))


def test_the_committed_table_is_what_the_program_sends_and_stays_untouched(
    table: Run, project: Path
) -> None:
    before = assets_of(project)
    checked, written = table("--check"), table()
    for run in (checked, written):
        assert (run.returncode, run.stdout) == (0, "Up to date: assets/telemetry_table.tsv\n")
    assert assets_of(project) == before


def test_a_user_with_hostile_variables_gets_the_same_table(table: Run) -> None:
    run = table("--check", **HOSTILE)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_missing_table_is_made(table: Run, project: Path) -> None:
    before = assets_of(project)
    for name in ("telemetry_table.tsv", "telemetry_table.json"):
        (project / "assets" / name).unlink()
    assert table("--check").returncode != 0
    run = table()
    assert (run.returncode, run.stdout) == (0, "Updated: assets/telemetry_table.tsv\n")
    made = from_tsv((project / "assets/telemetry_table.tsv").read_text())
    committed = from_tsv(before["telemetry_table.tsv"].decode())
    assert [field for field, _ in made] == [field for field, _ in committed]


@pytest.mark.parametrize("form", ["hic", "cool", "mcool"])
def test_every_format_of_contact_map_can_be_printed(
    table: Run, project: Path, tmp_path: Path, form: str
) -> None:
    matrix = tmp_path / f"map.{form}"
    make = {"cool": coolers.make_cooler, "mcool": coolers.make_multires_cooler}.get(form)
    if make:
        make(matrix)
    else:
        matrix.write_bytes((project / "assets/sample.hic").read_bytes())
    before = assets_of(project)
    run = table("--print", "--format", "tsv", "--", "call", str(matrix), "10000")
    assert printed(run)["params.contact_map_format"] == form
    assert assets_of(project) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [matrix.name, "project"]


def test_a_failing_run_is_printed_with_its_error_and_stripepys_own_words(
    table: Run, tmp_path: Path
) -> None:
    matrix = tmp_path / "secret-name.hic"
    matrix.write_bytes(b"no matrix")
    run = table("--print", "--format", "tsv", "--", "call", str(matrix), "10000")
    values = printed(run)
    assert values["status.code"] == "STATUS_CODE_ERROR"
    assert values["exception.type"] == "RuntimeError"
    assert values["exception.message"] == values["exception.stacktrace"] == '""'
    assert "secret-name" not in run.stdout
    assert "RuntimeError: error opening file" in run.stderr


def test_print_gives_otlp_json_as_the_specification_has_it(table: Run) -> None:
    run = table("--print", "--format", "json", "--", "download", "--list-only")
    span = json.loads(run.stdout)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (span["name"], span["kind"]) == ("download", 1)
    assert len(bytes.fromhex(span["traceId"])) == 16
    assert len(bytes.fromhex(span["spanId"])) == 8


def test_print_needs_nothing_but_stripepy() -> None:
    code = """
import sys
sys.modules.update(dict.fromkeys(("pydantic", "sphinx", "docutils")))
sys.path.insert(0, "scripts")
import telemetry_table
telemetry_table.edge.run(telemetry_table.main)
"""
    run = python("-c", code, "--print", "--", "download", "--list-only")
    assert run.returncode == 0, run.stderr
    assert "params.list_only" in run.stdout


@pytest.mark.parametrize("option", ["-o{}", "--output-file={}", "-o {}"])
@pytest.mark.parametrize("place", ["{folder}/out.hdf5", "../../out.hdf5", "there/out.hdf5"])
def test_no_output_lands_outside_of_the_private_folder(
    table: Run, project: Path, tmp_path: Path, option: str, place: str
) -> None:
    (project / "there").mkdir()
    planted = [project / "there/out.hdf5", tmp_path / "out.hdf5", tmp_path.parent / "out.hdf5"]
    path = place.format(folder=tmp_path)
    arguments = option.format(path).split()
    run = table("--print", "--", "call", "sample.hic", "10000", "--force", *arguments)
    assert run.returncode == 0, run.stderr
    assert "STATUS_CODE_OK" in run.stdout
    assert not any(file.exists() for file in planted)
    (project / "there/out.hdf5").write_text("mine")
    table("--print", "--", *QUICK, "--force", *arguments)
    assert (project / "there/out.hdf5").read_text() == "mine"


def test_print_names_the_callers_variables_that_would_change_what_is_sent(table: Run) -> None:
    variables = {"STRIPEPY_NO_TELEMETRY": "1", "OTEL_RESOURCE_ATTRIBUTES": "a=b"}
    run = table("--print", "--", "download", "--list-only", **variables)
    assert "your OTEL_RESOURCE_ATTRIBUTES, STRIPEPY_NO_TELEMETRY would change" in run.stderr


# -- Findings ------------------------------------------------------------------------------------

CALL = "cli/call.py"
SPAN = '                "params.k": k,\n'
TELEMETRY = "cli/telemetry.py"

DOCTORED = [
    (CALL, SPAN, SPAN + '"params.user": "x",\n', "undocumented-field: params.user = x"),
    (CALL, SPAN, "", "documented-but-never-sent: params.k"),
    (CALL, SPAN, '"params.k": str(k),\n', 'unexpected-value: params.k = "3": is of type string'),
    (CALL, SPAN, '"params.k": float(k),\n', "unexpected-value: params.k = 3.0: is of type double"),
    (CALL, SPAN, '"params.k": k + 1,\n', "unexpected-value: params.k = 4: was 3"),
    (CALL, SPAN, '"params.K": k,\n', "undocumented-field: params.K = 3"),
    (CALL, SPAN, SPAN + '"name": "x",\n', "undocumented-field: name = x"),
    (
        TELEMETRY,
        'SERVICE_NAME: "stripepy"',
        'SERVICE_NAME: "stripepy", "host.name": "x"',
        "undocumented-field: host.name = x",
    ),
    (TELEMETRY, "if dep.marker", "if dep.name != 'h5py' and dep.marker", "dependency.opentel"),
    (
        TELEMETRY,
        'trace.get_tracer("stripepy")',
        'trace.get_tracer("stripepy", "1", schema_url="https://x.example")',
        "undocumented-field: scope.version",
    ),
    (
        TELEMETRY,
        "HOST_ARCH: platform.machine()",
        "HOST_ARCH: platform.node()",
        "unexpected-value: host.arch = ",
    ),
    (
        TELEMETRY,
        "version(dep.name)",
        "version(dep.name) + '.post1'",
        "unexpected-value: dependency.h5py.version = ",
    ),
    (
        TELEMETRY,
        "paulsenlab.com:4319",
        "paulsenlab.org:4319",
        "unexpected-value: exporters = ",
    ),
    (
        TELEMETRY,
        "timeout=5,",
        "timeout=5, headers={'x-user': 'me'},",
        "unexpected-value: exporters",
    ),
    (
        TELEMETRY,
        "        span.set_status(status)",
        "        span.set_status(status); span.add_event('done')",
        "undocumented-field: event.name = done",
    ),
    (
        TELEMETRY,
        "status = Status(StatusCode.OK)",
        "status = Status(StatusCode.ERROR)",
        "unexpected-value: status.code = STATUS_CODE_ERROR",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "finding"), DOCTORED)
@pytest.mark.usefixtures("quick_project")
def test_check_goes_red_on_a_changed_stripepy(
    table: Run, doctor: Doctor, file: str, old: str, new: str, finding: str
) -> None:
    if "dependency.opentel" in finding:
        old = '        if dep.name.startswith("opentelemetry"):\n            return None\n'
        new, finding = "", "undocumented-field: dependency.opentelemetry-sdk.version"
    run = table("--check", "--", *QUICK, PYTHONPATH=str(doctor({file: (old, new)})))
    assert run.returncode == 1, run.stdout + run.stderr
    assert any(line.startswith(finding) for line in run.stdout.splitlines()), run.stdout


def test_findings_stop_a_writing_run_until_they_are_accepted(
    table: Run, quick_project: Path, doctor: Doctor
) -> None:
    file, old, new, finding = DOCTORED[4]
    path, before = str(doctor({file: (old, new)})), assets_of(quick_project)
    stopped = table("--", *QUICK, PYTHONPATH=path)
    assert stopped.returncode == 1
    assert finding in stopped.stdout
    assert "-params.k\t3\n+params.k\t4\n" in stopped.stdout
    assert assets_of(quick_project) == before
    accepted = table("--accept", "--", *QUICK, PYTHONPATH=path)
    assert accepted.returncode == 0
    assert ("params.k", "4") in from_tsv((quick_project / "assets/telemetry_table.tsv").read_text())


def test_findings_appear_as_annotations_on_github(table: Run, doctor: Doctor) -> None:
    file, old, new, _ = DOCTORED[0]
    path = str(doctor({file: (old, new)}))
    run = table("--check", "--", *QUICK, PYTHONPATH=path, GITHUB_ACTIONS="true")
    assert "\n::error file=assets/telemetry_fields.toml,title=undocumented-field::" in run.stdout


def test_another_command_is_documented_and_the_check_says_that_the_table_is_another(
    table: Run, project: Path, tmp_path: Path
) -> None:
    matrix = tmp_path / "other map.hic"
    matrix.write_bytes((project / "assets/sample.hic").read_bytes())
    command = ("--", "call", str(matrix), "10000", "-k", "4")
    assert table("--check", *command).returncode == 1
    assert table(*command).returncode == 0
    text = (project / "assets/telemetry_table.json").read_text()
    assert json.loads(text)["command"] == "stripepy call 'other map.hic' 10000 -k 4"
    assert str(tmp_path) not in text
    outdated = table("--check")
    assert outdated.returncode == 1
    assert outdated.stdout.startswith("outdated-table: ")


# -- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--format", "tsv"], 2, "--format goes with --print"),
        (["--check", "--print"], 2, "not allowed with"),
        (["--timeout", "0"], 2, "--timeout"),
        (["--print", "call", "sample.hic", "10000", "-p", "2"], 2, "goes behind --"),
        (["--", "--version"], 3, "sends nothing"),
        (["--", "call", "nosuch.hic", "10000"], 3, 'Not an existing file: "nosuch.hic"'),
        (["--", "call", "sample.hic", "12345"], 3, "does not have interactions for resolution"),
        (["--", "call", "sample.hic", "10000", "-p", "9999"], 3, "Not a valid number of CPU cores"),
        (["--", "call", "conf.py", "10000"], 3, "error opening file"),
        (["--", "call", "truncated.hic", "10000"], 3, "error opening file"),
        (["--", "nosuch"], 3, "invalid choice: 'nosuch'"),
        (["--timeout", "0.1"], 3, "did not end within 0 s"),
        (["--print", "--", "download", "--name", "ENCFF993FGR"], 3, "look-up of zenodo.org"),
    ],
)
def test_a_users_mistake_gets_one_line_and_the_mend(
    table: Run, project: Path, arguments: list[str], status: int, words: str
) -> None:
    sample = (project / "assets/sample.hic").read_bytes()
    (project / "truncated.hic").write_bytes(sample[: len(sample) // 2])
    before = assets_of(project)
    run = table(*arguments)
    assert run.returncode == status
    line = run.stderr.splitlines()[-1]
    assert words in line
    assert "error: " in line
    assert status == 2 or "mend: " in line
    assert "Traceback" not in run.stderr
    assert assets_of(project) == before


def test_without_stripepy_the_error_says_how_to_install_it(tmp_path: Path, project: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    for mode in ((), ("--check",), ("--print",)):
        bare = tmp_path / "bare/bin/python"
        run = python("scripts/telemetry_table.py", *mode, folder=project, interpreter=bare)
        assert run.returncode == 3
        assert run.stderr.startswith("error: stripepy cannot run here: ")
        assert "pip install --upgrade stripepy-hic" in run.stderr


def test_a_stripepy_from_before_telemetry_is_named(table: Run, doctor: Doctor) -> None:
    folder = doctor({"main.py": ("no_telemetry: bool = False", "no_telemetry: bool = True")})
    metadata = next(installed_stripepy().parent.glob("stripepy_hic-*.dist-info/METADATA"))
    information = folder / "stripepy_hic-1.1.0.dist-info"
    information.mkdir()
    lines = metadata.read_text().splitlines(keepends=True)
    (information / "METADATA").write_text(
        "".join("Version: 1.1.0\n" if line.startswith("Version:") else line for line in lines)
    )
    run = table("--check", "--", *QUICK, PYTHONPATH=str(folder))
    assert run.returncode == 3
    assert "stripepy-hic 1.1.0 sends no telemetry, which came with 1.1.1" in run.stderr


def test_telemetry_that_is_switched_off_is_named(table: Run, doctor: Doctor) -> None:
    folder = doctor({"main.py": ("no_telemetry: bool = False", "no_telemetry: bool = True")})
    run = table("--check", "--", *QUICK, PYTHONPATH=str(folder))
    assert run.returncode == 3
    assert "sent no span: telemetry is switched off" in run.stderr


# -- Interruptions -------------------------------------------------------------------------------

REPLACE = """
import os, pathlib, resource, signal, sys
sys.path.insert(0, "scripts")
from telemetry import assets, edge
{sabotage}
edge.run(lambda: assets.replace(assets.TABLE, b"new" * 100_000) or 0)
"""


@pytest.mark.parametrize(
    ("sabotage", "status"),
    [
        ("os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGINT)", 130),
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))", 3),
    ],
    ids=["SIGKILL", "SIGTERM", "SIGINT", "full disk"],
)
def test_an_interrupted_write_leaves_the_old_file(
    project: Path, sabotage: str, status: int
) -> None:
    before = (project / "assets/telemetry_table.tsv").read_bytes()
    run = python("-c", REPLACE.format(sabotage=sabotage), folder=project)
    assert run.returncode == status, run.stderr
    assert (project / "assets/telemetry_table.tsv").read_bytes() == before
    assert "Traceback" not in run.stderr


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
    assert (process.returncode, stderr) == (status, "interrupted: the files are as they were\n")
    assert list(short_folder.iterdir()) == []
    assert assets_of(project) == before
