"""What a variable changes, in few words: many of a kind become a list."""

import re
from collections.abc import Sequence

# As runs are compared in words; what is added is a field, unless something else is said.
EFFECT = re.compile(r"(?P<verb>adds|changes|removes)(?: the (?P<what>header))? (?P<name>`[^`]+`)")

# How many of a kind are named.
NAMED = 2

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def summed_up(effects: Sequence[str]) -> str:
    """Effects as one text: "adds the fields `a`, `b` and three more"."""
    kinds: dict[tuple[str, str], list[str]] = {}
    others = []
    for effect in effects:
        if found := EFFECT.fullmatch(effect):
            kind = found["verb"], found["what"] or "field"
            kinds.setdefault(kind, []).append(found["name"])
        else:
            others.append(effect)
    told = [f"{verb} the {what}{_listed(names)}" for (verb, what), names in kinds.items()]
    return "; ".join([*told, *others])


def _listed(names: Sequence[str]) -> str:
    plural, more = "" if len(names) == 1 else "s", len(names) - NAMED
    if more < 1:
        return f"{plural} {' and '.join(names)}"
    rest = NUMBERS[more] if more < len(NUMBERS) else str(more)
    return f"{plural} {', '.join(names[:NAMED])} and {rest} more"
