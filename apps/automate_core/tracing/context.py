"""The trace that code belongs to: an attempt's, for the systems that it calls, and the host's, for its events."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from opentelemetry import trace

from automate_core import ids
from automate_core.tracing.collector import configured_collector


def attempt_traceparent(
    trace_id: str, run_id: uuid.UUID | str, path: str, attempt: int, *, headers: str | None, workflow: str
) -> str:
    """The `traceparent` header for calls of an attempt, with its span as their parent; empty without an export.

    `headers` are those of the run's event, as JSON: the decision of a sender whether its trace is recorded holds.
    """
    if not trace_id or configured_collector() is None:
        return ""
    from automate_core.tracing import sampling  # heavy, and an extra

    given = msgspec.json.decode(headers).get("traceparent", "") if headers and "traceparent" in headers else ""
    sampled = sampling.is_sampled(trace_id, given, f"workflow {workflow}")
    return _header(trace_id, ids.attempt_span_id(run_id, path, attempt), sampled=sampled)


def current_trace() -> dict[str, Any]:
    """The `trace_id` of OpenTelemetry's current span, and `headers` that name it; {} outside of spans."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    trace_id = f"{context.trace_id:032x}"
    header = _header(trace_id, f"{context.span_id:016x}", sampled=context.trace_flags.sampled)
    return {"trace_id": trace_id, "headers": {"traceparent": header}}


def _header(trace_id: str, span_id: str, *, sampled: bool) -> str:
    """W3C Trace Context, section 3.2."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"
