"""What the runs in one environment sent, summed up."""

import re
from collections import Counter, defaultdict

from telemetry.capture.process import last_error
from telemetry.records.fields import Dictionary
from telemetry.records.releases import Condition, Destination, FieldSeen, OffEffect, RunSeen, State
from telemetry.records.rows import Row
from telemetry.records.runs import Observation
from telemetry.releases.observations import CONTROL, EXPORTER, FETCHED, TIMEOUT, TRIES, Seen
from telemetry.table import differences, otlp

OWN_VERSION = "its own version"


def of(seen: Seen, topic: str) -> list[Observation]:
    return [observation for name, observation in seen.items() if name.startswith(f"{topic}: ")]


def state(seen: Seen) -> tuple[State, str]:
    """Return whether a release sends anything; if it cannot run or be judged, also why."""
    commands = of(seen, "command")
    # A run that reaches out with nothing to fetch may be sending something: it is not silent.
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
    """Return every field that was sent, by name, without derived ones."""
    sent = [(o, otlp.rows(o.body)) for o in of(seen, "command") if o.bodies]
    by_name = defaultdict[str, list[Row]](list)
    for row in (row for _, rows in sent for row in rows if row.part != "derived"):
        by_name[row.field].append(row)
    found = {}
    for name, rows in sorted(by_name.items()):
        values = {OWN_VERSION if row.value == release else row.value for row in rows}
        # By subcommand, for each of its runs: whether it succeeded, and whether it sent the field.
        cases = defaultdict[str, set[tuple[bool, bool]]](set)
        for run, its in sent:
            sends = any(row.field == name for row in its)
            cases[run.run.subcommand].add((run.exit_status == 0, sends))
        found[name] = FieldSeen(
            part=" or ".join(sorted({row.part for row in rows})),
            types=sorted({row.type for row in rows}),
            values=["varies"] if dictionary.varies(name) else sorted(values),
            sent_by={s: when for s, of_it in cases.items() if (when := _condition(of_it))},
        )
    return found


def _condition(cases: set[tuple[bool, bool]]) -> Condition | None:
    """Return when a field is sent, given for each run whether it succeeded and sent the field."""
    if not any(sends for _, sends in cases):
        return None
    if all(sends for _, sends in cases):
        return "always"
    if all(sends == succeeded for succeeded, sends in cases):
        return "on success"
    if all(sends != succeeded for succeeded, sends in cases):
        return "on failure"
    return "sometimes"


def settings(seen: Seen, topic: str, dictionary: Dictionary) -> dict[str, list[str]]:
    """Return what each variable of a topic did; empty if nothing is sent even without them."""
    found = {}
    for control in (o for o in of(seen, "command") if o.run.argv == CONTROL and o.bodies):
        for observation in of(seen, topic):
            [(variable, value)] = observation.run.environment.items()
            effects = differences.effects(control, observation, dictionary)
            found[f"{variable}={value}"] = [effect.words for effect in effects]
    return found


def switched_off(seen: Seen) -> dict[str, OffEffect]:
    """Return what StripePy's own switch did with each subcommand that otherwise sends something."""
    plain = {o.run.argv: o for o in of(seen, "command")}
    return {
        o.run.subcommand: _silence(o, plain[o.run.argv])
        for o in of(seen, "off")
        if plain[o.run.argv].bodies
    }


def _silence(observation: Observation, plain: Observation) -> OffEffect:
    if observation.bodies or observation.attempts or observation.wire.connections:
        return "sends"
    return "sends nothing" if observation.exit_status == plain.exit_status else "ends otherwise"


def destinations(seen: Seen) -> list[Destination]:
    """Return the destinations of the plain runs, from the exporter's settings and the requests."""
    headers = dict.fromkeys(
        tuple(sorted(name.lower() for name, _ in request.headers))
        for observation in of(seen, "command")
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
    """Return the seconds from the last output of each run to its end, unless it timed out."""
    return {
        observation.run.network.value: round(observation.seconds_at_exit, 1)
        for observation in of(seen, "delay")
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
        for observation in of(seen, "command")
    ]


def _complaint(observation: Observation) -> str:
    """Return the last error in one line, without times and without this machine's folders."""
    if observation.exit_status == 0:
        return ""
    if observation.timed_out:
        return f"did not end within {TIMEOUT:g} s, {TRIES} times"
    line = next(iter(last_error(observation).splitlines()), "")
    line = re.sub(r"^[\d-]+ [\d:.]+ \[\w+ *\] ", "", line)
    return re.sub(r"/[^\s'\":]*/", "", line)
