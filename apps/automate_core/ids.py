"""Identifiers: time-ordered primary keys, and trace ids that other systems understand."""

from __future__ import annotations

import re
import secrets
import time
import uuid

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def uuid7() -> uuid.UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def new_trace_id() -> str:
    """A random W3C trace id: 32 hexadecimal digits, not all zero."""
    return f"{secrets.randbits(128) or 1:032x}"


def trace_id_from(traceparent: str) -> str:
    """The trace id of a `traceparent` header (W3C Trace Context, section 3.2), or a new one when it is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or traceparent.startswith("ff") or not int(match["trace"], 16) or not int(match["span"], 16):
        return new_trace_id()
    return match["trace"]
