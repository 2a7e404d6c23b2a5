"""Adapt a user's command line to the private folder in which it will run."""

import re
from collections.abc import Sequence
from pathlib import Path

from telemetry.records.exits import UserError
from telemetry.records.files import SAMPLE
from telemetry.records.runs import Run

CHANGES = re.compile(r"OTEL_\w+|(STRIPEPY_)?NO_TELEMETRY")
"""Variables with which users change what is sent; a capture does not pass them on."""

INFORMATION_OPTIONS = frozenset({"-h", "--help", "-v", "--version", "--cite", "--license"})
"""With one of these, stripepy prints something about itself and sets up no telemetry."""

# A map of a whole genome takes hours; a run that takes longer than a day has hung.
LONGEST_SECONDS = 86_400.0


def localised(command: Sequence[str]) -> Run:
    """Return the run for a command line, adapted to the private folder in which it will run.

    An input file is placed in that folder and passed by its bare name, so that no folder of this
    machine is documented. Any other path that leads out of the folder is taken for an output and
    cut to its name as well, so that the run never writes to the caller's files.

    Raises:
        UserError: If two different files have the same name.
    """
    argv: list[str] = []
    inputs: dict[str, str] = {}
    typed = tuple(command[1:] if command[:1] == ["stripepy"] else command)
    for argument in typed:
        match = re.fullmatch(r"(--[\w-]+=|-[a-zA-Z](?=.))?(.*)", argument, re.DOTALL)
        assert match is not None
        option, value = match[1] or "", match[2]
        path = Path(value)
        if not path.is_file() and value == SAMPLE.name:
            path = SAMPLE
        if path.is_file():
            whole = str(path.resolve())
            if inputs.setdefault(path.name, whole) != whole:
                raise UserError(f"two different files are called {path.name}", "rename one of them")
            value = path.name
        elif _leads_elsewhere(path):
            value = path.name
        argv.append(f"{option}{value}")
    return Run("typed", tuple(argv), inputs=inputs, typed=typed, timeout=LONGEST_SECONDS)


def _leads_elsewhere(path: Path) -> bool:
    into_a_folder = len(path.parts) > 1 and path.parent.is_dir()
    return bool(path.name) and (path.is_absolute() or ".." in path.parts or into_a_folder)
