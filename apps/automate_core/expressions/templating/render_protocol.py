"""What goes over the pipes of a render worker: frames of JSON, each after its length in four bytes, big-endian.

A request is two frames, the value that holds the templates and the scope. Its answer is one, an `Answer`. Before the
first request the worker says by a `Ready` that it is.
"""

from __future__ import annotations

import struct

import msgspec

HEADER = struct.Struct(">I")
MAX_DOCUMENT = 5_000_000  #: bytes of what a step's inputs come to, as of any step's input
MAX_ANSWER = MAX_DOCUMENT + 10_000


class Answer(msgspec.Struct, omit_defaults=True):
    """The rendered value; or, where `reason` is not empty, why there is none, and the path that does not exist."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    reason: str = ""
    line: int = 1
    path: tuple[str | int, ...] = ()
    advice: str = ""


class Ready(msgspec.Struct):
    """What the system let the worker give up, or why it could not start."""

    given_up: list[str]
    failure: str = ""


def frame(document: bytes) -> bytes:
    """A document as it goes over the pipe."""
    return HEADER.pack(len(document)) + document
