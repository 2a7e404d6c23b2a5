"""What the runs of one environment sent, put together."""

import re
from collections import Counter
from collections.abc import Iterable

from telemetry.capture.process import last_error
from telemetry.records.fields import Dictionary
from telemetry.records.releases import (
    VARIES,
    Condition,
    Destination,
    FieldSeen,
    OffEffect,
    RunSeen,
    State,
)
from telemetry.records.rows import Row
from telemetry.records.runs import Observation
from telemetry.releases.conditions import CONTROL, EXPORTER, FETCHED, TIMEOUT, TRIES
from telemetry.releases.observations import Seen
from telemetry.table import differences, otlp

OWN_VERSION = "its own version"


def of(seen: Seen, topic: str) -> dict[str, Observation]:
    """Return the observations of a topic, by what their runs are named for besides."""
    split = ((name.partition(": "), observation) for name, observation in seen.items())
    return {rest: observation for (first, _, rest), observation in split if first == topic}


def state(seen: Seen) -> tuple[State, str]:
    """Return whether a release sends, and if that cannot be told, why."""
    commands = of(seen, "command").values()
    # What reaches out where there is nothing to fetch wants to send, and is not silent.
    if any(o.attempts for o in commands if o.run.argv != FETCHED):
        return "not tried", "it tries to reach something other than its collector"
    if any(o.wire.connections and not o.bodies for o in commands):
        return "not tried", "it connects to its collector in a way that cannot be read"
    if any(o.bodies for o in commands):
        return "sends", ""
    if any(o.exit_status == 0 for o in commands):
        return "sends nothing", ""
    return "cannot run", Counter(map(_complaint, commands)).most_common(1)[0][0]


def fields(seen: Seen, dictionary: Dictionary, release: str) -> dict[str, FieldSeen]:
    """Return every field that was sent, by name; not what is only derived."""
    sent = [
        (observation, otlp.rows(observation.body))
        for observation in of(seen, "command").values()
        if observation.bodies
    ]
    by_name: dict[str, list[Row]] = {}
    for row in (row for _, rows in sent for row in rows if row.part != "derived"):
        by_name.setdefault(row.field, []).append(row)
    return {
        name: FieldSeen(
            part=" or ".join(sorted({row.part for row in rows})),
            types=sorted({row.type for row in rows}),
            values=_values(name, rows, dictionary, release),
            sent_by=_senders((o, any(row.field == name for row in its)) for o, its in sent),
        )
        for name, rows in sorted(by_name.items())
    }


def _values(name: str, rows: Iterable[Row], dictionary: Dictionary, release: str) -> list[str]:
    if dictionary.varies(name):
        return [VARIES]
    return sorted({OWN_VERSION if row.value == release else row.value for row in rows})


def _senders(sent: Iterable[tuple[Observation, bool]]) -> dict[str, Condition]:
    """When each subcommand sends a field, from its runs and whether each did."""
    found: dict[str, set[tuple[bool, bool]]] = {}
    for seen, sends in sent:
        found.setdefault(seen.run.subcommand, set()).add((seen.exit_status == 0, sends))
    return {
        subcommand: _condition(cases)
        for subcommand, cases in found.items()
        if any(sends for _, sends in cases)
    }


def _condition(cases: set[tuple[bool, bool]]) -> Condition:
    """When a field is sent, from whether a run succeeded and whether it sent the field."""
    if all(sends for _, sends in cases):
        return "always"
    if all(sends == succeeded for succeeded, sends in cases):
        return "on success"
    if all(sends != succeeded for succeeded, sends in cases):
        return "on failure"
    return "sometimes"


def settings(seen: Seen, topic: str, dictionary: Dictionary) -> dict[str, list[str]]:
    """Return what each variable of a topic did; nothing where nothing is sent without it."""
    control = of(seen, "command").get(" ".join(CONTROL))
    if control is None or not control.bodies:
        return {}
    return {
        "=".join(*observation.run.environment.items()): [
            str(effect) for effect in differences.effects(control, observation, dictionary)
        ]
        for observation in of(seen, topic).values()
    }


def switched_off(seen: Seen) -> dict[str, OffEffect]:
    """Return what StripePy's own switch did with each subcommand that otherwise sends something."""
    plain = {o.run.argv: o for o in of(seen, "command").values()}
    return {
        o.run.subcommand: _silence(o, plain[o.run.argv])
        for o in of(seen, "off").values()
        if plain[o.run.argv].bodies
    }


def _silence(observation: Observation, plain: Observation) -> OffEffect:
    if observation.bodies or observation.attempts or observation.wire.connections:
        return "sends"
    return "sends nothing" if observation.exit_status == plain.exit_status else "ends otherwise"


def destinations(seen: Seen) -> list[Destination]:
    """Return where the plain runs sent to, by the exporter's settings and the requests."""
    headers = dict.fromkeys(
        tuple(sorted(name.lower() for name, _ in request.headers))
        for observation in of(seen, "command").values()
        for request in observation.wire.requests
    )
    return [
        Destination(
            url=settings["endpoint"],
            timeout=settings.get("timeout", 10),
            compression=settings.get("compression", "none"),
            headers=list(names),
        )
        for settings in (seen[EXPORTER.name].exporters if seen else ())
        for names in headers
    ]


def delays(seen: Seen) -> dict[str, float]:
    """Return how long a run took to end after its last output, by what kept it from sending.

    Those are left out that did not end in time.
    """
    return {
        observation.run.network.value: round(observation.seconds_at_exit, 1)
        for observation in of(seen, "delay").values()
        if not observation.timed_out
    }


def runs(seen: Seen) -> list[RunSeen]:
    """Return the plain runs, and what each did."""
    return [
        RunSeen(
            command=observation.run.command,
            exit_status=observation.exit_status,
            spans=sum(row.field == "span_id" for row in otlp.rows(observation.body)),
            reached_for=list(dict.fromkeys(observation.attempts)),
            complaint=_complaint(observation),
        )
        for observation in of(seen, "command").values()
    ]


def _complaint(observation: Observation) -> str:
    """The last error in one line, without the time, and without the folders of this machine."""
    if observation.exit_status == 0:
        return ""
    if observation.timed_out:
        return f"did not end within {TIMEOUT:g} s, {TRIES} times"
    line = next(iter(last_error(observation).splitlines()), "")
    line = re.sub(r"^[\d-]+ [\d:.]+ \[\w+ *\] ", "", line)
    return re.sub(r"/[^\s'\":]*/", "", line)
