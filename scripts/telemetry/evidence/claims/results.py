"""StripePy's results with and without telemetry, and which of its code takes part in it."""

from telemetry.evidence.conditions import OFF, WORKS, switch_name
from telemetry.evidence.judging import Trial, claim

FILES = (
    "cli/call.py",
    "cli/download.py",
    "cli/plot.py",
    "cli/telemetry.py",
    "cli/view.py",
    "main.py",
)


@claim(
    "Results are the same with telemetry on or off, with the collector unreachable, and without"
    " any network.",
    ("commands", "failures", "switches", "results"),
)
def same_results(trial: Trial) -> None:
    for work in WORKS:
        on, off = trial.run(work), trial.run(switch_name(work, OFF))
        trial.control(on)
        trial.expect(not off.bodies, f"{work}: switched off, it sent something")
        made = bool(off.files) or bool(off.stdout) or off.exit_status != 0
        trial.expect(made, f"{work}: there is no result to compare")
        for seen in (on, *trial.runs("results")):
            if seen.run.argv == on.run.argv:
                trial.expect_same_outcome(seen, off)


@claim(
    "Only these files of StripePy take part in telemetry.",
)
def files(trial: Trial) -> None:
    found = {line.file for line in trial.evidence.lines if "network" not in line.what}
    trial.expect(found == set(FILES), f"other files: {sorted(found ^ set(FILES))}")
    trial.counts["lines"] = len(trial.evidence.lines)


@claim(
    "Only `cli/download.py` imports a networking module other than OpenTelemetry.",
)
def ways_out(trial: Trial) -> None:
    found = {line.file for line in trial.evidence.lines if "network" in line.what}
    trial.expect(found == {"cli/download.py"}, f"ways out: {sorted(found)}")


@claim(
    "The code is not all in `cli/telemetry.py`: subcommands add their parameters themselves.",
    reason="The parameters are known where a subcommand begins its work.",
    source="cli/call.py",
)
def not_one_file(trial: Trial) -> None:
    adds = {line.file for line in trial.evidence.lines if line.what == "adds to the span"}
    trial.expect(bool(adds - {"cli/telemetry.py"}), f"only {sorted(adds)} add to the span")
