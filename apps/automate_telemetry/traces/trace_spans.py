"""The spans of an ended run, made from what the journal has committed, without any payload.

Ids are derived (`automate_core.ids`): a trace that is exported twice has the same spans twice, and each one's parent is
known to every exporter. Attributes follow OpenTelemetry's semantic conventions where there are any.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from automate_core import ids
from automate_core.definition.step_paths import parent_path, path_parts, without_items
from automate_core.states import RunStatus, StepStatus
from automate_telemetry.traces.trace_rows import TraceRows

_LOCAL_CONNECTORS = frozenset({"data", "models", "llm"})  #: the last one's calls are spans of their own
_RUN_SOURCE = "run:"  #: of events of ended runs; their delivery key is the run's id
_WAITS_OF_CHILD = frozenset({"child"})  #: the sub-run's own span says more


class Kind(StrEnum):
    """Kinds of spans (OpenTelemetry, "SpanKind")."""

    INTERNAL = "internal"
    CLIENT = "client"
    CONSUMER = "consumer"


@dataclass(frozen=True)
class SpanEvent:
    """A moment of a span."""

    name: str
    at: dt.datetime
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span. Ids are lower-case hexadecimal digits; `parent` is empty for the first of its trace.

    `links` are (trace id, span id) of spans that it follows. `error` is the code of its failure; empty without one.
    """

    trace_id: str
    span_id: str
    name: str
    start: dt.datetime
    end: dt.datetime
    parent: str = ""
    kind: Kind = Kind.INTERNAL
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    error: str = ""


@dataclass(frozen=True)
class StepInfo:
    """A step as its definition describes it: its kind, and of an action `connector.action` and the connection."""

    kind: str
    action: str = ""
    connection: str = ""


type FindStep = Callable[[tuple[str, ...]], StepInfo | None]


def run_spans(rows: TraceRows, find_step: FindStep) -> Iterator[Span]:
    """The spans of a run, its own first. `find_step` gives the step with these keys, outermost first."""
    yield _run_span(rows.run)
    attempts = _Attempts(rows)
    for step in rows.steps:
        if not _is_reused(rows.run, step):
            yield _attempt_span(rows, step, attempts, find_step)
    for wait in rows.waits:
        if wait.kind not in _WAITS_OF_CHILD:
            yield _wait_span(rows.run, wait, attempts)
    yield from _model_call_spans(rows, attempts)


def received_at(run: Any) -> dt.datetime:
    """When the run was asked for: with its event, or with the request for a re-run."""
    at: dt.datetime = run.received_at if run.cause == "trigger" and run.received_at else run.created_at
    return at


def _is_reused(run: Any, step: Any) -> bool:
    """Whether a re-run took the attempt over from an earlier run, which has its span."""
    return run.cause == "retry" and step.finished_at is not None and step.finished_at <= run.created_at


def _run_span(run: Any) -> Span:
    start = received_at(run)
    started = run.started_at or run.finished_at
    queued = SpanEvent("automate.run.started", started, {"automate.queue.seconds": (started - start).total_seconds()})
    attributes = {
        "automate.workflow": run.slug,
        "automate.workflow.version": run.version,
        "automate.run.id": str(run.id),
        "automate.run.status": run.status,
        "automate.run.cause": run.cause,
        "automate.run.origin": run.origin,
        "automate.event.source": run.source or "",
        "automate.event.type": run.type or "",
        "automate.worker": run.worker,
    }
    return Span(
        trace_id=run.trace_id,
        span_id=ids.run_span_id(run.id),
        parent=_run_parent(run),
        name=f"workflow {run.slug}",
        kind=Kind.INTERNAL if run.parent_id else Kind.CONSUMER,
        start=min(start, run.finished_at),
        end=run.finished_at,
        attributes={name: value for name, value in attributes.items() if value != ""},
        events=(queued,) if run.started_at else (),
        links=((run.trace_id, ids.run_span_id(run.retried_from_id)),) if run.retried_from_id else (),
        error=(run.error_code or "failed") if run.status == RunStatus.FAILED else "",
    )


def _run_parent(run: Any) -> str:
    """The span of the step that called it, the run whose end started it, or the request that brought its event."""
    if run.parent_id:
        return ids.attempt_span_id(run.parent_id, run.parent_path, run.parent_attempt or 1)
    if (run.source or "").startswith(_RUN_SOURCE) and _is_uuid(run.delivery_key):
        return ids.run_span_id(run.delivery_key)
    return ids.remote_span_id(run.traceparent or "", run.trace_id)


def _is_uuid(value: str | None) -> bool:
    try:
        return bool(value) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


class _Attempts:
    """The attempts of a run, to find the one that another row happened in."""

    def __init__(self, rows: TraceRows) -> None:
        self._run = rows.run
        self._by_path: dict[str, list[Any]] = {}
        for step in rows.steps:
            if _is_reused(rows.run, step):
                continue
            self._by_path.setdefault(step.path, []).append(step)

    def at(self, path: str, moment: dt.datetime) -> Any | None:
        """The last attempt of `path` that had begun at that moment, else its first; None without any."""
        attempts = self._by_path.get(path)
        if not attempts:
            return None
        return next((each for each in reversed(attempts) if each.started_at <= moment), attempts[0])

    def numbered(self, path: str, attempt: int) -> Any | None:
        """That attempt; None when there is no row of it."""
        return next((each for each in self._by_path.get(path, ()) if each.attempt == attempt), None)

    def span_around(self, path: str, moment: dt.datetime) -> str:
        """The id of the span of the nearest step around `path`, or of the run."""
        while path := parent_path(path):
            if found := self.at(path, moment):
                return ids.attempt_span_id(self._run.id, path, found.attempt)
        return ids.run_span_id(self._run.id)


def _attempt_span(rows: TraceRows, step: Any, attempts: _Attempts, find_step: FindStep) -> Span:
    parts = path_parts(step.path)
    info = find_step(tuple(part.key for part in parts)) or StepInfo("")
    connector = info.action.partition(".")[0]
    attributes: dict[str, Any] = {
        "automate.run.id": str(rows.run.id),
        "automate.step.path": step.path,
        "automate.step.kind": info.kind,
        "automate.step.attempt": step.attempt,
        "automate.step.status": step.status,
        "automate.action": info.action,
        "automate.connection": info.connection,
    }
    items = [part.index for part in parts[:-1] if part.index is not None]
    if items:
        attributes["automate.loop.index"] = items[-1]
    return Span(
        trace_id=rows.run.trace_id,
        span_id=ids.attempt_span_id(rows.run.id, step.path, step.attempt),
        parent=attempts.span_around(step.path, step.started_at),
        name=f"step {without_items(step.path).rpartition('/')[2]}",
        kind=Kind.CLIENT if info.action and connector not in _LOCAL_CONNECTORS else Kind.INTERNAL,
        start=step.started_at,
        end=max(step.finished_at or rows.run.finished_at, step.started_at),
        attributes={name: value for name, value in attributes.items() if value != ""},
        error=_attempt_error(step),
    )


def _attempt_error(step: Any) -> str:
    if step.status == StepStatus.FAILED:
        return step.error_code or "failed"
    return "interrupted" if step.status == StepStatus.INTERRUPTED else ""


def _wait_span(run: Any, wait: Any, attempts: _Attempts) -> Span:
    """A wait inside its attempt, or beside the attempts between which it lies."""
    attempt = attempts.at(wait.path, wait.created_at) if wait.path else None
    inside = attempt is not None and (attempt.finished_at is None or attempt.finished_at > wait.created_at)
    return Span(
        trace_id=run.trace_id,
        span_id=ids.wait_span_id(wait.id),
        parent=ids.attempt_span_id(run.id, wait.path, attempt.attempt)
        if attempt is not None and inside
        else attempts.span_around(wait.path, wait.created_at),
        name=f"wait {wait.kind}",
        start=wait.created_at,
        end=max(wait.resolved_at or run.finished_at, wait.created_at),
        attributes={
            "automate.run.id": str(run.id),
            **({"automate.step.path": wait.path} if wait.path else {}),
            "automate.wait.kind": wait.kind,
            "automate.wait.status": wait.status,
        },
    )


def _model_call_spans(rows: TraceRows, attempts: _Attempts) -> Iterator[Span]:
    """Calls of one attempt follow each other: each ends when the next begins, the last with the attempt."""
    for call, after in zip_longest(rows.model_calls, rows.model_calls[1:]):
        attempt = attempts.numbered(call.path, call.attempt)
        end = (attempt.finished_at if attempt else None) or rows.run.finished_at
        if after is not None and (after.path, after.attempt) == (call.path, call.attempt):
            end = after.at
        yield Span(
            trace_id=rows.run.trace_id,
            span_id=ids.model_call_span_id(rows.run.id, call.path, call.attempt, call.call),
            parent=ids.attempt_span_id(rows.run.id, call.path, call.attempt),
            name=f"chat {call.model}",
            kind=Kind.CLIENT,
            start=call.at,
            end=max(end, call.at),
            attributes=_model_attributes(call),
            error="" if call.status == "answered" else call.status,
        )


def _model_attributes(call: Any) -> dict[str, Any]:
    """OpenTelemetry, "Semantic conventions for generative AI client spans"; never a prompt or an answer."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
    }
    if call.status == "answered":
        attributes |= {
            "gen_ai.usage.input_tokens": call.tokens_in,
            "gen_ai.usage.output_tokens": call.tokens_out,
            "automate.model.usage_is_estimated": call.is_estimated,
        }
    return attributes
