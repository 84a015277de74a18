"""Exporting traces: a worker's share, in a thread of its own, so that a collector that is down or slow delays nothing.

No transaction is open while the collector is spoken to. A trace whose export was accepted in the moment of a crash is
exported again: its spans have the same ids.
"""

from __future__ import annotations

import functools
import gzip
import logging
import time
import uuid
from collections.abc import Iterator
from itertools import batched

from automate_connectors.outbound import exporter_session
from automate_core.definition.document import ActionStep
from automate_core.definition.parsing import parse
from automate_core.definition.slots import StepIndex
from automate_core.models import WorkflowVersion
from automate_egress import EgressError
from automate_telemetry.traces import trace_queue
from automate_telemetry.traces.collector import Collector, configured_collector
from automate_telemetry.traces.trace_rows import TraceRows, read_traces
from automate_telemetry.traces.trace_spans import FindStep, Span, StepInfo, run_spans

log = logging.getLogger(__name__)

RUNS_PER_EXPORT = 200
SPANS_PER_REQUEST = 2_000
_PAUSES = (2.0, 5.0, 15.0, 30.0, 60.0)  #: after exports that failed in a row
_UNUSABLE = frozenset({400, 413})  #: the collector cannot take this content, whenever it comes


class NotExportedError(Exception):
    """The collector did not take the spans; it may later."""


class TraceExporter:
    """A worker's share of the exports; it pauses for longer each time that the collector fails."""

    def __init__(self) -> None:
        self._failures = 0
        self._paused_until = 0.0

    def run_once(self) -> float | None:
        """Export the traces that are due first: seconds to the next turn, None when the next tick will do."""
        collector = configured_collector()
        if collector is None or time.monotonic() < self._paused_until:
            return None
        runs = trace_queue.claim(RUNS_PER_EXPORT)
        if not runs:
            return None
        try:
            export_traces(collector, runs)
        except NotExportedError as error:
            trace_queue.release(runs)
            pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
            self._failures += 1
            self._paused_until = time.monotonic() + pause
            log.warning("traces are not exported, next attempt in %g s: %s", pause, error)
            return pause
        self._failures = 0
        trace_queue.remove(runs)
        return 0.0 if len(runs) == RUNS_PER_EXPORT else None


def export_traces(collector: Collector, runs: list[uuid.UUID]) -> None:
    """Send the traces of ended runs. Raises NotExportedError."""
    spans = _spans(read_traces(runs))
    until = time.monotonic() + trace_queue.LEASE_SECONDS / 2
    for some in batched(spans, SPANS_PER_REQUEST):
        if time.monotonic() >= until:
            raise NotExportedError(f"{collector.place} is too slow")
        _send(collector, some)


def _spans(traces: list[TraceRows]) -> Iterator[Span]:
    from automate_telemetry.traces import sampling  # heavy, and an extra

    for rows in traces:
        try:
            if sampling.is_sampled(rows.run.trace_id, rows.run.traceparent or "", f"workflow {rows.run.slug}"):
                yield from list(run_spans(rows, _steps_of(rows.run.version_id)))
        except Exception:  # one run keeps no other from being exported
            log.exception("run %s: its trace could not be made", rows.run.id)


def _send(collector: Collector, spans: tuple[Span, ...]) -> None:
    from automate_telemetry.traces import otlp

    body = otlp.encode(spans)
    headers = {**collector.headers, "Content-Type": otlp.CONTENT_TYPE}
    if collector.compresses:
        body, headers["Content-Encoding"] = gzip.compress(body, 6), "gzip"
    session = exporter_session(collector.place, deadline=time.monotonic() + collector.seconds)
    try:
        answer = session.request("POST", collector.url, data=body, headers=headers, follow_redirects=False)
    except EgressError as error:
        raise NotExportedError(str(error)) from error
    if answer.status in _UNUSABLE:
        log.error("%s rejected %d spans with HTTP %d; they are dropped", collector.place, len(spans), answer.status)
    elif not 200 <= answer.status < 300:
        raise NotExportedError(f"{collector.place} responded with HTTP {answer.status}")
    else:
        _report_rejected(collector, answer.body)


def _report_rejected(collector: Collector, answer: bytes) -> None:
    from automate_telemetry.traces import otlp

    count, reason = otlp.rejected(answer)
    if count:
        log.error("%s rejected %d spans: %s", collector.place, count, reason[:300])


@functools.lru_cache(maxsize=200)
def _steps_of(version: int) -> FindStep:
    """The steps of a published version, which never changes."""
    index = StepIndex(parse(WorkflowVersion.snapshots.values_list("definition", flat=True).get(pk=version)).steps)

    def find(path: tuple[str, ...]) -> StepInfo | None:
        found = index.at(path)
        if found is None:
            return None
        kind = str(found.step.__struct_config__.tag)
        if isinstance(found.step, ActionStep):
            return StepInfo(kind, found.step.action, found.step.connection)
        return StepInfo(kind)

    return find
