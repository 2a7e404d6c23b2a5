#!/usr/bin/env python3
"""Test every sentence that the site states about StripePy's telemetry, by running the program.

Without options, the outcome is written to assets/telemetry_claims.json. Exit status: 0 fine,
2 wrong usage, 3 not captured, 5 findings.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

# If PYTHONSAFEPATH is set, Python does not search this folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from telemetry.box.observing import Tell
from telemetry.evidence import planted, verification
from telemetry.evidence.claims import CLAIMS
from telemetry.evidence.judging import Judgement, judge
from telemetry.records import claims, documents, exits, files, findings, table
from telemetry.records.claims import Verdict, Verification
from telemetry.records.exits import Exit, UserError
from telemetry.records.findings import Finding, Kind
from telemetry.records.runs import Observation


def main() -> int:
    parser = exits.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare only, write nothing")
    mode.add_argument("--list", action="store_true", help="list the claims, test nothing")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ID", help="test this claim; can be repeated"
    )
    options = parser.parse_args()
    if options.list:
        for claim in CLAIMS:
            print(f"{claim.id:24}{'known limit: ' if claim.reason else ''}{claim.sentence}")
        return Exit.OK
    if unknown := sorted(set(options.only) - {claim.id for claim in CLAIMS}):
        raise UserError(
            f"no claim is called {', '.join(unknown)}", "python scripts/telemetry_claims.py --list"
        )
    chosen = [claim for claim in CLAIMS if not options.only or claim.id in options.only]
    [exporter] = table.load().provenance.exporters
    topics = {topic for claim in chosen for topic in claim.topics}
    with planted.planted_world(exporter["endpoint"]) as made:
        plan = verification.make_plan(made)
        evidence = verification.gather(plan, topics, made, _progress())
    judgements = [judge(claim, evidence) for claim in chosen]
    found = [finding for judgement in judgements for finding in judgement.findings()]
    if not (options.only or found):
        found = _compare(verification.build(evidence, judgements), write=not options.check)
    findings.show(found, files.CLAIMS)
    _summarise(judgements, evidence.runs_made)
    return Exit.FINDINGS if found else Exit.OK


def _progress() -> Tell:
    """Report progress: on a terminal in one line that is rewritten, in a log every 100 runs."""
    started = time.monotonic()

    def tell(done: int, total: int, seen: Observation) -> None:
        text = f"{done} of {total} runs, {time.monotonic() - started:.0f} s"
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{text}: {seen.run.name:.50}\x1b[K", end=end, file=sys.stderr, flush=True)
        elif done % 100 == 0 or done == total:
            print(text, file=sys.stderr, flush=True)

    return tell


def _compare(new: Verification, *, write: bool) -> list[Finding]:
    """Compare with the committed verification and, with `write`, replace it if it differs.

    It is not replaced if it tested a claim that this machine could not test.
    """
    old = findings.committed(claims.load)
    return findings.write_or_compare(
        {files.CLAIMS: documents.render(new)},
        old=documents.lines(old.settled(tested_as=new)) if old else None,
        new=documents.lines(new.settled(tested_as=new)),
        write=write and not (old and new.not_tried() - old.not_tried()),
        kind=Kind.OUTDATED_CLAIMS,
        fix=claims.FIX,
    )


def _summarise(judgements: Sequence[Judgement], runs: int) -> None:
    for lack in {j.grounds[0]: None for j in judgements if j.verdict is Verdict.NOT_TRIED}:
        print(f"Not tested here: {lack}")
    verdicts = [judgement.verdict.value for judgement in judgements]
    tally = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    print(f"{len(verdicts)} claims ({tally}), {runs} runs of stripepy")


if __name__ == "__main__":
    exits.run(main)
