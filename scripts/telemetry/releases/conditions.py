"""The same runs for every release and every set of dependencies."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from telemetry.records import claims, files
from telemetry.records.releases import OFF
from telemetry.records.runs import Mode, Network, Run, subcommand_of

RESULT = "result.hdf5"
BROKEN = "broken.hic"
PASSWORDS = "passwords"
TIMEOUT = 90.0

# Releases up to 1.2.1 now and then hang with hictkpy 1.4, where they fork; nothing of that is
# an answer to the question that is asked here.
TRIES = 4

_PLOT = ("plot.png", "--dpi", "20")

FETCHED = ("download", "--name", "ENCFF993FGR")
"""Asks for data that are fetched from where they are kept, which is no collector."""

CONTROL = ("download", "--list-only")
"""The quickest run that succeeds without a network; what variables do is tested with it."""

CALL = ("call", "sample.hic", "10000")

COMMANDS: tuple[tuple[str, ...], ...] = (
    CALL,
    ("call", BROKEN, "10000"),
    ("view", RESULT),
    ("view", BROKEN),
    *(
        ("plot", kind, *arguments, *_PLOT)
        for kind in ("cm", "contact-map")
        for arguments in (("sample.hic", "10000"), (BROKEN, "10000"))
    ),
    *(
        ("plot", kind, argument, *_PLOT)
        for kind in ("pd", "pseudodistribution", "hist", "stripe-hist")
        for argument in (RESULT, BROKEN)
    ),
    # Without a network nothing can be fetched; to list what there is takes none.
    CONTROL,
    ("download", "--name", "no-such-data-set"),
    FETCHED,
)
"""Every subcommand: first the arguments with which it can succeed, then others."""

SWITCHES = (
    OFF,
    "NO_TELEMETRY=1",
    "DO_NOT_TRACK=1",
    "OTEL_SDK_DISABLED=true",
    "OTEL_TRACES_SAMPLER=always_off",
    "OTEL_TRACES_EXPORTER=none",
)

EXPECTED = (
    "OTEL_SERVICE_NAME=ZqxAmbient",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://zqx.example:4318/ZqxPath",
    f"NETRC={PASSWORDS}",
)
"""Settings that one would expect to have an effect."""

EXPORTER = Run("exporter", CONTROL, Mode.MEMORY, timeout=TIMEOUT)
"""The run that is made in memory, for the settings that the exporter is given."""

UNREACHABLE = (Network.REFUSED, Network.BLACK_HOLE)
"""What keeps the collector out of reach where the delay is measured: a firewall does either."""

RESULTS = ("sample.10000.hdf5", "sample/10000/results.hdf5")
"""Where `call` writes its result file: today, and in the first release."""


def fill(folder: Path) -> None:
    """Put the files that runs find into a folder; the sample apart."""
    (folder / BROKEN).write_bytes(b"no matrix")
    (folder / PASSWORDS).write_text("default login zqx password ZqxPassword\n")


def settings() -> list[str]:
    """Return what is tested of a user's own settings, each as VARIABLE=VALUE.

    All that has an effect with the locked packages, but for files that only a server can tell,
    and what one would expect to have one.
    """
    effective = [
        f"{seen.variable}={seen.value}"
        for seen in claims.load().variables
        if seen.effects and seen.value != "FILE"
    ]
    return [setting for setting in (*effective, *EXPECTED) if setting not in SWITCHES]


def runs() -> list[Run]:
    """Return every run, named by its topic; `call` makes what others read, and comes first."""
    first: dict[str, tuple[str, ...]] = {}
    for argv in COMMANDS:
        first.setdefault(subcommand_of(argv), argv)
    return [
        *(_run("command", argv) for argv in COMMANDS),
        *(_run("off", argv, OFF) for argv in first.values()),
        *(_run("switch", CONTROL, switch) for switch in SWITCHES),
        *(_run("setting", CONTROL, setting) for setting in settings()),
        *(
            replace(_run("", CONTROL), name=f"delay: {network}", network=network, timed=True)
            for network in UNREACHABLE
        ),
    ]


def _run(topic: str, argv: tuple[str, ...], setting: str = "") -> Run:
    environment = dict([setting.split("=", 1)]) if setting else {}
    there: Mapping[str, str] = {"sample.hic": str(files.SAMPLE)} | {
        name: name for name in (BROKEN, RESULT, PASSWORDS)
    }
    words = (*argv, *environment.values())
    return Run(
        f"{topic}: {' '.join(filter(None, (setting, *argv)))}",
        argv,
        environment=environment,
        inputs={name: path for name, path in there.items() if name in words},
        keep=dict.fromkeys(RESULTS, RESULT) if (topic, argv) == ("command", CALL) else {},
        timeout=TIMEOUT,
    )
