"""Protocol of a render worker's pipes: frames of JSON, each after its length in four bytes, big-endian.

A request is two frames: the value that holds the templates, and the scope. The response is one frame, an `Answer`.
Before the first request the worker sends a `Ready`.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

HEADER = struct.Struct(">I")
MAX_DOCUMENT = 5_000_000  #: bytes of what a step's inputs come to, as of any step's input
MAX_ANSWER = MAX_DOCUMENT + 10_000


class Answer(msgspec.Struct, omit_defaults=True):
    """The rendered value; or, when `reason` is not empty, the error, and the path that does not exist."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    reason: str = ""
    text: dict[str, Any] | None = None  # what the reason is translated from
    line: int = 1
    path: tuple[str | int, ...] = ()
    advice: str = ""


class Ready(msgspec.Struct):
    """Names of the privileges that the worker dropped, or the reason why it could not start."""

    given_up: list[str]
    failure: str = ""


# Resolve their types before threads do so: see the end of definition.document.
msgspec.json.Decoder(Answer)
msgspec.json.Decoder(Ready)


def frame(document: bytes) -> bytes:
    """Return a document with its length before it."""
    return HEADER.pack(len(document)) + document
