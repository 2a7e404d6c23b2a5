"""The one exception for what a user can mend; everything else is a bug and shows its traceback."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses that scripts can rely on."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    NOT_CAPTURED = 3
    NEW_RELEASE = 4


class UserError(Exception):
    """Something that the person at the keyboard can put right.

    Args:
        message: What is wrong and where, in one line.
        mend: What to do about it, in one line; a command where there is one.
        status: Exit status for the command that reports it.
    """

    def __init__(self, message: str, mend: str, status: Exit = Exit.USAGE) -> None:
        super().__init__(message, mend, status)
        self.message = message
        self.mend = mend
        self.status = status

    def __str__(self) -> str:
        return f"{self.message} -- mend: {self.mend}"
