"""What the runs of one environment sent, put together."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from telemetry import otlp
from telemetry.fields import Dictionary
from telemetry.history import (
    VARIES,
    Condition,
    Destination,
    FieldSeen,
    OffEffect,
    RunSeen,
    State,
)
from telemetry.repertoire import CONTROL, FETCHED, Run, Seen, Topic
from telemetry.rows import Row

OWN_VERSION = "its own version"


def state(seen: Sequence[Seen]) -> tuple[State, str]:
    """Whether a release sends, and if that cannot be told, why."""
    commands = [s for s in seen if s.run.topic == "command"]
    # Whoever reaches out where there is nothing to fetch wants to send, and is not silent.
    if any(s.attempts for s in commands if s.run.argv[1:] != FETCHED):
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


def switches(seen: Sequence[Seen], dictionary: Dictionary) -> dict[str, str]:
    """What each variable that could switch telemetry off did; nothing where nothing was sent."""
    return {
        s.run.setting: "; ".join(_effects(s, control, dictionary)) or "no effect"
        for control, s in _beside_control(seen, "switch")
    }


def settings(seen: Sequence[Seen], dictionary: Dictionary) -> dict[str, list[str]]:
    """What each of a user's own settings did; nothing where nothing was sent."""
    return {
        s.run.setting: _effects(s, control, dictionary)
        for control, s in _beside_control(seen, "setting")
    }


def switched_off(seen: Sequence[Seen]) -> dict[str, OffEffect]:
    """What StripePy's own switch did with each subcommand that sends something without it."""
    plain = {s.run.argv: s for s in seen if s.run.topic == "command"}
    return {
        s.run.subcommand: _silence(s, plain[s.run.argv])
        for s in seen
        if s.run.topic == "off" and plain[s.run.argv].bodies
    }


def _silence(seen: Seen, plain: Seen) -> OffEffect:
    if seen.bodies or seen.attempts:
        return "sends"
    return "sends nothing" if seen.exit_status == plain.exit_status else "ends otherwise"


def _beside_control(seen: Sequence[Seen], topic: Topic) -> list[tuple[Seen, Seen]]:
    controls = [s for s in seen if s.run.argv == CONTROL and s.run.topic == "command" and s.bodies]
    return [(control, s) for control in controls for s in seen if s.run.topic == topic]


def _effects(seen: Seen, control: Seen, dictionary: Dictionary) -> list[str]:
    if not seen.bodies:
        return ["sends nothing"]
    mine = {row.field: row.value for row in otlp.rows(seen.body)}
    plain = {row.field: row.value for row in otlp.rows(control.body)}
    [my_request], [plain_request] = seen.requests, control.requests
    my_headers, headers = (
        {name.lower(): value for name, value in request["headers"].items()}
        for request in (my_request, plain_request)
    )
    effects = [f"adds `{name}`" for name in mine if name not in plain]
    effects += [f"removes `{name}`" for name in plain if name not in mine]
    # What somebody set is told from what is drawn anew each time by its text.
    effects += [
        f"changes `{name}`"
        for name, value in mine.items()
        if value != plain.get(name, value)
        and ("Zqx" in value or (name in dictionary and dictionary[name].varies != "by run"))
    ]
    effects += [f"adds the header `{name}`" for name in my_headers if name not in headers]
    effects += [
        f"changes the header `{name}`"
        for name, value in my_headers.items()
        if "Zqx" in value and name in headers
    ]
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
            headers=sorted(map(str.lower, request["headers"])),
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
