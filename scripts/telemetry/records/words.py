"""How lists and effects are put into words, in records, findings and pages alike."""

import re
from collections.abc import Sequence

# An effect is on a field unless it names a header.
EFFECT = re.compile(r"(?P<verb>adds|changes|removes)(?: the (?P<what>header))? (?P<name>`[^`]+`)")

NAMED = 2  # how many effects of a kind are named
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else "".join(words)


def ranged(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def summed_up(effects: Sequence[str]) -> str:
    """Sum up a variable's effects in one text: "adds the fields `a`, `b` and three more"."""
    kinds: dict[tuple[str, str], list[str]] = {}
    others = []
    for effect in effects:
        if found := EFFECT.fullmatch(effect):
            kind = found["verb"], found["what"] or "field"
            kinds.setdefault(kind, []).append(found["name"])
        else:
            others.append(effect)
    told = [
        f"{verb} the {what}{'s' if names[1:] else ''} {listed(_some(names))}"
        for (verb, what), names in kinds.items()
    ]
    return "; ".join([*told, *others])


def _some(names: Sequence[str]) -> Sequence[str]:
    more = len(names) - NAMED
    if more < 1:
        return names
    return [*names[:NAMED], f"{NUMBERS[more] if more < len(NUMBERS) else more} more"]
