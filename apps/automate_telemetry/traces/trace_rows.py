"""The rows that spans are made from: ended runs with their attempts, waits and model calls, without any payload."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from automate_core import database

MOST_ROWS = 10_000  #: attempts of a run that become spans, and as many waits

# An event of another one's trace has no header of its own: the trace's first one that came from outside counts.
_RUNS = """
SELECT run.id, run.trace_id, run.status, run.cause, run.origin, run.error ->> 'code' AS error_code, run.parent_id,
    run.parent_path, run.retried_from_id, run.worker, run.created_at, run.started_at, run.finished_at, run.version_id,
    workflow.slug, version.number AS version, event.source, event.type, event.received_at, event.delivery_key,
    caller.attempt AS parent_attempt, remote.traceparent
FROM automate_core_executionrun run
JOIN automate_core_workflow workflow ON workflow.id = run.workflow_id
JOIN automate_core_workflowversion version ON version.id = run.version_id
LEFT JOIN LATERAL (SELECT * FROM automate_core_event WHERE id = run.event_id LIMIT 1) event ON true
LEFT JOIN LATERAL (
    SELECT attempt FROM automate_core_steprun
    WHERE run_id = run.parent_id AND path = run.parent_path AND started_at <= run.created_at
    ORDER BY attempt DESC LIMIT 1) caller ON true
LEFT JOIN LATERAL (
    SELECT headers ->> 'traceparent' AS traceparent FROM automate_core_event
    WHERE trace_id = run.trace_id AND headers ? 'traceparent' ORDER BY id LIMIT 1) remote ON true
WHERE run.id = ANY(%(runs)s)
"""

_STEPS = """
SELECT step.* FROM unnest(%(runs)s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT run_id, path, attempt, status, error ->> 'code' AS error_code, started_at, finished_at
    FROM automate_core_steprun WHERE run_id = asked.id ORDER BY path, attempt LIMIT %(most)s) step
"""

_WAITS = """
SELECT wait.* FROM unnest(%(runs)s::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT id, run_id, path, kind, status, created_at, resolved_at
    FROM automate_core_wait WHERE run_id = asked.id ORDER BY id LIMIT %(most)s) wait
"""

_MODEL_CALLS = """
SELECT run AS run_id, path, attempt, call, at, provider, model, status, tokens_in, tokens_out, is_estimated
FROM automate_llm_llmusage WHERE run = ANY(%(runs)s) ORDER BY run, path, attempt, call
"""


@dataclass(frozen=True)
class TraceRows:
    """A run, and the rows of its attempts, waits and model calls, in the columns of the statements above."""

    run: Any
    steps: list[Any] = field(default_factory=list)
    waits: list[Any] = field(default_factory=list)
    model_calls: list[Any] = field(default_factory=list)


def read_traces(runs: list[uuid.UUID]) -> list[TraceRows]:
    """The rows of those runs that are still there."""
    values = {"runs": runs, "most": MOST_ROWS}
    steps, waits, calls = (_by_run(database.run(None, each, values)) for each in (_STEPS, _WAITS, _MODEL_CALLS))
    return [
        TraceRows(run, steps[run.id], waits[run.id], calls[run.id]) for run in database.run(None, _RUNS, {"runs": runs})
    ]


def _by_run(rows: Iterable[Any]) -> defaultdict[uuid.UUID, list[Any]]:
    found: defaultdict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.run_id].append(row)
    return found
