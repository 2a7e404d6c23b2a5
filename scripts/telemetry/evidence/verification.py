"""The verification: plan the runs, make them, and put together what is kept of the judgements."""

import os
import platform
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from telemetry.box.observing import Tell, have_namespaces, observe
from telemetry.box.world import World
from telemetry.capture.process import installing, last_error
from telemetry.evidence import conditions, source_lines, subcommands, variables
from telemetry.evidence.claims import ambient, options, unreachable
from telemetry.evidence.conditions import OTHER_SWITCHES, SWITCHES
from telemetry.evidence.judging import Evidence, Judgement, outcome
from telemetry.evidence.surroundings import SURROUNDINGS, others
from telemetry.records import fields, files, table
from telemetry.records.claims import (
    ClaimResult,
    Example,
    FieldResult,
    OptionResult,
    SurroundingResult,
    SwitchResult,
    VariableResult,
    Verification,
    VerificationDetails,
)
from telemetry.records.exits import Exit, UserError
from telemetry.records.runs import Observation

SHOWN_COMMANDS = 5


def make_plan(world: World) -> Evidence:
    """Plan all runs: the program names its options, and the installed code its variables.

    Raises:
        UserError: If stripepy cannot be run.
    """
    first = observe(conditions.first(), world)
    parser, versions = first["the parser"].parser, first["the versions"].versions
    if not parser or "stripepy-hic" not in versions:
        seen = first["the parser"]
        said = seen.not_tried or seen.fault or last_error(seen) or "it said nothing"
        message = f"stripepy cannot be asked for its options: {said}"
        raise UserError(message, installing(), Exit.NOT_CAPTURED)
    dictionary = fields.load()
    known = subcommands.known(parser, dictionary)
    settings = variables.settings(variables.named() - {*SWITCHES, *OTHER_SWITCHES})
    topics = conditions.plan(known, subcommands.program_flags(parser), settings)
    return Evidence(
        topics=topics,
        observations={},
        subcommands=known,
        lines=source_lines.find(),
        setters=source_lines.setters(dictionary),
        dictionary=dictionary,
        documented=table.load(),
        versions=versions,
    )


def gather(plan: Evidence, topics: set[str], world: World, tell: Tell) -> Evidence:
    """Make the runs of some topics.

    Args:
        plan: What `make_plan` returned.
        topics: Topics of the runs.
        world: What the runs have around them.
        tell: As for `observe`.
    """
    chosen = {topic: runs for topic, runs in plan.topics.items() if topic in topics}
    runs = [run for of_topic in chosen.values() for run in of_topic]
    before = _installed_files()
    seen = observe(runs, world, tell)
    changed = before.items() ^ _installed_files().items()
    by_topic = {topic: [seen[run.name] for run in of] for topic, of in chosen.items()}
    return replace(plan, observations=by_topic, changed_files=sorted(dict(changed)))


def _installed_files() -> dict[str, int]:
    """Return when each file of the packages was last changed (ns), except Python's own caches."""
    return {
        str(path): path.lstat().st_mtime_ns
        for folder, _, names in os.walk(source_lines.package().parent)
        if not folder.endswith("__pycache__")
        for path in (Path(folder, name) for name in names)
    }


def build(evidence: Evidence, judgements: Sequence[Judgement]) -> Verification:
    """Put together what is kept of a verification."""
    return Verification(
        version=3,
        stripepy_hic=evidence.versions["stripepy-hic"],
        claims=[_claim(judgement) for judgement in judgements],
        fields=_fields(evidence),
        options=[
            OptionResult(subcommand=option.subcommand, option=option.flag, fields=sorted(fields))
            for option, fields in options.sent(evidence).items()
        ],
        switches=_switches(evidence),
        variables=_variables(evidence),
        surroundings=[
            SurroundingResult(name=name, variables=sorted(where.environment), others=others(where))
            for name, where in SURROUNDINGS.items()
        ],
        places=[*evidence.lines],
        this_run=VerificationDetails(
            date=datetime.now(UTC).date().isoformat(),
            commit=_commit(),
            platform=f"{platform.system()} {platform.machine()}",
            versions=dict(evidence.versions),
            runs=evidence.runs_made,
            namespaces=have_namespaces(),
            counts={j.claim.id: dict(j.trial.counts) for j in judgements},
            delays={
                network.value: round(seconds, 1)
                for network, seconds in unreachable.delays(evidence).items()
            },
            examples=_examples(evidence),
        ),
    )


def _commit() -> str:
    """Return this site's commit, marked if code differs from it; empty outside a repository."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "scripts", "requirements-docs.txt")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}-dirty" if changed else commit


def _git(*words: str) -> str:
    said = subprocess.run(
        ["git", *words], cwd=files.ROOT, capture_output=True, text=True, check=True
    )
    return said.stdout.strip()


def _claim(judgement: Judgement) -> ClaimResult:
    runs = [seen.run for seen in judgement.trial.looked_at.values()]
    modes = {f"{run.changed or run.mode}{', watched' if run.watched else ''}" for run in runs}
    return ClaimResult(
        id=judgement.claim.id,
        sentence=judgement.sentence,
        verdict=judgement.verdict,
        grounds=list(judgement.grounds),
        reason=judgement.claim.reason,
        source=judgement.claim.source,
        runs=len(runs),
        modes=sorted(modes),
        commands=list(dict.fromkeys(run.command for run in runs))[:SHOWN_COMMANDS],
    )


def _fields(evidence: Evidence) -> list[FieldResult]:
    sending = defaultdict[tuple[str, str], set[str]](set)
    for seen in _ended(evidence):
        for name in evidence.values(seen):
            sending[name, outcome(seen)].add(seen.run.subcommand)
    return [
        FieldResult(
            field=name,
            success=sorted(sending[name, "success"]),
            failure=sorted(sending[name, "failure"]),
            lines=[*evidence.setters.get(name, ())],
        )
        for name in sorted({*evidence.dictionary, *(name for name, _ in sending)})
    ]


def _examples(evidence: Evidence) -> dict[str, Example]:
    documented = dict(evidence.documented.table)
    found: dict[str, Example] = {}
    for seen in _ended(evidence):
        for name, value in evidence.values(seen).items():
            if name not in documented:
                found.setdefault(name, Example(value=value, command=seen.run.command))
    return dict(sorted(found.items()))


def _ended(evidence: Evidence) -> Iterator[Observation]:
    for topic in ("commands", "failures", "downloads"):
        yield from evidence.observations.get(topic, ())


def _switches(evidence: Evidence) -> list[SwitchResult]:
    by_value: dict[tuple[str, str], list[Observation]] = {}
    for seen in evidence.observations.get("switches", ()):
        for pair in seen.run.environment.items():
            by_value.setdefault(pair, []).append(seen)
    return [
        SwitchResult(
            variable=variable,
            value=value,
            silent=sorted(s.run.subcommand for s in seen if not s.bodies),
            sending=sorted(s.run.subcommand for s in seen if s.bodies),
        )
        for (variable, value), seen in sorted(by_value.items(), key=_switch_order)
    ]


def _switch_order(item: tuple[tuple[str, str], list[Observation]]) -> tuple[int, int, str]:
    (variable, value), seen = item
    return [*SWITCHES, *OTHER_SWITCHES].index(variable), -len(seen), value


def _variables(evidence: Evidence) -> list[VariableResult]:
    found: dict[tuple[str, str], dict[str, None]] = {}
    for seen in evidence.observations.get("ambient", ()):
        effects = dict.fromkeys(effect.words for effect in ambient.effects_of(evidence, seen))
        for variable, value in seen.run.environment.items():
            told = re.sub(r"\{(authority|certificate)\}|\{home\}/\w+", "FILE", value)
            found.setdefault((variable, told), {}).update(effects)
    return [
        VariableResult(variable=variable, value=value, effects=[*effects])
        for (variable, value), effects in found.items()
    ]
