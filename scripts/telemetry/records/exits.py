"""How a command ends: exit statuses, errors that a user can fix, and signals."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn


class Exit(IntEnum):
    """Exit statuses that scripts can rely on.

    Python itself ends with 1 after a traceback, so no finding uses 1.
    """

    OK = 0
    USAGE = 2
    NOT_CAPTURED = 3
    NEW_RELEASE = 4
    FINDINGS = 5


@dataclass(eq=False)
class UserError(Exception):
    """Something that the person at the keyboard can put right."""

    message: str  # what is wrong and where; StripePy's own error may follow on further lines
    fix: str  # what to do about it, in one line; a command where there is one
    status: Exit = Exit.USAGE  # exit status for the command that reports it

    def __str__(self) -> str:
        return f"{self.message} -- fix: {self.fix}"


def _interrupt(number: int, frame: object) -> NoReturn:
    """Exit as on Ctrl+C, so that temporary folders are removed on the way out."""
    raise KeyboardInterrupt(number)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make the parser of a command's arguments; its help keeps the lines of the description."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run(main: Callable[[], int]) -> NoReturn:
    """Call a command's main function and exit with its status.

    If a signal interrupts it, the status is 128 plus the signal's number, as in a shell.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # If TMPDIR is unusable, Python takes another folder; libraries in other languages do not.
        os.environ["TMPDIR"] = tempfile.gettempdir()
        status = main()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = error.status
    except KeyboardInterrupt as interruption:
        [number] = interruption.args or (signal.SIGINT,)
        print("interrupted: no file is half-written", file=sys.stderr)
        status = 128 + number
    except BrokenPipeError:
        # The reader of our output has gone; stop Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    sys.exit(status)
