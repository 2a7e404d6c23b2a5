"""The one comparison of two runs: what one sent and did that the other did not."""

from pathlib import PurePosixPath
from typing import NamedTuple

from telemetry.records.fields import Dictionary
from telemetry.records.runs import Observation
from telemetry.table import otlp

MATPLOTLIB = ("fontlist-v[0-9]*.json", ".config/matplotlib")
"""What matplotlib keeps for itself: a list of fonts, and an empty folder for settings."""


class Effect(NamedTuple):
    """One difference between two runs."""

    kind: str  # what differs: "field", "header", "nothing" if nothing is sent any more, ...
    words: str  # the difference in words, with code between backticks


def settled(seen: Observation, dictionary: Dictionary) -> dict[str, str]:
    """Return what a run sent, by field, with a placeholder for values that differ by run.

    Raises:
        DecodeError: If its message cannot be read.
    """
    differ = {name for name, entry in dictionary.items() if entry.varies == "by run"}
    return {
        # A planted value, which contains "Zqx", is the same in every run, even in such fields.
        row.field: "differs by run" if row.field in differ and "Zqx" not in row.value else row.value
        for row in otlp.rows(seen.body)
    }


def _describe(seen: Observation, dictionary: Dictionary) -> dict[str, str]:
    """Return what a run sent and did, by aspect, without what differs from run to run."""
    aspects = {f"field {name}": value for name, value in settled(seen, dictionary).items()}
    if seen.seen_on_wire:
        for request in seen.wire.requests:
            aspects["request"] = request.line
            aspects["client certificate"] = request.client or "none"
            # The same fields can compress to a different number of bytes.
            aspects |= {
                f"header {name.lower()}": value
                for name, value in request.headers
                if name.lower() != "content-length"
            }
        aspects["tunnels"] = ", ".join(line for line, _ in seen.wire.tunnels) or "none"
    aspects["messages"] = str(len(seen.bodies))
    aspects["exit status"] = str(seen.exit_status)
    aspects["other attempts"] = ", ".join(seen.attempts) or "none"
    aspects["files"] = ", ".join(sorted(files_of(seen))) or "none"
    return aspects


def files_of(seen: Observation) -> dict[str, str]:
    """Return the files that a run changed, apart from what matplotlib keeps for itself."""
    plots = seen.run.argv[:1] == ("plot",) or "--plot-dir" in seen.run.argv
    return {
        path: digest
        for path, digest in seen.files.items()
        if not (plots and any(map(PurePosixPath(path).match, MATPLOTLIB)))
    }


def effects(plain: Observation, other: Observation, dictionary: Dictionary) -> list[Effect]:
    """Return what differs from one run to another."""
    before, after = _describe(plain, dictionary), _describe(other, dictionary)
    if plain.bodies and not other.bodies:
        reached = f", but there is a {after['other attempts']}" if other.attempts else ""
        return [Effect("nothing", f"sends nothing{reached}")]
    return [
        _effect(aspect, before.get(aspect), after.get(aspect))
        for aspect in sorted({*before, *after})
        if before.get(aspect) != after.get(aspect)
    ]


def _effect(aspect: str, before: str | None, after: str | None) -> Effect:
    kind, _, name = aspect.partition(" ")
    if kind not in {"field", "header"}:
        words = "shows the collector a certificate" if kind == "client" else ""
        words = f"writes `{after}`" if (kind, before) == ("files", "none") else words
        return Effect(aspect, words or f"{aspect}: {after} instead of {before}")
    verb = "adds" if before is None else "removes" if after is None else "changes"
    return Effect(kind, f"{verb} {'the header ' if kind == 'header' else ''}`{name}`")
