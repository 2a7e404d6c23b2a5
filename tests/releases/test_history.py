"""The committed history, and what a history is made of: changes, stretches, first releases."""

import math
from collections.abc import Sequence

import pytest

from telemetry.records import fields, releases
from telemetry.records.releases import Condition, Destination, FieldSeen, Setup
from telemetry.releases import observations
from telemetry.releases.changes import changes, since_faults
from telemetry.releases.history import halved


def sent(*values: str, types: Sequence[str] = ("int",), when: Condition = "always") -> FieldSeen:
    return FieldSeen(
        part="span attribute", types=list(types), values=list(values), sent_by={"call": when}
    )


def setup(**changed: object) -> Setup:
    """Return the newest setup of the committed history, with something changed."""
    return releases.load().newest().model_copy(update=changed)


def test_every_setting_that_has_an_effect_is_tested_over_the_range_of_dependencies() -> None:
    sending = [s.setup for s in releases.load().stretches if s.setup.state == "sends"]
    assert len(sending) > 1
    for seen in sending:
        # The history may hold settings that no longer have an effect.
        assert set(seen.settings) >= set(observations.settings())
        assert set(seen.switches) == set(observations.SWITCHES)


@pytest.mark.parametrize(
    ("field", "came"),
    [
        ("params.low_memory", "stripepy-hic 1.3.0"),
        ("service.instance.id", "opentelemetry-sdk 1.43.0"),
    ],
)
def test_the_dictionary_says_since_when_a_field_is_sent(field: str, came: str) -> None:
    history, dictionary = releases.load(), fields.load()
    assert since_faults(history, dictionary) == {}
    wrong = dictionary[field].since.model_copy(update={"version": "1.0.0"})
    dictionary[field] = dictionary[field].model_copy(update={"since": wrong})
    assert since_faults(history, dictionary) == {field: f"it came with {came}"}


def test_every_kind_of_difference_has_its_own_name() -> None:
    old = Destination(url="https://a.example", timeout=5, compression="gzip", headers=["host"])
    new = Destination(url="https://b.example", timeout=6, compression="none", headers=["accept"])
    before = setup(
        fields={
            "old.name": sent("7"),
            "gone": sent("x", types=["string"]),
            "typed": sent("3"),
            "valued": sent("true"),
            "conditional": sent("1"),
            "same": sent("1"),
        },
        switched_off={"call": "sends nothing"},
        switches={"DO_NOT_TRACK=1": "no effect"},
        settings={"OTEL_TRACES_EXPORTER=none": []},
        destinations=[old],
        delays={"one way": 4.0, "another way": 3.0},
    )
    after = setup(
        fields={
            "new.name": sent("7"),
            "came": sent("9", when="on success"),
            "typed": sent("3", types=["double"]),
            "valued": sent("false"),
            "conditional": sent("1", when="on failure"),
            "same": sent("1"),
        },
        switched_off={"call": "sends"},
        switches={"DO_NOT_TRACK=1": "nothing is sent"},
        settings={"OTEL_TRACES_EXPORTER=none": ["nothing is sent"], "NEW=1": []},
        destinations=[new],
        delays={"another way": 6.0},
    )
    found = ", ".join(f"{change.kind} {change.what}" for change in changes(before, after))
    assert found == (
        "added new.name, added came, removed old.name, removed gone, type typed, values valued,"
        " condition conditional, off call, switch DO_NOT_TRACK=1,"
        " setting OTEL_TRACES_EXPORTER=none, destination url, destination timeout,"
        " destination compression, destination headers, delay one way"
    )
    assert changes(before, before) == []
    assert [c.kind for c in changes(setup(state="sends nothing"), after)] == ["state"]


@pytest.mark.parametrize("turns", [(), (700,), (2, 1022), (300, 301, 900)])
def test_a_bisection_finds_each_release_that_changes_something(turns: tuple[int, ...]) -> None:
    probed: set[int] = set()

    def there(release: int) -> bool:
        probed.add(release)
        # Among those that cannot be had are the first and the last.
        return release % 7 != 1023 % 7

    def seen(release: int) -> int:
        assert release in probed
        return sum(release >= turn for turn in turns)

    found = halved(range(1, 1024), there, lambda a, b: seen(a) == seen(b))
    assert [first for first, _ in found] == [2, *(turn for turn in turns if turn != 2)]
    assert all(seen(first) == seen(last) for first, last in found)
    assert found[-1][1] == 1022
    # A release that cannot be had costs a probe, too.
    assert len(probed) <= 4 + len(turns) * (math.log2(1024) + 3)


def test_a_bisection_among_releases_that_cannot_be_had_finds_nothing() -> None:
    assert halved([1, 2, 3], lambda _: False, lambda a, b: a == b) == []
