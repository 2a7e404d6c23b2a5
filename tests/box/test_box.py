"""The box: the unmodified program meets only our servers, and all that it does is recorded."""

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
from telemetry.records.runs import Mode, Network, Run

LIST = ("download", "--list-only")


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    need("namespaces")
    [exporter] = table.load().provenance.exporters
    with world.made(exporter["endpoint"]) as made:
        yield made


def test_a_run_leaves_nothing_on_the_machine(here: World) -> None:
    private = replace(here, empties_temporary=True)
    seen = observe([Run("read-only", LIST, read_only=("home",))], private)["read-only"]
    assert len(seen.bodies) == 1
    assert not Path(seen.folder).parent.exists()


# A supervisor that is killed cannot report it, and the run that it supervises dies with it.
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
