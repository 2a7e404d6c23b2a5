"""The same runs for every release and every set of dependencies, and what is kept of them."""

import base64
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from telemetry import ambient, assets, capture, child, sandbox
from telemetry.claims.ambient import EFFECTIVE
from telemetry.history import OFF

Topic = Literal["command", "off", "switch", "setting"]

RESULT = "result.hdf5"
BROKEN = "broken.hic"
PASSWORDS = "passwords"
TIMEOUT = 90.0

# Releases up to 1.2.1 now and then hang with hictkpy 1.4, where they fork; nothing of that is
# StripePy's answer to the question that is asked here.
TRIES = 4

_PLOT = ("plot.png", "--dpi", "20")

FETCHED = ("--name", "ENCFF993FGR")
"""Asks for data that are fetched from where they are kept, which is no collector."""

COMMANDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "call": (("sample.hic", "10000"), (BROKEN, "10000")),
    "view": ((RESULT,), (BROKEN,)),
    "plot cm": (("sample.hic", "10000", *_PLOT), (BROKEN, "10000", *_PLOT)),
    "plot contact-map": (("sample.hic", "10000", *_PLOT), (BROKEN, "10000", *_PLOT)),
    "plot pd": ((RESULT, *_PLOT), (BROKEN, *_PLOT)),
    "plot pseudodistribution": ((RESULT, *_PLOT), (BROKEN, *_PLOT)),
    "plot hist": ((RESULT, *_PLOT), (BROKEN, *_PLOT)),
    "plot stripe-hist": ((RESULT, *_PLOT), (BROKEN, *_PLOT)),
    # Without a network nothing can be fetched; to list what there is takes none.
    "download": (("--list-only",), ("--name", "no-such-data-set"), FETCHED),
}
"""Arguments for each subcommand: first those with which it can succeed, then others."""

CONTROL = ("download", "--list-only")
"""The quickest run that succeeds without a network; what variables do is tried with it."""

SWITCHES = (
    OFF,
    "NO_TELEMETRY=1",
    "DO_NOT_TRACK=1",
    "OTEL_SDK_DISABLED=true",
    "OTEL_TRACES_SAMPLER=always_off",
    "OTEL_TRACES_EXPORTER=none",
)

UNSEEN = frozenset({"trust", "own certificate"})
"""Effects that only a server can see."""


def settings() -> list[str]:
    """What is tried of a user's own settings, each as VARIABLE=VALUE.

    All that has an effect with the locked packages, and what one would expect to have one.
    """
    effective = [name for name, effects in EFFECTIVE.items() if effects - UNSEEN]
    tried = ambient.values([*effective, "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT"])
    found = [f"{variable}={value}" for variable, values in tried.items() for value in values]
    return [*found, f"NETRC={PASSWORDS}"]


@dataclass(frozen=True)
class Run:
    """A run to be made.

    Attributes:
        topic: What it is made for.
        subcommand: Its subcommand, for plots with their kind.
        argv: Arguments after `stripepy`.
        setting: The variable that is set for it, with its value; empty for none.
    """

    topic: Topic
    subcommand: str
    argv: tuple[str, ...]
    setting: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variable as a process is given it."""
        return dict([self.setting.split("=", 1)]) if self.setting else {}


@dataclass(frozen=True)
class Seen:
    """What a run did.

    Attributes:
        run: The run.
        outcome: How its capture ended.
        exit_status: Its exit status.
        bodies: What it would have sent, base64.
        spans: How many spans that holds.
        requests: The requests without their bodies.
        attempts: What else it tried to reach.
        versions: Installed versions, by package.
        complaint: Its last error, in one line; empty if it succeeded.
    """

    run: Run
    outcome: str
    exit_status: int
    bodies: tuple[str, ...]
    spans: int
    requests: tuple[dict[str, Any], ...]
    attempts: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)
    complaint: str = ""

    @property
    def body(self) -> bytes:
        """All that it would have sent, as one message."""
        return b"".join(map(base64.b64decode, self.bodies))


SEEN = TypeAdapter(Seen)


def runs() -> list[Run]:
    """Every run, in the order in which they have to be made: `call` makes what others read."""
    commands = [
        Run("command", name, (*name.split(), *arguments))
        for name, variants in COMMANDS.items()
        for arguments in variants
    ]
    off = [
        Run("off", name, (*name.split(), *variants[0]), OFF) for name, variants in COMMANDS.items()
    ]
    switches = [Run("switch", "download", CONTROL, switch) for switch in SWITCHES]
    others = [Run("setting", "download", CONTROL, setting) for setting in settings()]
    return [*commands, *off, *switches, *others]


def observe(prepare: Callable[[], Path], wanted: Iterable[Run], folder: Path) -> Iterator[Seen]:
    """Make runs, or find them made before.

    Args:
        prepare: Gives the Python whose stripepy is run; called only if there is a run to make.
        wanted: The runs.
        folder: What was run there; for one environment only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    broken, passwords = folder / BROKEN, folder / PASSWORDS
    broken.write_bytes(b"no matrix")
    passwords.write_text("default login zqx password ZqxPassword\n")
    for run in wanted:
        kept = folder / f"{_digest(run)}.json"
        if kept.exists():
            yield SEEN.validate_json(kept.read_bytes())
            continue
        inputs = {"sample.hic": assets.SAMPLE, BROKEN: broken, PASSWORDS: passwords}
        if (folder / RESULT).exists():
            inputs[RESULT] = folder / RESULT
        seen = _see(prepare(), run, inputs, folder)
        assets.replace(kept, SEEN.dump_json(seen))
        yield seen


def _see(interpreter: Path, run: Run, inputs: Mapping[str, Path], folder: Path) -> Seen:
    makes_result = run.argv == ("call", *COMMANDS["call"][0])
    outputs = folder / "outputs"
    outputs.mkdir(exist_ok=True)
    for _ in range(TRIES):
        took_place = capture.capture(
            run.argv,
            inputs=inputs,
            environment=run.environment,
            timeout=TIMEOUT,
            interpreter=interpreter,
            seam=capture.Seam.REQUEST,
            keep=outputs if makes_result else None,
        )
        if took_place.outcome is not capture.Outcome.TIMED_OUT:
            break
    if makes_result:
        for path in outputs.glob("*.hdf5"):
            path.replace(folder / RESULT)
    return Seen(
        run=run,
        outcome=took_place.outcome.value,
        exit_status=took_place.exit_status,
        bodies=tuple(base64.b64encode(body).decode() for body in took_place.bodies),
        spans=took_place.spans,
        requests=tuple(dict(request) for request in took_place.requests),
        attempts=took_place.attempts,
        versions=dict(took_place.versions),
        complaint=_last_words(took_place) if took_place.exit_status else "",
    )


def _digest(run: Run) -> str:
    """What a run depends on, besides its environment: itself, the sample and how it is observed."""
    texts = [json.dumps(asdict(run)), *map(inspect.getsource, (child, capture, sandbox))]
    digest = hashlib.sha256("".join(texts).encode() + assets.SAMPLE.read_bytes())
    return digest.hexdigest()[:16]


def _last_words(run: capture.Capture) -> str:
    """The last error in one line, without the time, and without the folders of this machine."""
    words = run.last_error or (run.stderr.strip().splitlines() or [""])[-1]
    if run.outcome is capture.Outcome.TIMED_OUT:
        words = f"did not end within {TIMEOUT:g} s, {TRIES} times"
    words = re.sub(r"^[\d-]+ [\d:.]+ \[\w+ *\] ", "", words)
    return re.sub(r"/[^\s'\":]*/", "", words)
