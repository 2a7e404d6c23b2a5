"""What is sent from common surroundings, on other dates, and by a second run."""

from dataclasses import replace
from itertools import pairwise

from telemetry.evidence.conditions import DATES
from telemetry.evidence.judging import Trial, Void, claim
from telemetry.evidence.surroundings import SURROUNDINGS
from telemetry.records.words import listed


@claim(
    "The message is the same, and `STRIPEPY_NO_TELEMETRY=1` switches telemetry off, in each of"
    " these simulated surroundings: {surroundings}.",
    ("commands", "surroundings"),
)
def surroundings(trial: Trial) -> None:
    silent = set()
    for seen in trial.runs("surroundings"):
        if seen.run.name.endswith(", off"):
            trial.expect_silence(seen)
            silent.add(seen.run.name.partition(": ")[0])
        else:
            trial.expect_no_effect(seen)
    trial.require_tested({*SURROUNDINGS} - silent, "the switch")
    trial.facts["surroundings"] = listed([*SURROUNDINGS])


@claim(
    "The message is the same as today, apart from the times in it, with the clock set to each of"
    " these times, and one subcommand run at each: {dates}.",
    ("commands", "dates"),
)
def dates(trial: Trial) -> None:
    trial.facts["dates"] = listed(DATES)
    tested = trial.runs("dates")
    for seen in tested:
        start = trial.evidence.values(seen).get("start_time_unix_nano", "no time")
        if start[:10] not in seen.run.name:
            raise Void(f"`{seen.run.command}` began at {start}")
        trial.expect_no_effect(seen)
    trial.require_tested(
        {day for day in DATES if not any(day in seen.run.name for seen in tested)}, "another date"
    )


@claim(
    "A second run, with all that the first one left behind, sends the same message, apart from"
    " identifiers and times.",
    ("again",),
)
def second_run(trial: Trial) -> None:
    for seen in trial.runs():
        what = f"`{seen.run.command}`, run twice"
        trial.expect_equal(len(seen.bodies), 2, f"messages of {what}")
        for first, second in pairwise(replace(seen, bodies=(body,)) for body in seen.bodies):
            trial.expect_no_effect(second, first)
