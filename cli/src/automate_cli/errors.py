"""What ends a command early, with the exit code of each.

CommandFailedError          1  the operation failed: a failed run, a conflict, a missing object
├── BadInputError           2  an argument, a file or an input that is not valid
├── NotAllowedError         3  not signed in, or the server refused
└── UnreachableError        4  no answer, or an answer that is not the API's
"""

from __future__ import annotations

import re

FAILED, BAD_INPUT, NOT_ALLOWED, UNREACHABLE = 1, 2, 3, 4
INTERRUPTED, BROKEN_PIPE = 130, 141  #: as shells have it

_TOKEN = re.compile(r"\bdat_[\w-]{8,}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class CommandFailedError(Exception):
    """`str()` is one line for standard error, without any token."""

    exit_code = FAILED

    def __init__(self, message: str) -> None:
        super().__init__(masked(one_line(message)))


class BadInputError(CommandFailedError):
    exit_code = BAD_INPUT


class NotAllowedError(CommandFailedError):
    exit_code = NOT_ALLOWED


class UnreachableError(CommandFailedError):
    exit_code = UNREACHABLE


class RejectedError(CommandFailedError):
    """An answer of the API that says what was wrong (RFC 9457), with its HTTP status, and its code where it has one."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.exit_code = _exit_code(status)


def _exit_code(status: int) -> int:
    if status in {401, 403}:
        return NOT_ALLOWED
    if status in {400, 413, 415, 422}:
        return BAD_INPUT
    return UNREACHABLE if status == 429 or status >= 500 else FAILED


def masked(text: str) -> str:
    """`text` without the tokens in it."""
    return _TOKEN.sub("dat_***", text)


def one_line(text: str) -> str:
    """`text` in one line, without characters that a terminal would obey."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """`text` with a replacement for each character that a terminal would obey; line breaks are such characters too."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
