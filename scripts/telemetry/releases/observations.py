"""The same runs for every release, made in its environment, and kept for the next time.

Whatever cannot be fetched, or observed here, raises a UserError.
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

# Releases up to 1.2.1 now and then hang with hictkpy 1.4, where they fork; nothing of that is
# an answer to the question that is asked here.
TRIES = 4

CALL = ("call", "sample.hic", "10000")
CONTROL = ("download", "--list-only")  # the quickest run that succeeds without a network
FETCHED = ("download", "--name", "ENCFF993FGR")  # data that are kept elsewhere than the collector
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

# For the settings that the exporter is given.
EXPORTER = Run("exporter", CONTROL, Mode.MEMORY, timeout=TIMEOUT)

Seen = dict[str, Observation]
"""Observations by the names of their runs, with that of `EXPORTER`."""


def settings() -> list[str]:
    """Return what is tested of a user's own settings, each as VARIABLE=VALUE.

    Every setting that has an effect with the locked packages, and those in `EXPECTED`; none that
    names a certificate file.
    """
    effective = [
        f"{seen.variable}={seen.value}"
        for seen in claims.load().variables
        if seen.effects and seen.value != "FILE"
    ]
    return [setting for setting in (*effective, *EXPECTED) if setting not in SWITCHES]


def runs() -> list[Run]:
    """Return every run, named by its topic; `call` makes what others read, and comes first."""
    commands = [_run("command", argv) for argv in COMMANDS]
    first = (next(of) for _, of in groupby(commands, key=lambda run: run.subcommand))
    return [
        *commands,
        *(_run("off", run.argv, OFF) for run in first),
        *(_run("switch", CONTROL, switch) for switch in SWITCHES),
        *(_run("setting", CONTROL, setting) for setting in settings()),
        *(
            replace(_run("", CONTROL), name=f"delay: {network}", network=network, timed=True)
            # A firewall does either.
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
    """Return what runs do in an environment, which is made only if the folder does not tell."""
    path = folder / f"{_digest(environment, runs)}.pickle"
    if not path.exists():
        with environment.made() as interpreter:
            seen = made(interpreter, runs)
        folder.mkdir(parents=True, exist_ok=True)
        files.replace({path: pickle.dumps(seen)})
    known: Seen = pickle.loads(path.read_bytes())
    return known


def made(interpreter: Path, runs: Sequence[Run]) -> Seen:
    """Make runs with the console script beside an interpreter; what others read is made first."""
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
    """Return a name for everything that observations depend on."""
    code = "import platform, sys; print(sys.version, platform.platform())"
    python = subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    digest = hashlib.sha256(files.SAMPLE.read_bytes())
    digest.update(repr((python, environment.requirements, runs, list(_code()))).encode())
    return digest.hexdigest()[:16]


def _code() -> Iterator[str]:
    """The code that observes, without comments and docstrings."""
    library = files.SCRIPTS / "telemetry"
    for path in (path for pattern in OBSERVING for path in sorted(library.glob(pattern))):
        yield ast.dump(_WithoutTexts().visit(ast.parse(path.read_bytes())))


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
