"""What the runs of one environment sent, put together."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from telemetry import otlp
from telemetry.fields import Dictionary
from telemetry.history import VARIES, Condition, Destination, FieldSeen, RunSeen, State
from telemetry.repertoire import CONTROL, Run, Seen
from telemetry.rows import Row

OWN_VERSION = "its own version"


def state(seen: Sequence[Seen]) -> tuple[State, str]:
    """Whether a release sends, and if that cannot be told, why."""
    commands = [s for s in seen if s.run.topic == "command"]
    # Whoever reaches out where there is nothing to fetch wants to send, and is not silent.
    if any(s.attempts for s in commands if s.run.argv == CONTROL):
        return "not tried", "it tries to send by another way than the one that is watched"
    if any(s.spans for s in commands):
        return "sends", ""
    if any(s.exit_status == 0 for s in commands):
        return "sends nothing", ""
    return "cannot run", Counter(s.complaint for s in commands).most_common(1)[0][0]


def fields(seen: Sequence[Seen], dictionary: Dictionary) -> dict[str, FieldSeen]:
    """Every field that was sent, by name; not what is only derived."""
    sending = [s for s in seen if s.run.topic == "command" and s.bodies]
    rows = {s.run: otlp.rows(s.body) for s in sending}
    release = seen[0].versions.get("stripepy-hic", "")
    names = sorted({row.field for sent in rows.values() for row in sent if row.part != "derived"})
    found = {}
    for name in names:
        of_it = [row for sent in rows.values() for row in sent if row.field == name]
        found[name] = FieldSeen(
            part=" or ".join(sorted({row.part for row in of_it})),
            types=sorted({row.type for row in of_it}),
            values=_values(name, of_it, dictionary, release),
            sent_by=_senders(name, sending, rows),
        )
    return found


def _values(name: str, rows: Iterable[Row], dictionary: Dictionary, release: str) -> list[str]:
    if name in dictionary and dictionary[name].varies != "no":
        return [VARIES]
    return sorted({OWN_VERSION if row.value == release else row.value for row in rows})


def _senders(
    name: str, sending: Sequence[Seen], rows: Mapping[Run, Sequence[Row]]
) -> dict[str, Condition]:
    found: dict[str, Condition] = {}
    for subcommand in dict.fromkeys(s.run.subcommand for s in sending):
        with_it: dict[bool, set[bool]] = {True: set(), False: set()}
        for s in sending:
            if s.run.subcommand == subcommand:
                has = any(row.field == name for row in rows[s.run])
                with_it[s.exit_status == 0].add(has)
        well, badly = with_it[True], with_it[False]
        if True not in well | badly:
            continue
        if False not in well | badly:
            found[subcommand] = "always"
        elif well == {True} and True not in badly:
            found[subcommand] = "on success"
        elif badly == {True} and True not in well:
            found[subcommand] = "on failure"
        else:
            found[subcommand] = "sometimes"
    return found


def switches(seen: Sequence[Seen]) -> dict[str, str]:
    """What each variable that could switch telemetry off did; nothing where nothing was sent."""
    return {
        s.run.setting: "; ".join(_effects(s, control)) or "no effect"
        for control in _controls(seen)
        for s in seen
        if s.run.topic == "switch"
    }


def settings(seen: Sequence[Seen]) -> dict[str, list[str]]:
    """What each of a user's own OpenTelemetry settings did; nothing where nothing was sent."""
    return {
        s.run.setting: _effects(s, control)
        for control in _controls(seen)
        for s in seen
        if s.run.topic == "setting"
    }


def _controls(seen: Sequence[Seen]) -> list[Seen]:
    return [s for s in seen if s.run.argv == CONTROL and not s.run.setting and s.bodies]


def _effects(seen: Seen, control: Seen) -> list[str]:
    if not seen.bodies:
        return ["sends nothing"]
    mine = {row.field: row.value for row in otlp.rows(seen.body)}
    plain = {row.field: row.value for row in otlp.rows(control.body)}
    [my_request], [plain_request] = seen.requests, control.requests
    my_headers, headers = (set(request["headers"]) for request in (my_request, plain_request))
    effects = [f"adds `{name}`" for name in mine if name not in plain]
    effects += [f"removes `{name}`" for name in plain if name not in mine]
    # What somebody set is told from what is drawn anew each time by its text.
    effects += [f"changes `{name}`" for name in mine if name in plain and "Zqx" in mine[name]]
    effects += [f"adds the header `{name}`" for name in sorted(my_headers - headers)]
    if my_request["url"] != plain_request["url"]:
        effects.append(f"sends to {my_request['url']}")
    return effects


def destinations(seen: Sequence[Seen]) -> list[Destination]:
    """Where the plain runs sent to."""
    found = [
        Destination(
            url=request["url"],
            # Newer exporters pass what is left of their time.
            timeout=math.ceil(request["timeout"]),
            compression=request["headers"].get("Content-Encoding", "none"),
            headers=sorted(request["headers"]),
        )
        for s in seen
        if s.run.topic == "command"
        for request in s.requests
    ]
    return [d for number, d in enumerate(found) if d not in found[:number]]


def runs(seen: Sequence[Seen]) -> list[RunSeen]:
    """The plain runs, and what each did."""
    return [
        RunSeen(
            command=" ".join(("stripepy", *s.run.argv)),
            exit_status=s.exit_status,
            spans=s.spans,
            reached_for=list(dict.fromkeys(s.attempts)),
            complaint=s.complaint,
        )
        for s in seen
        if s.run.topic == "command"
    ]
