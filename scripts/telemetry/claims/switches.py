"""Switching telemetry off."""

from telemetry.experiments import OTHER_SWITCHES, SWITCH_VALUES, SWITCHES, switch_name
from telemetry.trial import Claim, Trial


def _silences(trial: Trial, variable: str, value: str, *, silent: bool) -> None:
    """Expect that a value of a variable silences every subcommand, or none."""
    for command in trial.evidence.commands:
        if command.base is None:
            continue
        trial.control(trial.run(command.name))
        seen = trial.run(switch_name(command.name, variable, value))
        if silent:
            trial.expect_silence(seen)
        else:
            trial.expect(len(seen.bodies) == 1, f"`{seen.run.command}` sends nothing")


def off_by_presence(trial: Trial) -> None:
    for variable in SWITCHES:
        for value in SWITCH_VALUES:
            _silences(trial, variable, value, silent=True)
    for seen in trial.runs(
        "switches", where=lambda seen: set(seen.run.environment) <= set(SWITCHES)
    ):
        trial.expect(not seen.exporters, f"`{seen.run.command}` sets an exporter up")
    trial.facts["values"] = str(len(SWITCH_VALUES))


def off_unmodified(trial: Trial) -> None:
    trial.control(trial.run("unmodified: call"))
    for seen in trial.runs("witness", where=lambda seen: bool(seen.run.environment)):
        trial.expect_silence(seen)


def off_download(trial: Trial) -> None:
    trial.control(trial.run("download: any"))
    seen = trial.run("download: off")
    trial.expect(
        not seen.bodies and not seen.exporters and not seen.attempts,
        f"`{seen.run.command}` sent {len(seen.bodies)} messages",
    )


def do_not_track(trial: Trial) -> None:
    for value in SWITCH_VALUES:
        _silences(trial, "DO_NOT_TRACK", value, silent=False)


def sdk_disabled(trial: Trial) -> None:
    for value in SWITCH_VALUES:
        _silences(trial, "OTEL_SDK_DISABLED", value, silent=value.lower() == "true")


def sampler_off(trial: Trial) -> None:
    _silences(trial, "OTEL_TRACES_SAMPLER", "always_off", silent=True)
    for value in SWITCH_VALUES:
        _silences(trial, "OTEL_TRACES_SAMPLER", value, silent=False)


def exporter_none(trial: Trial) -> None:
    for value in (*SWITCH_VALUES, *OTHER_SWITCHES["OTEL_TRACES_EXPORTER"]):
        _silences(trial, "OTEL_TRACES_EXPORTER", value, silent=False)


CLAIMS = (
    Claim(
        "off-by-presence",
        "`STRIPEPY_NO_TELEMETRY` and `NO_TELEMETRY` switch telemetry off by being there, whatever"
        " they hold: also empty, `0` or `false`.",
        ("commands", "switches"),
        off_by_presence,
    ),
    Claim(
        "off-unmodified",
        "Switched off, the unmodified program opens no connection and looks no name up.",
        ("witness",),
        off_unmodified,
    ),
    Claim(
        "off-download",
        "`STRIPEPY_NO_TELEMETRY=1 stripepy download` sends no telemetry.",
        ("downloads",),
        off_download,
    ),
    Claim(
        "off-sdk-disabled",
        "`OTEL_SDK_DISABLED=true` switches telemetry off as well, as does"
        " `OTEL_SDK_DISABLED` with `true` in any letter case; other values do not.",
        ("commands", "switches"),
        sdk_disabled,
    ),
    Claim(
        "off-sampler",
        "`OTEL_TRACES_SAMPLER=always_off` switches telemetry off as well.",
        ("commands", "switches"),
        sampler_off,
    ),
    Claim(
        "do-not-track",
        "`DO_NOT_TRACK`, which some other programs heed, has no effect.",
        ("commands", "switches"),
        do_not_track,
        "StripePy asks for its own two variables only.",
        "cli/telemetry.py",
    ),
    Claim(
        "exporter-none",
        "`OTEL_TRACES_EXPORTER=none` has no effect.",
        ("commands", "switches"),
        exporter_none,
        "StripePy makes its exporter itself, so that OpenTelemetry's own choice is not asked for.",
        "cli/telemetry.py",
    ),
)
