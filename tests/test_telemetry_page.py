"""What the telemetry page states of the program: each measured statement, tried."""

import getpass
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import h5py
import pytest

from telemetry import assets, documented, otlp
from telemetry.capture import Outcome, capture
from telemetry.rows import Row

SAMPLE = {"sample.hic": assets.SAMPLE}
LIST = ("download", "--list-only")


def sent(argv: Sequence[str], **environment: str) -> list[Row]:
    run = capture(argv, inputs=SAMPLE, environment=environment)
    assert run.outcome is Outcome.ONE_SPAN, run.stderr
    return otlp.rows(run.body)


@pytest.mark.parametrize("variable", ["STRIPEPY_NO_TELEMETRY", "NO_TELEMETRY"])
@pytest.mark.parametrize("value", ["1", "", "0", "false", "no"])
def test_a_variable_switches_off_by_being_there(variable: str, value: str) -> None:
    run = capture(LIST, environment={variable: value})
    assert (run.outcome, run.exit_status, run.exporters) == (Outcome.NO_SPAN, 0, ())


@pytest.mark.parametrize("argv", [("call", "sample.hic", "10000"), ("view", "sample.hic")])
def test_switching_off_holds_for_other_subcommands(argv: tuple[str, ...]) -> None:
    run = capture(argv, inputs=SAMPLE, environment={"STRIPEPY_NO_TELEMETRY": "1"})
    assert (run.outcome, run.exporters) == (Outcome.NO_SPAN, ())


def test_do_not_track_has_no_effect() -> None:
    assert sent(LIST, DO_NOT_TRACK="1")


@pytest.mark.parametrize(
    ("argv", "status"),
    [(["--help"], 0), (["call", "--help"], 0), (["--version"], 0), (["nosuch"], 2), (["call"], 2)],
)
def test_help_version_and_what_is_not_accepted_send_nothing(argv: list[str], status: int) -> None:
    run = capture(argv)
    assert (run.outcome, run.exit_status) == (Outcome.NO_SPAN, status)


def test_nothing_that_was_planted_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "canary-folder"
    folder.mkdir()
    shutil.copy(assets.SAMPLE, folder / "canary-matrix.hic")
    matrix, out = str(folder / "canary-matrix.hic"), str(folder / "canary-out.hdf5")
    log = str(folder / "canary-log.txt")
    home = {"HOME": str(folder), "USER": "canary-user", "CANARY": "canary-value"}
    commands = [
        ["call", matrix, "10000", "-o", out, "--log-file", log],
        ["call", matrix, "10000", "-o", out],  # refused: the file is there
        ["view", out],
        ["view", matrix],
        ["plot", "cm", matrix, "10000", str(folder / "canary.png"), "--region", "chr1:0-2000000"],
        ["plot", "cm", matrix, "12345", str(folder / "canary2.png")],
        ["plot", "pd", out, str(folder / "canary3.png"), "--region", "canary-chromosome:0-1"],
    ]
    bodies = [capture(command, environment=home).body for command in commands]
    assert sum(bool(body) for body in bodies) == len(commands) - 1
    everything = b"".join(bodies).lower()
    with h5py.File(out) as result:
        chromosomes = [name.decode() for name in result["chroms/name"][:]]
    planted = ["canary", *chromosomes, str(tmp_path), socket.gethostname(), os.sep + "tmp"]
    assert len(chromosomes) > 1
    for text in planted:
        assert text.lower().encode() not in everything
    # A short user name can be part of another word; as a whole value it must not occur.
    values = {row.value for body in bodies for row in otlp.rows(body)}
    assert getpass.getuser() not in values


def test_the_name_of_a_data_set_is_sent_as_typed() -> None:
    rows = {row.field: row.value for row in sent(["download", "--name", "No Such Data"])}
    assert rows["params.dataset_name"] == "No Such Data"


@pytest.mark.parametrize("normalization", [[], ["-n", "NONE"], ["-n", "KR"]])
def test_raw_interactions_is_false_in_any_case(normalization: list[str]) -> None:
    # The sample has no such normalization as KR: that run fails, and says so.
    rows = {row.field: row.value for row in sent(["call", "sample.hic", "10000", *normalization])}
    assert rows["params.contact_map_raw_interactions"] == "false"


def test_plots_send_parameters_by_their_short_name_only() -> None:
    for kind, expected in (("cm", True), ("contact-map", False)):
        rows = sent(["plot", kind, "sample.hic", "10000", "out.png"])
        assert any(row.field.startswith("params.") for row in rows) is expected


def test_the_random_identifiers_differ_from_run_to_run() -> None:
    first, second = ({row.field: row.value for row in sent(LIST)} for _ in range(2))
    for field in ("trace_id", "span_id", "service.instance.id"):
        assert first[field] != second[field]


def test_the_users_own_resource_attributes_are_mixed_in() -> None:
    rows = sent(LIST, OTEL_RESOURCE_ATTRIBUTES="own.key=own-value")
    assert Row("own.key", "own-value", "resource attribute", "string") in rows


def datasets_of(path: Path) -> dict[str, str]:
    """Every data set of an HDF5 file, whole, by its place."""
    found: dict[str, str] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = repr(item[()].tolist())

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_resource_detectors_add_what_identifies_the_machine() -> None:
    rows = {row.field: row.value for row in sent(LIST, OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="*")}
    assert rows["host.name"] == socket.gethostname()
    assert "process.executable.path" in rows
    assert ("host.id" in rows) == Path("/etc/machine-id").exists()


def test_results_are_the_same_with_telemetry_on_or_off(tmp_path: Path) -> None:
    results = []
    for name, environment in (("on", {}), ("off", {"STRIPEPY_NO_TELEMETRY": "1"})):
        path = tmp_path / f"{name}.hdf5"
        argv = ["call", "sample.hic", "10000", "-o", str(path)]
        run = capture(argv, inputs=SAMPLE, environment=environment)
        assert run.outcome is (Outcome.NO_SPAN if environment else Outcome.ONE_SPAN)
        results.append(datasets_of(path))
    assert results[0]
    assert results[0] == results[1]


def test_the_exporter_is_encrypted_compressed_and_bounded() -> None:
    [exporter] = documented.load().provenance.exporters
    assert exporter["endpoint"].startswith("https://")
    assert exporter["compression"] == "gzip"
    assert exporter["timeout"] > 0
