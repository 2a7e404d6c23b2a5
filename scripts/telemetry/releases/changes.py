"""What changed between setups, and whether the dictionary's `since` agrees with the history."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from telemetry.records.fields import Dictionary
from telemetry.records.releases import Change, ChangeKind, History, Setup, Step, Stretch


def changes(before: Setup, after: Setup) -> list[Change]:
    """Return what differs from one setup to another: fields first, then everything else.

    What was tested with only one of them does not count. If the states differ, nothing else does.
    """
    return [
        Change(kind=kind, what=what, before=then, after=now)
        for kind, what, then, now in _changes(before, after)
    ]


def _changes(before: Setup, after: Setup) -> Iterator[tuple[ChangeKind, str, str, str]]:
    if before.state != after.state:
        yield "state", "stripepy", before.told_state, after.told_state
        return
    was, is_ = dict(_described(before)), dict(_described(after))
    for name in after.fields:
        if name not in before.fields:
            yield "added", name, "", is_["condition", name]
    for name in before.fields:
        if name not in after.fields:
            yield "removed", name, was["condition", name], ""
    for (kind, what), text in was.items():
        if is_.get((kind, what), text) != text:
            yield kind, what, text, is_[kind, what]
    # A delay that is missing beside another is one of a run that was killed at its time-out.
    for what in before.delays | after.delays if before.delays and after.delays else ():
        then, now = (setup.delays.get(what, math.inf) for setup in (before, after))
        # Less could be the exporter's random back-off, or a busy machine.
        if max(then, now) > 2 * min(then, now) + 3:
            yield "delay", what, before.told_delay(what), after.told_delay(what)


def _described(setup: Setup) -> Iterator[tuple[tuple[ChangeKind, str], str]]:
    """Yield everything that can differ, in words, by kind and name."""
    for name, field in setup.fields.items():
        senders = (f"{s} {when}".removesuffix(" always") for s, when in field.sent_by.items())
        yield ("type", name), ", ".join(field.types)
        yield ("values", name), ", ".join(field.values)
        yield ("condition", name), ", ".join(senders)
    for name, effect in setup.switched_off.items():
        yield ("off", name), effect
    for name, told in setup.switches.items():
        yield ("switch", name), told
    for name, effects in setup.settings.items():
        yield ("setting", name), "; ".join(effects) or "no effect"
    for datum in ("url", "timeout", "compression"):
        found = dict.fromkeys(str(getattr(d, datum)) for d in setup.destinations)
        yield ("destination", datum), ", ".join(found)
    headers = dict.fromkeys("; ".join(d.headers) for d in setup.destinations)
    yield ("destination", "headers"), ", ".join(headers)


def steps(stretches: Sequence[Stretch]) -> list[Step]:
    """Return what changed from each stretch of a package's releases to the next."""
    return [
        Step(
            package=b.package,
            before=a.last,
            after=b.first,
            changes=changes(a.setup, b.setup),
        )
        for a, b in pairwise(stretches)
    ]


def since_faults(history: History, dictionary: Dictionary) -> dict[str, str]:
    """Return each field whose `since` contradicts the history, with what the history shows."""
    faults: dict[str, str] = {}
    oldest_last = reversed(history.setups)
    came = {name: ("stripepy-hic", s.release) for s in oldest_last for name in s.fields}
    for step in history.bisected:
        for change in step.changes:
            if change.kind == "added" and change.what in came:
                came[change.what] = step.package, step.after
    for name, entry in dictionary.items():
        if entry.part == "derived":
            continue
        if name in came:
            if (entry.since.package, entry.since.version) != came[name]:
                faults[name] = f"it came with {' '.join(came[name])}"
        elif "sometimes" not in entry.sent_by.values():
            faults[name] = "no release sent it"
    return faults
