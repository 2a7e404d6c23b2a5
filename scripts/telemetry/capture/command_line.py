"""A user's command line, made fit for the private folder in which it will run."""

import re
from collections.abc import Sequence
from pathlib import Path

from telemetry.records.exits import UserError
from telemetry.records.files import SAMPLE
from telemetry.records.runs import Run

CHANGES = re.compile(r"OTEL_\w+|(STRIPEPY_)?NO_TELEMETRY")
"""Variables by which users change what is sent; a capture does not pass them on."""

INFORMATION_OPTIONS = frozenset({"-h", "--help", "-v", "--version", "--cite", "--license"})
"""With one of these, stripepy prints something about itself and sets no telemetry up."""

# What takes longer hangs: a map of the whole genome takes hours.
LONGEST_SECONDS = 86_400.0


def localised(command: Sequence[str]) -> Run:
    """Return the run of a command line, made fit for the private folder in which it will run.

    An argument that is a file is found there under its own name, so that what is documented
    holds no folder of this machine. Any other path out of that folder is an output, and lands in
    it: nothing of the caller's is written to.

    Raises:
        UserError: If two files have one name.
    """
    argv: list[str] = []
    inputs: dict[str, str] = {}
    for argument in command[1:] if command[:1] == ["stripepy"] else command:
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
    typed = tuple(command)
    return Run("typed", tuple(argv), inputs=inputs, typed=typed, timeout=LONGEST_SECONDS)


def _leads_elsewhere(path: Path) -> bool:
    into_a_folder = len(path.parts) > 1 and path.parent.is_dir()
    return bool(path.name) and (path.is_absolute() or ".." in path.parts or into_a_folder)
