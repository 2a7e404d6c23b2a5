"""Switching telemetry off."""

from telemetry.box.world import DATA_HOSTS
from telemetry.evidence.conditions import ALSO_OFF, NOT_OFF, OFF, SWITCH_VALUES, SWITCHES
from telemetry.evidence.judging import Trial, Void, claim, untimed_messages
from telemetry.evidence.subcommands import together_name
from telemetry.records.runs import Observation


def _with(trial: Trial, variable: str) -> list[Observation]:
    return trial.runs("switches", where=lambda seen: variable in seen.run.environment)


def _silences(trial: Trial, variable: str, *values: str, silent: bool) -> None:
    """Expect values of a variable to silence each subcommand or, if not `silent`, to do nothing."""
    tested = _with(trial, variable)
    for seen in tested:
        if seen.run.environment[variable] not in values:
            continue
        if silent:
            _expect_silence_alone(trial, seen)
        else:
            trial.expect_no_effect(seen)
    trial.require_tested({*values} - {seen.run.environment[variable] for seen in tested}, variable)
    same = {s.name: s.same_as or s.name for s in trial.evidence.subcommands if not s.unknown}
    trial.require_tested(
        {*same.values()} - {same[seen.run.subcommand] for seen in tested}, variable
    )


def _expect_silence_alone(trial: Trial, off: Observation) -> None:
    """Expect silence, and otherwise what the same run does without a switch, if there is one."""
    names = (off.run.subcommand, together_name(off.run.subcommand))
    known = map(trial.evidence.by_name.get, names)
    on = next((seen for seen in known if seen and seen.run.argv == off.run.argv), None)
    trial.control(trial.run(on.run.name if on else off.run.subcommand))
    trial.expect_silence(off)
    if on:
        trial.expect_same_outcome(off, on)


@claim(
    "Setting the environment variable `STRIPEPY_NO_TELEMETRY` or `NO_TELEMETRY` switches telemetry"
    " off, and nothing else: any value counts, even `0`, `false` or an empty one.",
    ("commands", "options", "switches"),
)
def off_by_presence(trial: Trial) -> None:
    for variable in SWITCHES:
        _silences(trial, variable, *SWITCH_VALUES, silent=True)


@claim(
    "With `STRIPEPY_NO_TELEMETRY` or `NO_TELEMETRY` set, a command that has nothing to download"
    " makes no connection and no DNS query.",
    ("commands", "switches"),
)
def off_unmodified(trial: Trial) -> None:
    for variable in SWITCHES:
        for seen in _with(trial, variable):
            trial.control(trial.run(seen.run.subcommand))
            look_ups, connections = seen.wire.look_ups, seen.wire.connections
            trial.expect_equal((look_ups, connections), ((), 0), f"`{seen.run.command}`")
            trial.expect(not seen.attempts, f"`{seen.run.command}`: {', '.join(seen.attempts)}")


@claim(
    "With `STRIPEPY_NO_TELEMETRY=1`, `stripepy download` contacts only the hosts of the data set"
    " that it was asked for.",
    ("downloads",),
)
def off_download(trial: Trial) -> None:
    for plain, off in (("any", "off"), ("fetched by name", "fetched, off")):
        trial.control(trial.run(f"download: {plain}"))
        seen = trial.run(f"download: {off}")
        collector = [name for name in seen.wire.look_ups if name not in DATA_HOSTS]
        connections = ["a connection"] * seen.wire.connections
        noise = [*seen.attempts, *collector, *connections]
        trial.expect(not noise, f"`{seen.run.command}` reached out: {noise}")
        # The data set and its temporary name are random, so compare only the number of lines.
        on, found = (
            (one.exit_status, one.stdout, len(one.stderr.splitlines()))
            for one in (trial.run(f"download: {plain}"), seen)
        )
        trial.expect_equal(found, on, f"what `{seen.run.command}` ends with and says")


@claim(
    "`DO_NOT_TRACK` has no effect.",
    ("commands", "switches"),
    reason="StripePy checks only its own two variables.",
    source="cli/telemetry.py",
)
def do_not_track(trial: Trial) -> None:
    _silences(trial, "DO_NOT_TRACK", *NOT_OFF["DO_NOT_TRACK"], silent=False)


@claim(
    "`OTEL_SDK_DISABLED=true` switches StripePy's telemetry off too, in any letter case; other"
    " values do not.",
    ("commands", "switches"),
)
def off_sdk_disabled(trial: Trial) -> None:
    _silences(trial, "OTEL_SDK_DISABLED", *ALSO_OFF["OTEL_SDK_DISABLED"], silent=True)
    _silences(trial, "OTEL_SDK_DISABLED", *NOT_OFF["OTEL_SDK_DISABLED"], silent=False)


@claim(
    "`OTEL_TRACES_SAMPLER=always_off` switches StripePy's telemetry off too.",
    ("commands", "switches"),
)
def off_sampler(trial: Trial) -> None:
    _silences(trial, "OTEL_TRACES_SAMPLER", *ALSO_OFF["OTEL_TRACES_SAMPLER"], silent=True)
    _silences(trial, "OTEL_TRACES_SAMPLER", *NOT_OFF["OTEL_TRACES_SAMPLER"], silent=False)


@claim(
    "`OTEL_TRACES_EXPORTER=none` has no effect.",
    ("commands", "switches"),
    reason="StripePy creates its exporter itself, without asking OpenTelemetry which one to use.",
    source="cli/telemetry.py",
)
def exporter_none(trial: Trial) -> None:
    _silences(trial, "OTEL_TRACES_EXPORTER", *NOT_OFF["OTEL_TRACES_EXPORTER"], silent=False)


@claim(
    "Where OpenTelemetry is not installed, every subcommand works as usual and sends nothing.",
    ("commands", "absent"),
)
def without_opentelemetry(trial: Trial) -> None:
    for seen in trial.runs("absent"):
        plain = trial.run(seen.run.subcommand)
        trial.control(plain)
        trial.expect_silence(seen)
        trial.expect_same_outcome(seen, plain)


@claim(
    "StripePy does not tell its users about its telemetry, unless they ask for debug messages.",
    ("commands", "options", "surroundings", "switches"),
    reason="It logs its messages about telemetry only at debug level.",
    source="cli/telemetry.py",
)
def no_notice(trial: Trial) -> None:
    shown = trial.run(together_name("call"))
    if "telemetry" not in shown.stderr + shown.stdout:
        raise Void(f"`{shown.run.command}` does not name telemetry either")
    for seen in trial.runs("commands", "surroundings"):
        named = "telemetry" in (seen.stderr + seen.stdout).lower()
        trial.expect(not named, f"`{seen.run.command}` names telemetry")
    # A notice could be in other words, so compare all messages.
    for off in trial.runs("switches", where=lambda s: OFF.items() <= s.run.environment.items()):
        on = trial.run(off.run.subcommand)
        same = untimed_messages(on) == untimed_messages(off)
        trial.expect(same, f"`{on.run.command}` says something else without")


@claim(
    "None of StripePy's help texts mentions telemetry, and no option switches it off or tells"
    " whether it is on.",
    ("refusals",),
    reason="Environment variables are the only switch.",
    source="cli/setup.py",
)
def no_status_command(trial: Trial) -> None:
    for seen in trial.runs():
        # Help can hide options, but these runs have every option of the program itself.
        text = f"{seen.run.argv} {seen.stdout} {seen.stderr}".lower()
        if "--help" in seen.run.argv and "usage" not in text:
            raise Void(f"`{seen.run.command}` shows no help")
        trial.expect("telemetry" not in text, f"`{seen.run.command}` names telemetry")
