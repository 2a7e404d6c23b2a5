"""The history: made by real runs of every release, held against the dictionary, and watched."""

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import html5lib
import jsonschema
import pytest
from packaging.version import Version

from conftest import ROOT, Doctor, python
from telemetry import (
    RECORD_VARIABLE,
    assets,
    bisection,
    chronicle,
    documents,
    fields,
    history,
    repertoire,
    verification,
)
from telemetry.claims.ambient import EFFECTIVE
from telemetry.errors import Exit, UserError
from telemetry.history import Condition, FieldSeen, Setup

# A port of this machine on which nobody listens.
NO_INDEX = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX_URL"), "http://127.0.0.1:9/simple")


def sent(*values: str, types: Sequence[str] = ("int",), when: Condition = "always") -> FieldSeen:
    return FieldSeen(
        part="span attribute", types=list(types), values=list(values), sent_by={"call": when}
    )


def setup(release: str, fields_: dict[str, FieldSeen], **rest: object) -> Setup:
    settings: dict[str, object] = {
        "release": release,
        "uploaded": "2025-01-01",
        "dependencies": "contemporary",
        "python": "3.11.0",
        "state": "sends",
        "reason": "",
        "packages": {},
        "fields": fields_,
        "switched_off": {"call": "sends nothing"},
        "switches": {"DO_NOT_TRACK=1": "no effect"},
        "settings": {"OTEL_TRACES_EXPORTER=none": []},
        "destinations": [],
        "runs": [],
    }
    return Setup.model_validate({**settings, **rest})


def test_the_committed_history_fits_its_schema() -> None:
    schema = json.loads((ROOT / "assets/telemetry_releases.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((ROOT / "assets/telemetry_releases.json").read_text()), schema)
    assert history.render_schema().decode() == json.dumps(schema, indent=1) + "\n"


def test_a_history_of_another_format_is_told_with_the_command_that_makes_it_anew(
    tmp_path: Path,
) -> None:
    old = tmp_path / "telemetry_releases.json"
    old.write_text((ROOT / "assets/telemetry_releases.json").read_text().replace("2", "1", 1))
    with pytest.raises(UserError, match=r"\[history\] version: .* -- mend: make releases$"):
        documents.load(history.History, old, "history", history.MEND)


def test_each_release_before_the_first_with_telemetry_sent_nothing_and_did_not_try() -> None:
    silent = [s for s in history.load().of("contemporary") if s.state == "sends nothing"]
    assert silent
    for release in silent:
        worked = {" ".join(run.command.split()[1:2]) for run in release.runs if not run.exit_status}
        assert worked == {"call", "view", "plot", "download"}
        assert sum(run.spans for run in release.runs) == 0
        for run in release.runs:
            assert not run.reached_for or run.command == "stripepy download --name ENCFF993FGR"


def test_the_dictionary_says_since_when_a_field_is_sent_as_the_history_shows_it() -> None:
    assert history.since_faults(history.load(), fields.load()) == {}


@pytest.mark.parametrize(
    ("field", "said", "wrong", "shown"),
    [
        ("params.low_memory", "1.3.0", "1.2.0", "it came with stripepy-hic 1.3.0"),
        ("service.instance.id", "1.43.0", "1.42.0", "it came with opentelemetry-sdk 1.43.0"),
    ],
)
def test_a_wrong_since_is_found(
    tmp_path: Path, field: str, said: str, wrong: str, shown: str
) -> None:
    head, name, rest = assets.FIELDS.read_text().partition(f'["{field}"]')
    doctored = tmp_path / "fields.toml"
    doctored.write_text(
        head + name + rest.replace(f'version = "{said}"', f'version = "{wrong}"', 1)
    )
    assert history.since_faults(history.load(), fields.load(doctored)) == {field: shown}


def test_every_kind_of_difference_has_its_own_name() -> None:
    before = setup(
        "1",
        {
            "old.name": sent("7"),
            "gone": sent("x", types=["string"]),
            "typed": sent("3"),
            "valued": sent("true"),
            "conditional": sent("1"),
            "same": sent("1"),
        },
    )
    after = setup(
        "2",
        {
            "new.name": sent("7"),
            "came": sent("9", when="on success"),
            "typed": sent("3", types=["double"]),
            "valued": sent("false"),
            "conditional": sent("1", when="on failure"),
            "same": sent("1"),
        },
        switched_off={"call": "sends"},
        switches={"DO_NOT_TRACK=1": "sends nothing"},
        settings={"OTEL_TRACES_EXPORTER=none": ["sends nothing"]},
    )
    assert {(change.kind, change.what) for change in history.changes(before, after)} == {
        ("renamed", "new.name"),
        ("added", "came"),
        ("removed", "gone"),
        ("type", "typed"),
        ("values", "valued"),
        ("condition", "conditional"),
        ("off", "call"),
        ("switch", "DO_NOT_TRACK=1"),
        ("setting", "OTEL_TRACES_EXPORTER=none"),
    }
    assert history.changes(before, before) == []
    silent = setup("0", {}, state="sends nothing")
    assert [change.kind for change in history.changes(silent, after)] == ["state"]


@pytest.mark.parametrize("turns", [(700,), (1, 1023), (300, 301, 900)])
def test_a_bisection_finds_each_release_that_changes_something(turns: tuple[int, ...]) -> None:
    probed: list[int] = []

    def probe(releases: Sequence[int]) -> list[int | None]:
        probed.extend(releases)
        return [None if r % 7 == 3 else sum(r >= turn for turn in turns) for r in releases]

    found = bisection.turning_points(range(1024), probe, lambda a, b: a == b)
    assert [after for _, after in found] == list(turns)
    # A release that cannot be had costs a look as well.
    assert len(probed) == len(set(probed)) <= 2 + len(turns) * (math.log2(1024) + 3)


def test_an_environment_is_made_once_and_runs_are_not_repeated(tmp_path: Path) -> None:
    made = []

    def make() -> Path:
        made.append(1)
        return Path(sys.executable)

    quickest = [repertoire.Run("command", "download", repertoire.CONTROL)]
    [seen] = repertoire.observe(make, quickest, tmp_path)
    assert seen.spans == 1
    assert list(repertoire.observe(make, quickest, tmp_path)) == [seen]
    assert len(made) == 1


def test_without_a_network_it_says_what_it_lacks(project: Path) -> None:
    before = (project / "assets/telemetry_releases.json").read_bytes()
    for script in ("telemetry_releases.py", "watch.py"):
        run = python(f"scripts/{script}", folder=project, env=NO_INDEX)
        assert run.returncode == 3
        [line] = run.stderr.splitlines()
        assert line.startswith(
            "error: the package index does not tell the releases of stripepy-hic"
        )
        assert "-- mend: run it again with a network" in line
    assert (project / "assets/telemetry_releases.json").read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_what_every_worker_is_waiting_for(
    tmp_path: Path, number: signal.Signals
) -> None:
    script, started = tmp_path / "work.py", tmp_path / "started"
    script.write_text(
        "import subprocess, sys\n"
        f"sys.path.insert(0, {str(ROOT / 'scripts')!r})\n"
        "from telemetry import edge, workers\n"
        "def work(seconds):\n"
        f"    line = f'echo $$ >>{started}; exec sleep {{seconds}}'\n"
        "    subprocess.run(['sh', '-c', line], check=True)\n"
        "if __name__ == '__main__':\n"
        "    edge.run(lambda: workers.each(work, [0, 1000, 1000]))\n"
    )
    command = [sys.executable, str(script)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not started.exists() or len(started.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert stderr == "interrupted: the files are as they were\n"
    assert process.returncode == 128 + number
    for pid in started.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_an_error_for_the_reader_comes_whole_out_of_a_worker() -> None:
    error = pickle.loads(pickle.dumps(UserError("what", "mend", Exit.FINDINGS)))
    assert (str(error), error.status) == ("what -- mend: mend", Exit.FINDINGS)


@pytest.mark.parametrize("library", ["requests", "urllib3"])
def test_a_request_is_kept_whichever_library_makes_it(tmp_path: Path, library: str) -> None:
    """opentelemetry-exporter-otlp-proto-http 1.45.0 posts with urllib3, its neighbours do not."""
    post = {
        "requests": "import requests; requests.post(url, data=body, headers=headers)",
        "urllib3": "import urllib3; urllib3.request('POST', url, body=body, headers=headers)",
    }[library]
    record = tmp_path / "record"
    record.touch()
    code = (
        "import sys\n"
        "from telemetry import child\n"
        "sys.addaudithook(child.guard)\n"
        "child.keep_requests()\n"
        "url = 'https://collector.example:4319/v1/traces'\n"
        "body, headers = b'', {'Content-Type': 'application/x-protobuf', 'X-Mine': 'yes'}\n"
        f"{post}\n"
    )
    environment = {"PYTHONPATH": str(ROOT / "scripts"), RECORD_VARIABLE: str(record)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    request, body = map(json.loads, record.read_text().splitlines())
    assert request["request"]["url"] == "https://collector.example:4319/v1/traces"
    assert {"Host", "X-Mine", "Content-Length"} <= set(request["request"]["headers"])
    assert body == {"body": "", "spans": 0}


def test_every_setting_that_has_an_effect_is_tried_over_the_range_of_dependencies() -> None:
    tried = {setting.split("=")[0] for setting in repertoire.settings()}
    visible = {v.variable for v in verification.load().variables if v.effects} - {
        name for name, effects in EFFECTIVE.items() if not effects - repertoire.UNSEEN
    }
    switches = {switch.split("=")[0] for switch in repertoire.SWITCHES}
    assert visible <= tried | switches
    sending = [s.setup for s in history.load().stretches if s.setup.state == "sends"]
    assert len(sending) > 1
    for setup_ in sending:
        assert set(setup_.settings) == set(repertoire.settings())
        assert set(setup_.switches) == set(repertoire.SWITCHES)


def test_each_stretch_of_a_dependency_ends_where_the_next_begins_with_a_change() -> None:
    read = history.load()
    assert chronicle.steps(read.stretches) == read.bisected
    assert all(step.changes for step in read.bisected)
    known = [Version(v) for stretch in read.stretches for v in (stretch.first, stretch.last)]
    assert known == sorted(known)


def test_the_switch_works_in_every_release_that_sends() -> None:
    sending = [s for s in history.load().setups if s.state == "sends"]
    assert sending
    for setup_ in sending:
        assert set(setup_.switched_off) == {
            name for f in setup_.fields.values() for name in f.sent_by
        }
        assert set(setup_.switched_off.values()) == {"sends nothing"}, setup_.release


def watch(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    here = ("scripts/watch.py", "--python", sys.executable, *arguments)
    return python(*here, folder=project, env={**NO_INDEX, **environment})


def test_the_watch_tells_a_change_with_the_command_that_repeats_it(
    project: Path, doctor: Doctor, tmp_path: Path
) -> None:
    span = '                "params.k": k,\n'
    path = doctor({"cli/call.py": (span, span + '"params.user": "x",\n')})
    issue = tmp_path / "issue.md"
    run = watch(project, "--issue", str(issue), PYTHONPATH=str(path))
    assert run.returncode == 1, run.stderr
    assert issue.read_text() == run.stdout
    # Nothing else has changed.
    assert run.stdout.count("\n- ") == 1
    assert run.stdout.startswith("# What StripePy sends has changed\n")
    assert "changed-with-dependencies: params.user: `params.user` is sent: call; " in run.stdout
    command = f"python scripts/watch.py --python {sys.executable} --issue {issue}"
    assert f"Repeat it: `{command}`" in run.stdout


def test_the_page_shows_every_field_and_release(site: Path) -> None:
    text = (site / "releases.html").read_text()
    page = html5lib.parse(text, namespaceHTMLElements=False)
    read = history.load()
    identifiers = {element.get("id") for element in page.iter()}
    assert {f"release-{r.replace('.', '-')}" for r in read.releases} <= identifiers
    [matrix] = [
        table
        for table in page.iter("table")
        if "Fields that each release sends"
        in "".join(text for caption in table.iter("caption") for text in caption.itertext())
    ]
    head, *rows = matrix.iter("tr")
    assert [cell.get("scope") or cell.tag for cell in head] == ["col"] * len(head) or all(
        cell.tag == "th" for cell in head
    )
    shown = {
        "".join(row[0].itertext()).strip(): ["".join(cell.itertext()).split() for cell in row[1:]]
        for row in rows
    }
    columns = [s for s in read.of("contemporary") if s.state == "sends"] + [read.newest()]
    assert shown.keys() == {name for setup_ in columns for name in setup_.fields}
    for name, cells in shown.items():
        assert [cell[0] == "✓" for cell in cells] == [name in s.fields for s in columns], name
