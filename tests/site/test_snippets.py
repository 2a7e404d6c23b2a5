"""What a page tells readers to type does what the page says, or is marked as not tested.

Each snippet that switches telemetry off runs in its own tool, as it stands on the page and with
another name for the variable. Two runs of the real program show what StripePy does with it.
"""

import json
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ruamel.yaml import YAML

from conftest import ROOT, need, run
from slurm import cluster
from snippets import COMMAND, SWITCH, Place, Snippet, snippets
from telemetry.capture.command_line import CHANGES
from telemetry.capture.process import capture
from telemetry.records import table
from telemetry.records.runs import Mode, Observation, Run

SWITCHES = [*snippets("switch-off"), *snippets("administrators")]
WATCHES = snippets("see-for-yourself")
[ENTER] = [snippet for snippet in SWITCHES if "/activate.d" in snippet.caption]
[LEAVE] = [snippet for snippet in SWITCHES if "/deactivate.d" in snippet.caption]
[CHECK] = [snippet for snippet in SWITCHES if "--verbosity debug" in snippet.code]
SLOW = {"workflow tools", "slurm"}
INIT = {
    "environment-modules": "/usr/share/modules/init/bash",
    "lmod": "/usr/share/lmod/lmod/init/bash",
}
GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
# What every easyconfig must contain.
EASYCONFIG = """\
easyblock = "Bundle"
name, version, toolchain = "stripes", "1", SYSTEM
homepage, description = "https://example.org/", "Nothing to build"
"""
BUILD = (
    "eb stripes.eb --module-only --force --skip-sanity-check --prefix=built --robot-paths=."
    " --modules-tool=EnvironmentModules --module-syntax=Tcl"
    " --allow-use-as-root-and-accept-consequences"
)


def content(file: str) -> str:
    """The content that a page gives for a file, by the file's name."""
    [code] = [snippet.code for snippet in SWITCHES if snippet.file == file]
    return code


# -- How each tool runs a snippet -----------------------------------------------------------------


def shell(place: Place, snippet: Snippet) -> str:
    """Run stripepy in the same session; after a permanent change, in a new one."""
    name, _, _ = snippet.tool.partition(",")
    if snippet.caption == "Permanently":
        place.run(name, "-c", snippet.code)
        # bash reads ~/.bashrc only if it is interactive.
        return place.run(name, *(["-i"] if name == "bash" else []), "-c", COMMAND)
    # Apptainer runs this section when a container starts.
    code = snippet.code.rpartition("%environment")[2]
    return place.run(name, "-c", code if "stripepy " in code else f"{code}{COMMAND}\n")


def python(place: Place, snippet: Snippet) -> str:
    code = snippet.code
    if "subprocess" not in code:
        code += f"\nimport subprocess\nsubprocess.run({COMMAND.split()}, check=True)\n"
    return place.run("python3", "-c", code)


def notebook(place: Place, snippet: Snippet) -> str:
    cell = dict[str, object](cell_type="code", metadata={}, outputs=[], execution_count=None)
    cells = [{**cell, "id": code[1:4], "source": code} for code in (snippet.code, f"!{COMMAND}")]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return place.run("jupyter", "execute", place.write("stripes.ipynb", json.dumps(book)))


def snakemake(place: Place, snippet: Snippet) -> str:
    """Run a Snakefile, or a command on that Snakefile without the lines that switch off."""
    if snippet.file == "Snakefile":
        place.write("Snakefile", snippet.code)
        return place.run("snakemake", "--cores", "1")
    workflow = content("Snakefile")
    place.write("Snakefile", workflow[workflow.index("rule ") :])
    return place.run("bash", "-c", snippet.code)


def wrapper(place: Place, snippet: Snippet) -> str:
    path = place.write("bin/stripepy", snippet.code.replace("/opt/stripepy/bin", str(place.bin)))
    path.chmod(0o755)
    return place.run("sh", "-c", f"PATH={path.parent}:$PATH; {COMMAND}")


def modules(place: Place, snippet: Snippet) -> str:
    """Load the file with each tool, in separate sessions, until one does not set the variable."""
    folder = place.write(
        f"modules/stripes{'.lua' if snippet.tool == 'Lmod' else ''}", snippet.code
    ).parent
    for tool in TOOL[snippet.tool][1]:
        place.record.unlink(missing_ok=True)
        load(place, tool, f"module use {folder}; module load stripes; {COMMAND}")
        if place.found() != "1":
            break
    return ""


def load(place: Place, tool: str, commands: str) -> str:
    return place.run("bash", "-c", f"source {INIT[tool]}; {commands}")


def easybuild(place: Place, snippet: Snippet) -> str:
    place.write("stripes.eb", EASYCONFIG + snippet.code)
    use = "module use built/modules/all; module load stripes"
    return load(place, "environment-modules", f"{BUILD}; {use}; {COMMAND}")


def slurm(place: Place, snippet: Snippet) -> str:
    """Run in a cluster; a prolog must work even for a job to which no variables are passed."""
    prolog, submit = "#!/bin/sh\n", snippet.code
    if "prolog" in snippet.file:
        prolog, submit = snippet.code, "sbatch --export=NONE job.sh"
    place.write("job.sh", f"#!/bin/bash\nPATH={place.bin}:$PATH\n{COMMAND}\n")
    # Its path has to be short enough for a socket.
    with TemporaryDirectory(dir="/tmp") as folder, cluster(Path(folder), prolog) as settings:
        said = place.run("env", f"SLURM_CONF={settings}", "bash", "-c", submit)
        deadline = time.monotonic() + 60
        while not place.record.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    return said


def systemd(place: Place, snippet: Snippet) -> str:
    """Use the file of a single user, which has the same format and the same reader."""
    name = place.home / ".config" / "environment.d" / Path(snippet.file).name
    place.write(str(name), snippet.code)
    return with_variables(place, place.run(GENERATOR).splitlines())


def action(place: Place, snippet: Snippet) -> str:
    """Run each step in a shell of its own, then stripepy with the variables in the file."""
    file = place.write("variables", "")
    for step in YAML(typ="safe").load(snippet.code)["runs"]["steps"]:
        place.run("env", f"GITHUB_ENV={file}", step["shell"], "-c", step["run"])
    return with_variables(place, file.read_text().splitlines())


def with_variables(place: Place, variables: list[str]) -> str:
    return place.run("env", *variables, *COMMAND.split())


def login(place: Place, snippet: Snippet) -> str:
    """Run in a login session that finds the snippet in /etc/profile.d."""
    folder = place.write(Path(snippet.file).name, snippet.code).parent
    cover = 'mount --bind "$1" /etc/profile.d && exec bash -l -c "$2"'
    # A login session resets PATH.
    command = f"PATH={place.bin}:$PATH; {COMMAND}"
    return place.run(
        "unshare", "--map-root-user", "--mount", "sh", "-c", cover, "sh", folder, command
    )


# For each tool, the function that runs its snippets, and what that needs.
TOOL: dict[str, tuple[Callable[[Place, Snippet], str], list[str]]] = {
    "bash": (shell, []),
    "zsh": (shell, ["zsh"]),
    "fish": (shell, ["fish"]),
    "bash, without a scheduler": (shell, []),
    "Python": (python, []),
    "Jupyter": (notebook, ["workflow tools"]),
    "Snakemake": (snakemake, ["workflow tools"]),
    "sh": (wrapper, []),
    "sh, without conda": (shell, []),
    "sh, without Apptainer": (shell, []),
    "Environment Modules and Lmod": (modules, ["environment-modules", "lmod"]),
    "Lmod": (modules, ["lmod"]),
    "EasyBuild": (easybuild, ["workflow tools", "environment-modules"]),
    "Slurm": (slurm, ["slurm"]),
    "systemd's generator": (systemd, ["systemd"]),
    "bash, without GitHub": (action, []),
    "a login session of bash": (login, ["namespaces"]),
}


# -- What the pages promise -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(
            snippet,
            id=f"{number}: {snippet.tool}: {snippet.caption or 'check'}",
            marks=pytest.mark.slow if SLOW & {*TOOL[snippet.tool][1]} else (),
        )
        for number, snippet in enumerate(SWITCHES, start=1)
        if not snippet.not_tried and snippet is not LEAVE
    ],
)
def test_a_snippet_sets_the_variable_and_the_same_with_another_name_does_not(
    snippet: Snippet, tmp_path: Path
) -> None:
    start, needs = TOOL[snippet.tool]
    need(*needs)
    if "python3" in snippet.code:
        assert shell(Place(tmp_path), snippet) == snippet.output
        return
    other = replace(snippet, code=snippet.code.replace(SWITCH, "STRIPEPY_NO_SUCH_SWITCH"))
    for name, code, found in ("off", snippet, "1"), ("on", other, "not set"):
        place = Place(tmp_path / name)
        start(place, code)
        assert place.found() == found


@pytest.mark.parametrize(
    ("before", "after"), [("", "not set"), (f"export {SWITCH}=mine; ", "mine")]
)
def test_leaving_a_conda_environment_brings_back_what_the_user_had(
    before: str, after: str, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    # Twice: conda leaves an active environment before activating it again.
    shell(place, replace(ENTER, code=before + (ENTER.code + LEAVE.code) * 2))
    assert place.found() == after


def test_compose_and_spack_read_the_value_as_text() -> None:
    compose, spack = (YAML(typ="safe").load(content(f)) for f in ("compose.yaml", "modules.yaml"))
    [package] = spack["modules"]["default"]["tcl"].values()
    off = {SWITCH: "1"}
    assert package["environment"]["set"] == compose["services"]["stripepy"]["environment"] == off


def test_stripepy_finds_what_the_shell_has_set_and_says_so(tmp_path: Path) -> None:
    place = Place(tmp_path)
    shell(place, CHECK)
    argv = tuple(CHECK.code.partition("stripepy ")[2].partition(" 2>&1")[0].split())

    def real(environment: dict[str, str]) -> Observation:
        checked = Run("checked", argv, mode=Mode.MEMORY, environment=environment)
        return capture(checked, tmp_path, interpreter=Path(sys.executable))

    off, on = real({SWITCH: place.found()}), real({})
    assert CHECK.output.rstrip() in off.stderr
    assert "setting up telemetry..." in on.stderr
    assert "``setting up telemetry...``" in (ROOT / "docs/switch-off.rst").read_text()
    assert (len(off.bodies), len(on.bodies)) == (0, 1)


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(
            snippet,
            id=snippet.code.splitlines()[-1],
            marks=() if "--print" in snippet.code else pytest.mark.slow,
        )
        for snippet in WATCHES
        if not snippet.not_tried
    ],
)
def test_a_command_prints_the_fields_of_this_site_or_what_the_page_says(
    project: Path, snippet: Snippet
) -> None:
    on_the_wire = "telemetry_request.py" in snippet.code
    if on_the_wire:
        need("namespaces")
    # StripePy recognises a map by its content, whatever its name.
    shutil.copy(project / "assets/sample.hic", project / "my.mcool")
    environment = {name: os.environ[name] for name in os.environ if not CHANGES.fullmatch(name)}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    code = snippet.code.replace(".venv/bin/python ", "python ")
    ended = run("bash", "-c", code, folder=project, env={**environment, "PATH": path})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if snippet.output:
        assert ended.stdout == snippet.output
        return
    request, _, fields = ended.stdout.rpartition("\n\n")
    assert request.startswith("POST /v1/traces HTTP/1.1\n") == on_the_wire
    assert [line.split()[0] for line in fields.splitlines()] == [
        field for field, _ in table.load().table
    ]


def test_each_way_to_see_is_tested() -> None:
    tested = {word for snippet in WATCHES if not snippet.not_tried for word in snippet.code.split()}
    assert {"scripts/telemetry_table.py", "scripts/telemetry_request.py"} <= tested


def test_pip_check_misses_an_opentelemetry_that_a_package_leaves_out(tmp_path: Path) -> None:
    packages = Path(sysconfig.get_path("purelib"))
    for found in (packages / "pip", *packages.glob("*.dist-info")):
        if not found.name.startswith("opentelemetry"):
            (tmp_path / found.name).symlink_to(found)
    said = run(sys.executable, "-S", "-m", "pip", "check", env={"PYTHONPATH": str(tmp_path)})
    lacks = {line.split()[3] for line in said.stdout.splitlines() if line.startswith("stripepy")}
    assert lacks == {
        f"opentelemetry-{name}," for name in ("api", "sdk", "exporter-otlp-proto-http")
    }
    assert "``pip check`` reports" in (ROOT / "docs/administrators.rst").read_text()
