"""Identifiers: time-ordered primary keys, and trace and span ids that other systems understand."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import time
import uuid

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?:-.*)?")


def uuid7() -> uuid.UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 12 of their fraction, 62 random bits.

    The fraction is method 3 of section 6.2: what one thread makes is in order, as long as the clock is not put back.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    stamp = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7 << 12 | (rest << 12) // 1_000_000
    return uuid.UUID(int=stamp << 64 | 0x2 << 62 | secrets.randbits(62))


def first_uuid7(moment: dt.datetime) -> uuid.UUID:
    """The lower bound of the ids that `uuid7` makes at that moment or later."""
    milliseconds = max(int(moment.timestamp() * 1_000), 0)
    return uuid.UUID(int=(milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76)


def uuid7_time(made: uuid.UUID) -> dt.datetime:
    """When an id of `uuid7` was made, to the millisecond."""
    return dt.datetime.fromtimestamp((made.int >> 80) / 1_000, dt.UTC)


def new_trace_id() -> str:
    """A random W3C trace id: 32 hexadecimal digits, not all zero."""
    return f"{secrets.randbits(128) or 1:032x}"


def trace_id_from(traceparent: str) -> str:
    """The trace id of a `traceparent` header (W3C Trace Context, section 3.2), or a new one when it is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or traceparent.startswith("ff") or not int(match["trace"], 16) or not int(match["span"], 16):
        return new_trace_id()
    return match["trace"]


def remote_span_id(traceparent: str, trace_id: str) -> str:
    """The span id of a valid `traceparent` header of that trace; empty for any other."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    return match["span"] if match and match["trace"] == trace_id and int(match["span"], 16) else ""


def is_sampled(traceparent: str) -> bool:
    """Whether the sender of a valid `traceparent` header records the trace (W3C Trace Context, section 3.2.2.5)."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    return bool(match and int(match["flags"], 16) & 1)


def run_span_id(run_id: object) -> str:
    """The id of a run's span: 16 hexadecimal digits, the same in each process and at any time."""
    return _derived_span_id(f"run {run_id}")


def attempt_span_id(run_id: object, path: str, attempt: int) -> str:
    """The id of the span of a step's attempt, as `run_span_id`."""
    return _derived_span_id(f"attempt {run_id} {path} {attempt}")


def wait_span_id(wait_id: object) -> str:
    """The id of a wait's span, as `run_span_id`."""
    return _derived_span_id(f"wait {wait_id}")


def model_call_span_id(run_id: object, path: str, attempt: int, call: int) -> str:
    """The id of the span of a model call of an attempt, as `run_span_id`."""
    return _derived_span_id(f"model call {run_id} {path} {attempt} {call}")


def _derived_span_id(name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return digest if int(digest, 16) else f"{1:016x}"  # W3C Trace Context, section 3.2.2.4: zero is invalid
