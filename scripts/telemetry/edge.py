"""Where a command meets its caller: signals, exit statuses, and how errors are shown."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from telemetry.errors import UserError


class _Ended(BaseException):
    """SIGTERM, as an exception, so that temporary folders are removed on the way out."""


def _on_sigterm(number: int, frame: object) -> NoReturn:
    raise _Ended


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of a command's arguments, whose help keeps the lines of its description."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def end_on_sigterm() -> None:
    """Make a worker process end in order on SIGTERM; Ctrl-C is for the process that it works for.

    What it has under way is ended with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def run(main: Callable[[], int]) -> NoReturn:
    """Call a command's main function and exit with its status.

    A UserError becomes one line on stderr and its own status; an interruption ends with 128 plus
    the number of the signal, as shells report it.
    """
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        status = main()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = error.status
    except (KeyboardInterrupt, _Ended) as interruption:
        number = signal.SIGTERM if isinstance(interruption, _Ended) else signal.SIGINT
        print("interrupted: the files are as they were", file=sys.stderr)
        status = 128 + number
    except BrokenPipeError:
        # The reader of our output has gone; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    sys.exit(status)
