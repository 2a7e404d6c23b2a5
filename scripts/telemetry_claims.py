#!/usr/bin/env python3
"""Try every sentence that the site states about StripePy's telemetry, by running the program.

Without an option, the outcome is written to assets/telemetry_claims.json. Exit status: 0 fine,
1 findings, 2 wrong usage, 3 not captured.
"""

import argparse
import difflib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from telemetry import (
    ambient,
    assets,
    documented,
    edge,
    experiments,
    fields,
    findings,
    places,
    verification,
)
from telemetry.claims import CLAIMS
from telemetry.errors import Exit, UserError
from telemetry.runs import Observation, Run
from telemetry.stage import Nursery, set_stage
from telemetry.trial import Claim, Evidence, Judgement, judge


def main() -> int:
    options = _options()
    if options.list:
        for claim in CLAIMS:
            print(f"{claim.id:24}{'known limit: ' if claim.reason else ''}{claim.sentence}")
        return Exit.OK
    claims = _chosen(options.only)
    topics = {topic for claim in claims for topic in claim.topics}
    evidence = observe(topics, options.subcommand, _progress())
    judgements = [judge(claim, evidence) for claim in claims]
    if options.subcommand:
        # What needs other subcommands cannot be decided.
        judgements = [judgement for judgement in judgements if not judgement.not_made]
        if not judgements:
            raise UserError(
                f"no claim can be decided by `{options.subcommand}` alone",
                "leave --subcommand away, or choose another claim",
            )
    found = [finding for j in judgements for finding in findings.against_claim(j)]
    if options.report:
        options.report.write_bytes(verification.render(verification.build(evidence, judgements)))
    whole = not options.only and not options.subcommand
    if whole and not found:
        found = _compare(verification.build(evidence, judgements), write=not options.check)
    for line in findings.lines(found, assets.CLAIMS):
        print(line)
    _summarise(judgements, evidence)
    return Exit.FINDINGS if found else Exit.OK


def _options() -> argparse.Namespace:
    parser = edge.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only, write nothing")
    mode.add_argument("--list", action="store_true", help="list the claims, try nothing")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ID", help="try this claim; can be repeated"
    )
    parser.add_argument("--subcommand", metavar="NAME", help="run this subcommand only")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write what was found to this file, as JSON"
    )
    return parser.parse_args()


def _chosen(ids: Sequence[str]) -> list[Claim]:
    known = {claim.id for claim in CLAIMS}
    if unknown := sorted(set(ids) - known):
        raise UserError(
            f"no claim is called {', '.join(unknown)}",
            "python scripts/telemetry_claims.py --list",
        )
    return [claim for claim in CLAIMS if not ids or claim.id in ids]


def observe(
    topics: set[str], subcommand: str | None, tell: Callable[[int, int, Observation], None]
) -> Evidence:
    """Make the runs of some topics.

    Args:
        topics: Topics of the runs.
        subcommand: The only subcommand to run; None for all.
        tell: Called after each run with how many are done, how many there are, and what was seen.

    Raises:
        UserError: If stripepy does not run here.
    """
    record, dictionary = documented.load(), fields.load()
    [exporter] = record.provenance.exporters
    with set_stage(exporter["endpoint"]) as stage, Nursery(stage) as nursery:
        plan = make_plan(nursery)
        chosen = {
            topic: [run for run in runs if _is_of(run, subcommand)]
            for topic, runs in plan.topics.items()
            if topic in topics
        }
        runs = [run for runs in chosen.values() for run in runs]
        done = 0

        def count(seen: Observation) -> None:
            nonlocal done
            done += 1
            tell(done, len(runs), seen)

        seen = nursery.observe(runs, count)
    return Evidence(
        observations={topic: [seen[run.name] for run in runs] for topic, runs in chosen.items()},
        commands=[c for c in plan.commands if subcommand is None or c.name == subcommand],
        variables=plan.variables,
        places=places.find(),
        setters=places.setters(dictionary),
        dictionary=dictionary,
        documented=record,
        versions=plan.versions,
    )


@dataclass(frozen=True)
class Plan:
    """What is to be tried.

    Attributes:
        topics: The runs, by topic.
        commands: The program's subcommands, from its own parser.
        variables: Values to try for each variable of the environment.
        versions: Installed versions, by package.
    """

    topics: Mapping[str, Sequence[Run]]
    commands: Sequence[experiments.Command]
    variables: Mapping[str, Sequence[str]]
    versions: Mapping[str, str]


def make_plan(nursery: Nursery) -> Plan:
    """Ask the program for its options, and the installed code for its variables.

    Raises:
        UserError: If stripepy does not run here.
    """
    first = nursery.observe(experiments.first())
    parser, versions = _recorded(first["the parser"])
    commands = experiments.commands(parser)
    asked = {name for seen in first.values() for name in seen.variables}
    variables = ambient.values((ambient.named() | asked) - {*experiments.SWITCHES})
    topics = experiments.plan(commands, experiments.program_flags(parser), variables)
    return Plan(topics, commands, variables, versions)


def _is_of(run: Run, subcommand: str | None) -> bool:
    return subcommand is None or run.subcommand == subcommand


def _recorded(seen: Observation) -> tuple[list[dict[str, object]], dict[str, str]]:
    parsers = [record["parser"] for record in seen.records if "parser" in record]
    versions = [record["versions"] for record in seen.records if "versions" in record]
    if not parsers:
        last = (seen.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(
            f"stripepy cannot be asked for its options: {last}",
            f"{sys.executable} -m pip install stripepy-hic",
            Exit.NOT_CAPTURED,
        )
    return parsers[0], versions[0]


def _progress() -> Callable[[int, int, Observation], None]:
    """A line that is written over for a person, and one now and then for a log."""
    started = time.monotonic()

    def tell(done: int, total: int, seen: Observation) -> None:
        text = f"{done} of {total} runs, {time.monotonic() - started:.0f} s"
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{text}: {seen.run.name:.50}\x1b[K", end=end, file=sys.stderr, flush=True)
        elif done % 100 == 0 or done == total:
            print(text, file=sys.stderr, flush=True)

    return tell


def _compare(new: verification.Verification, *, write: bool) -> list[findings.Finding]:
    """Compare with the committed verification; replace it if that is asked for and it differs."""
    try:
        old = verification.load()
    except UserError as error:
        print(f"note: {error.message}", file=sys.stderr)
        old = None
    schema = verification.render_schema()
    fresh = assets.CLAIMS_SCHEMA.is_file() and assets.CLAIMS_SCHEMA.read_bytes() == schema
    if old and old.settled(tried_in=new) == new.settled(tried_in=new) and fresh:
        print(f"Up to date: {assets.shown(assets.CLAIMS)}")
        return []
    weaker = old is not None and old.this_run.namespaces and not new.this_run.namespaces
    if write and not weaker:
        assets.replace(assets.CLAIMS, verification.render(new))
        assets.replace(assets.CLAIMS_SCHEMA, schema)
        print(f"Updated: {assets.shown(assets.CLAIMS)}")
        return []
    if old is not None:
        sys.stdout.writelines(
            difflib.unified_diff(
                _lines(old, new),
                _lines(new, new),
                f"{assets.shown(assets.CLAIMS)} (committed)",
                "(this run)",
            )
        )
    return [findings.outdated_claims(verification.MEND)]


def _lines(document: verification.Verification, tried_in: verification.Verification) -> list[str]:
    settled = document.settled(tried_in=tried_in)
    return json.dumps(settled, indent=1).splitlines(keepends=True)


def _summarise(judgements: Sequence[Judgement], evidence: Evidence) -> None:
    verdicts = [judgement.verdict.value for judgement in judgements]
    tally = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    print(f"{len(verdicts)} claims ({tally}), {len(evidence.by_name)} runs of stripepy")


if __name__ == "__main__":
    edge.run(main)
