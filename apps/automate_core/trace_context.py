"""The trace that code belongs to: an attempt's, for the systems that it calls, and the host's, for its events."""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from opentelemetry import trace


class TraceExport(Protocol):
    """An export of traces, as runs see it."""

    def is_on(self) -> bool:
        """Whether traces are exported."""

    def attempt_traceparent(
        self, trace_id: str, run_id: uuid.UUID | str, path: str, attempt: int, *, headers: str | None, workflow: str
    ) -> str:
        """The `traceparent` header for calls of an attempt; empty without one.

        `headers` are those of the run's event, as JSON: the decision of a sender whether its trace is recorded holds.
        """

    def enqueueing(self, rows: str, column: str) -> str:
        """A statement that enqueues the ended runs in `column` of `rows`; empty when no traces are exported."""


class _NoExport:
    def is_on(self) -> bool:
        return False

    def attempt_traceparent(self, *_: object, **__: object) -> str:
        return ""

    def enqueueing(self, rows: str, column: str) -> str:
        return ""


_export: TraceExport = _NoExport()


def register_export(export: TraceExport) -> None:
    """Have runs export their traces. Call it in `AppConfig.ready`."""
    global _export
    _export = export


def trace_export() -> TraceExport:
    """The export of this site."""
    return _export


def current_trace() -> dict[str, Any]:
    """The `trace_id` of OpenTelemetry's current span, and `headers` that name it; {} outside of spans."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    trace_id = f"{context.trace_id:032x}"
    header = traceparent(trace_id, f"{context.span_id:016x}", sampled=context.trace_flags.sampled)
    return {"trace_id": trace_id, "headers": {"traceparent": header}}


def traceparent(trace_id: str, span_id: str, *, sampled: bool) -> str:
    """W3C Trace Context, section 3.2."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"
