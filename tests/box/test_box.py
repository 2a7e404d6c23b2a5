"""The box: the unmodified program meets our servers alone, and all that it does is kept."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import need
from telemetry.box import observing, world
from telemetry.box.observing import observe
from telemetry.box.world import World
from telemetry.records import table
from telemetry.records.runs import Ending, Mode, Network, Observation, Run
from telemetry.table import otlp

LIST = ("download", "--list-only")


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    need("namespaces")
    [exporter] = table.load().provenance.exporters
    with world.made(exporter["endpoint"]) as made:
        yield made


@pytest.fixture(scope="module")
def seen(here: World) -> dict[str, Observation]:
    off = {"STRIPEPY_NO_TELEMETRY": "0"}
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:3128"}
    return observe(
        [
            Run("plain", LIST),
            Run("watched", LIST, watched=True),
            Run("in memory", LIST, Mode.MEMORY),
            Run("off", LIST, environment=off),
            Run("proxy", LIST, environment=proxy),
            Run("refused", LIST, network=Network.REFUSED),
            Run("untrusted", LIST, trusts=False),
            Run("interrupted", LIST, ending=Ending.SIGINT),
            Run("closed pipe", LIST, ending=Ending.CLOSED_PIPE),
            Run("too slow", LIST, network=Network.SILENT, timeout=0.3),
        ],
        here,
    )


def test_a_message_reaches_the_collector_by_its_own_name_and_port(
    here: World, seen: dict[str, Observation]
) -> None:
    plain = seen["plain"]
    [request] = plain.wire.requests
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert request.header("host") == f"{here.host}:{here.port}"
    assert set(plain.wire.look_ups) == {here.host}
    assert (plain.attempts, plain.wire.left_running, plain.exit_status) == ((), (), 0)


def test_every_way_of_observing_shows_the_same_fields(seen: dict[str, Observation]) -> None:
    ways = [seen[name] for name in ("plain", "watched", "in memory", "proxy", "closed pipe")]
    fields = {tuple(row.field for row in otlp.rows(way.body)) for way in ways}
    assert len(fields) == 1
    assert len(next(iter(fields))) > 20


def test_the_watcher_sees_variables_and_the_parser_and_others_do_not(
    seen: dict[str, Observation],
) -> None:
    watched = seen["watched"]
    assert {"STRIPEPY_NO_TELEMETRY", "OTEL_RESOURCE_ATTRIBUTES"} <= set(watched.variables)
    assert {tuple(entry["words"]) for entry in watched.parser} >= {("call",), ("plot", "cm")}
    assert (seen["plain"].variables, seen["plain"].parser) == ((), ())


def test_each_condition_has_its_effect(seen: dict[str, Observation]) -> None:
    assert {name for name, one in seen.items() if len(one.bodies) != 1} == {
        "off",
        "refused",
        "untrusted",
        "too slow",
    }
    assert seen["off"].wire.look_ups == ()
    assert [line.split()[0] for line, _ in seen["proxy"].wire.tunnels] == ["CONNECT"]
    assert seen["interrupted"].exit_status == -signal.SIGINT
    assert seen["untrusted"].wire.connections > 0
    assert seen["too slow"].timed_out


def test_a_run_leaves_nothing_on_the_machine(here: World) -> None:
    private = replace(here, empties_temporary=True)
    seen = observe([Run("read-only", LIST, read_only=("home",))], private)["read-only"]
    assert len(seen.bodies) == 1
    assert not Path(seen.folder).parent.exists()


# Whoever dies has no time to say so, and the run that it supervises dies with it.
supervise = observing._supervise


def supervise_for_a_moment(*arguments: Any) -> None:
    signal.setitimer(signal.ITIMER_REAL, 1)
    supervise(*arguments)


def test_a_run_whose_supervisor_dies_says_so(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "_supervise", supervise_for_a_moment)
    run = Run("silent", LIST, network=Network.SILENT)
    assert observe([run], here)["silent"].fault == "its supervisor ended with SIGALRM"


def test_without_namespaces_runs_are_made_in_memory_or_not_at_all(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "have_namespaces", lambda: False)
    seen = observe([Run("plain", LIST), Run("refused", LIST, network=Network.REFUSED)], here)
    assert seen["plain"].run.mode is Mode.MEMORY
    assert len(seen["plain"].bodies) == 1
    assert "no network namespaces" in seen["refused"].not_tried
