"""The export of the site's traces, as runs see it: `automate_core.trace_context.TraceExport`."""

from __future__ import annotations

import uuid

import msgspec

from automate_core import ids
from automate_core.trace_context import traceparent
from automate_core.worker.maintenance_tasks import MaintenanceTask
from automate_telemetry.traces import trace_queue
from automate_telemetry.traces.collector import configured_collector


class SiteTraceExport:
    """The export to the configured collector."""

    def is_on(self) -> bool:
        """Whether a collector is configured, and its extra installed."""
        return configured_collector() is not None

    def attempt_traceparent(
        self, trace_id: str, run_id: uuid.UUID | str, path: str, attempt: int, *, headers: str | None, workflow: str
    ) -> str:
        """The header with the attempt's span as the parent of calls; empty without an export."""
        if not trace_id or not self.is_on():
            return ""
        from automate_telemetry.traces import sampling  # heavy, and an extra

        given = msgspec.json.decode(headers).get("traceparent", "") if headers and "traceparent" in headers else ""
        sampled = sampling.is_sampled(trace_id, given, f"workflow {workflow}")
        return traceparent(trace_id, ids.attempt_span_id(run_id, path, attempt), sampled=sampled)

    def enqueueing(self, rows: str, column: str) -> str:
        """A statement that enqueues those runs; empty without an export."""
        return trace_queue.enqueueing(rows, column) if self.is_on() else ""


def trace_tasks() -> tuple[MaintenanceTask, ...]:
    """The export of traces, where a collector is configured."""
    if configured_collector() is None:
        return ()
    from automate_telemetry.traces.trace_export import TraceExporter  # only where it is used

    return (MaintenanceTask("traces", trace_queue.DUE, TraceExporter().run_once),)
