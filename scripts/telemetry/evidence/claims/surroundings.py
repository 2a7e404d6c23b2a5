"""What is sent where people run stripepy: at a terminal, in a job, in a container; and again."""

from dataclasses import replace

from telemetry.evidence.judging import Claim, Trial
from telemetry.evidence.surroundings import SURROUNDINGS
from telemetry.table.differences import effects


def same_everywhere(trial: Trial) -> None:
    for seen in trial.runs("surroundings", where=lambda seen: ", off" not in seen.run.name):
        plain = trial.run(seen.run.subcommand)
        trial.control(plain)
        found = [str(effect) for effect in effects(plain, seen, trial.evidence.dictionary)]
        trial.expect(not found, f"`stripepy {seen.run.subcommand}` in {seen.run.name}: {found}")
    tested = {seen.run.name.partition(": ")[0] for seen in trial.looked_at.values()}
    missing = sorted({*SURROUNDINGS} - tested)
    trial.expect(not missing, f"not tested in {missing}")
    trial.facts["surroundings"] = str(len(SURROUNDINGS))


def off_everywhere(trial: Trial) -> None:
    trial.control(trial.run("download"))
    for name in SURROUNDINGS:
        trial.expect_silence(trial.run(f"{name}: download, off"))


def second_run(trial: Trial) -> None:
    for seen in trial.runs("again"):
        what = f"`{seen.run.command}`, run twice"
        trial.expect_equal(len(seen.bodies), 2, f"messages of {what}")
        first, second = (
            trial.evidence.settled(replace(seen, bodies=(body,))) for body in seen.bodies[:2]
        )
        trial.expect_equal(second, first, f"the second message of {what}")


CLAIMS = (
    Claim(
        "surroundings",
        "The message is the same in each of {surroundings} surroundings that set what terminals,"
        " ssh, batch systems, containers, CI services, conda, notebooks, workflow managers and"
        " tracers set.",
        ("commands", "surroundings"),
        same_everywhere,
    ),
    Claim(
        "surroundings-off",
        "`STRIPEPY_NO_TELEMETRY=1` switches telemetry off in all of them.",
        ("commands", "surroundings"),
        off_everywhere,
    ),
    Claim(
        "second-run",
        "A second run that finds whatever the first one left sends the same, identifiers and times"
        " apart.",
        ("again",),
        second_run,
    ),
)
