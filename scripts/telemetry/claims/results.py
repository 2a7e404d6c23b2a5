"""The results of the work, with and without telemetry; and the code."""

from telemetry.trial import Claim, Trial

FILES = (
    "cli/call.py",
    "cli/download.py",
    "cli/plot.py",
    "cli/telemetry.py",
    "cli/view.py",
    "main.py",
)


def same_results(trial: Trial) -> None:
    _same(trial, ("call", "view", "plot", "failure"))


def same_results_unmodified(trial: Trial) -> None:
    _same(trial, ("unmodified call",))


def _same(trial: Trial, works: tuple[str, ...]) -> None:
    for work in works:
        on, off = (trial.run(f"results: {work}, telemetry {state}") for state in ("on", "off"))
        trial.control(on)
        trial.expect(not off.bodies, f"{work}: switched off, it sent something")
        for seen in trial.runs("results"):
            if not seen.run.name.startswith(f"results: {work},"):
                continue
            trial.expect(seen.files == off.files, f"{seen.run.name}: other files: {seen.files}")
            trial.expect(
                seen.exit_status == off.exit_status, f"{seen.run.name}: {seen.exit_status}"
            )
            trial.expect(seen.stdout == off.stdout, f"{seen.run.name}: other output")
        made = bool(off.files) or bool(off.stdout) or off.exit_status != 0
        trial.expect(made, f"{work}: there is no result to compare")


def files(trial: Trial) -> None:
    found = {place.file for place in trial.evidence.places if "network" not in place.what}
    trial.expect(found == set(FILES), f"other files: {sorted(found ^ set(FILES))}")
    trial.counts["lines"] = len(trial.evidence.places)


def ways_out(trial: Trial) -> None:
    """No module of stripepy imports a way to the network, but the one that downloads."""
    found = {place.file for place in trial.evidence.places if "network" in place.what}
    trial.expect(found == {"cli/download.py"}, f"ways out: {sorted(found)}")


def not_only_one_file(trial: Trial) -> None:
    adds = {place.file for place in trial.evidence.places if place.what == "adds to the span"}
    trial.expect(bool(adds - {"cli/telemetry.py"}), f"only {sorted(adds)} add to the span")


CLAIMS = (
    Claim(
        "same-results",
        "Results are the same with telemetry on, off, or out of reach.",
        ("results",),
        same_results,
    ),
    Claim(
        "same-results-unmodified",
        "That holds for the unmodified program as well, on a machine without any network too.",
        ("results",),
        same_results_unmodified,
    ),
    Claim(
        "files",
        "These files of StripePy take part in telemetry, and no others.",
        (),
        files,
    ),
    Claim(
        "ways-out",
        "Apart from OpenTelemetry, only `cli/download.py` imports anything that can reach a"
        " network.",
        (),
        ways_out,
    ),
    Claim(
        "not-one-file",
        "Not all of the code is in `cli/telemetry.py`: each subcommand adds its parameters itself.",
        (),
        not_only_one_file,
        "The parameters are known where the subcommand begins its work.",
        "cli/call.py",
    ),
)
