"""The runs that are the same for every release, made in its environment and kept on disk.

Whatever cannot be fetched, or observed on this machine, raises a UserError.
"""

import ast
import hashlib
import pickle
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from telemetry.box import world
from telemetry.box.observing import have_namespaces, observe
from telemetry.capture.process import capture
from telemetry.records import claims, files, table
from telemetry.records.exits import Exit, UserError
from telemetry.records.releases import OFF
from telemetry.records.runs import NO_NAMESPACES, Mode, Network, Observation, Run
from telemetry.releases.environments import Environment

KEPT = files.ROOT / "build" / "releases"
# The modules that decide what is observed of a run.
OBSERVING = ("capture/**/*.py", "box/**/*.py", "records/runs.py", "releases/observations.py")

RESULT = "result.hdf5"
BROKEN = "broken.hic"
PASSWORDS = "passwords"
TIMEOUT = 90.0

# Releases up to 1.2.1 sometimes hang with hictkpy 1.4 when they fork. This says nothing about
# telemetry, so we try again.
TRIES = 4

CALL = ("call", "sample.hic", "10000")
CONTROL = ("download", "--list-only")  # the quickest run that succeeds without a network
FETCHED = ("download", "--name", "ENCFF993FGR")  # a data set, which is not kept on the collector
_PLOT = ("plot.png", "--dpi", "20")

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
    # Without a network, data sets can be listed, but not fetched.
    CONTROL,
    ("download", "--name", "no-such-data-set"),
    FETCHED,
)
"""Every subcommand, first with arguments with which it can succeed, then with others."""

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
"""Settings that could be expected to have an effect."""

# It shows the settings that StripePy gives its exporter.
EXPORTER = Run("exporter", CONTROL, Mode.MEMORY, timeout=TIMEOUT)

Seen = dict[str, Observation]
"""Observations by the names of their runs, including `EXPORTER`."""


def settings() -> list[str]:
    """Return which of a user's own settings are tested, each as VARIABLE=VALUE.

    These are those that have an effect with the locked packages, unless they name a file, and those
    in `EXPECTED`; `SWITCHES` are tested separately.
    """
    effective = [
        f"{seen.variable}={seen.value}"
        for seen in claims.load().variables
        if seen.effects and seen.value != "FILE"
    ]
    return [setting for setting in (*effective, *EXPECTED) if setting not in SWITCHES]


def runs() -> list[Run]:
    """Return every run, named after its topic; `call` comes first, since others read its result."""
    commands = [_run("command", argv) for argv in COMMANDS]
    first = (next(of) for _, of in groupby(commands, key=lambda run: run.subcommand))
    return [
        *commands,
        *(_run("off", run.argv, OFF) for run in first),
        *(_run("switch", CONTROL, switch) for switch in SWITCHES),
        *(_run("setting", CONTROL, setting) for setting in settings()),
        *(
            replace(_run("", CONTROL), name=f"delay: {network}", network=network, timed=True)
            # A firewall causes one or the other.
            for network in (Network.REFUSED, Network.BLACK_HOLE)
        ),
    ]


def _run(topic: str, argv: tuple[str, ...], setting: str = "") -> Run:
    environment = dict([setting.split("=", 1)]) if setting else {}
    there = {name: name for name in (BROKEN, RESULT, PASSWORDS)}
    there["sample.hic"] = str(files.SAMPLE)
    words = (*argv, *environment.values())
    # Where `call` writes its result file: today, and in the first release.
    results = ("sample.10000.hdf5", "sample/10000/results.hdf5")
    return Run(
        f"{topic}: {' '.join(filter(None, (setting, *argv)))}",
        argv,
        environment=environment,
        inputs={name: path for name, path in there.items() if name in words},
        keep=dict.fromkeys(results, RESULT) if (topic, argv) == ("command", CALL) else {},
        timeout=TIMEOUT,
    )


def kept(environment: Environment, runs: Sequence[Run], folder: Path = KEPT) -> Seen:
    """Return what runs do in an environment, which is made only if `folder` lacks them."""
    path = folder / f"{_digest(environment, runs)}.pickle"
    if not path.exists():
        with environment.made() as interpreter:
            seen = made(interpreter, runs)
        folder.mkdir(parents=True, exist_ok=True)
        files.replace({path: pickle.dumps(seen)})
    known: Seen = pickle.loads(path.read_bytes())
    return known


def made(interpreter: Path, runs: Sequence[Run]) -> Seen:
    """Make runs with the console script beside an interpreter, first those that others build on."""
    if not have_namespaces():
        fix = "allow network namespaces, or run it on another Linux machine"
        raise UserError(NO_NAMESPACES, fix, Exit.NOT_CAPTURED)
    exporter = capture(EXPORTER, interpreter=interpreter)
    [usual] = table.load().provenance.exporters
    endpoint = next((settings["endpoint"] for settings in exporter.exporters), usual["endpoint"])
    seen = {EXPORTER.name: exporter}
    with world.made(endpoint, interpreter, fill=_fill) as here:
        for first in (True, False):
            wanted = [run for run in runs if bool(run.keep) is first]
            for _ in range(TRIES):
                seen |= observe(wanted, here)
                wanted = [run for run in wanted if seen[run.name].timed_out]
    for observation in seen.values():
        if observation.fault:
            message = f"`{observation.run.command}` was not observed: {observation.fault}"
            raise UserError(message, "find out what ended it, and run it again", Exit.NOT_CAPTURED)
    return seen


def _fill(folder: Path) -> None:
    (folder / BROKEN).write_bytes(b"no matrix")
    (folder / PASSWORDS).write_text("default login zqx password ZqxPassword\n")


def _digest(environment: Environment, runs: Sequence[Run]) -> str:
    """Return a digest of everything that the observations depend on."""
    code = "import platform, sys; print(sys.version, platform.platform())"
    python = subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    digest = hashlib.sha256(files.SAMPLE.read_bytes())
    digest.update(repr((python, environment.requirements, runs, list(_code()))).encode())
    return digest.hexdigest()[:16]


def _code() -> Iterator[str]:
    """Yield the code that observes, without comments and docstrings."""
    library = files.SCRIPTS / "telemetry"
    for path in (path for pattern in OBSERVING for path in sorted(library.glob(pattern))):
        yield ast.dump(_WithoutTexts().visit(ast.parse(path.read_bytes())))


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
