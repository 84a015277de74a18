"""Attempts in doubt: steps of ended runs that may have taken effect, and have not ended well.

A re-run of such a run repeats the effect, unless the service recognises the idempotency key. So bulk re-runs leave
these runs out, and a re-run sends the key of the attempt that it repeats.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from automate_connectors.adapters.base import ActionVersionError, Effect
from automate_connectors.registry import find_action
from automate_core import artifacts, database
from automate_core.definition.document import ActionStep, DefinitionError, Step, WorkflowStep
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import key_of
from automate_core.engine.outcomes import IN_DOUBT, MARKED_NOT_EXECUTED
from automate_core.engine.records import input_digest
from automate_core.models import StepRun, WorkflowVersion

BATCH = 2_000

#: Codes of failures whose outcome is unknown. A service that answered with 500 has said that it failed; its attempt
#: keeps its key as the others do, and is re-run with many all the same. A sub-run is started from its beginning.
UNKNOWN = (IN_DOUBT - {"http_500"}) | {"workflow_failed"}

#: Codes of failures whose attempt keeps its key: also what a person marked as not executed, who may have meant to end
#: the run alone.
_KEEP_KEY = IN_DOUBT | {MARKED_NOT_EXECUTED}

# Steps with an attempt in doubt and none that ended well; `is_open`: the last one was cut off. A re-run has the doubts
# of its original until they end well, also of steps that it did not reach.
_STEPS = """
SELECT run.id AS run, run.version_id AS version, coalesce(run.error ->> 'step', '') AS failed, step.*
FROM automate_core_executionrun run CROSS JOIN LATERAL (
    SELECT path, bool_or(in_doubt) AS in_doubt, bool_or(is_unknown) AS is_unknown,
        (array_agg(status ORDER BY attempt DESC))[1] <> 'failed' AS is_open,
        (array_agg(idempotency_key ORDER BY attempt DESC))[1] AS key,
        (array_agg(id ORDER BY attempt DESC) FILTER (WHERE attempt > 0))[1] AS attempt
    FROM (
        SELECT id, path, attempt, status, idempotency_key,
            status <> 'failed' OR (error ->> 'code' = ANY(%(in_doubt)s)
                AND error #>> '{details,sent}' IS DISTINCT FROM 'false') AS in_doubt,
            status <> 'failed' OR (error ->> 'code' = ANY(%(unknown)s)
                AND error #>> '{details,sent}' IS DISTINCT FROM 'false') AS is_unknown
        FROM automate_core_steprun WHERE run_id = run.id
        UNION ALL
        SELECT NULL, key, 0, 'inherited', value ->> 'key', true, (value ->> 'unknown')::boolean
        FROM jsonb_each(run.inherited_keys)
    ) attempts
    GROUP BY path HAVING bool_or(in_doubt OR is_unknown) AND NOT bool_or(status IN ('succeeded', 'skipped'))
    OFFSET 0
) step
WHERE run.id = ANY(%(runs)s) AND run.status IN ('failed', 'cancelled')
"""


@dataclass(frozen=True)
class Doubt:
    """A step in doubt: its path, the key that it sent, and its last attempt, if this run made one.

    With `is_unknown` not even the service's answer says that it failed.
    """

    path: str
    key: str
    attempt: uuid.UUID | None
    is_unknown: bool


def find_doubts(runs: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Doubt]]:
    """The steps in doubt of those runs that have any."""
    found: dict[uuid.UUID, list[Doubt]] = {}
    may_act, keys = cache(acting_steps), list(runs)
    for first in range(0, len(keys), BATCH):
        values = {"runs": keys[first : first + BATCH], "in_doubt": list(_KEEP_KEY), "unknown": list(UNKNOWN)}
        rows = [row for row in database.run(None, _STEPS, values) if row.is_open or _ended_run(row)]
        inputs = _inputs(row.attempt for row in rows if row.attempt)
        for row in rows:
            acts = may_act(row.version).get(key_of(row.path))
            if acts is not None and (row.attempt is None or acts(inputs.get(row.attempt))):  # None: inherited
                found.setdefault(row.run, []).append(Doubt(row.path, row.key, row.attempt, row.is_unknown))
    return found


def unknown_outcomes(runs: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those runs that have a step whose outcome is unknown."""
    return {run for run, doubts in find_doubts(runs).items() if any(doubt.is_unknown for doubt in doubts)}


def inherited_keys(taken: Collection[Doubt], earlier: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The keys of steps in doubt that a re-run takes over; `earlier` are those that its original took over."""
    attempts = StepRun.objects.in_bulk([doubt.attempt for doubt in taken if doubt.attempt])
    kept: dict[str, Any] = {}
    for doubt in taken:
        attempt = attempts.get(doubt.attempt) if doubt.attempt else None
        digest = _digest(attempt) if attempt else (earlier or {}).get(doubt.path, {}).get("input")
        if digest is not None:
            kept[doubt.path] = {"key": doubt.key, "input": digest, "unknown": doubt.is_unknown}
    return kept or None


def _ended_run(row: Any) -> bool:
    """Whether the failure of the step ended its run: from another one the run continued, so it is not repeated."""
    return row.failed in {"", key_of(row.path)}


def _inputs(attempts: Any) -> dict[uuid.UUID, Any]:
    return dict(StepRun.objects.filter(pk__in=list(attempts)).values_list("pk", "input"))


def _digest(attempt: StepRun) -> str | None:
    """The digest of an attempt's input; None when it has none, or its file cannot be read."""
    if attempt.input is None:
        return None
    try:
        whole = msgspec.json.decode(artifacts.read(attempt.input_file)) if attempt.input_file else attempt.input
    except artifacts.ArtifactError:
        return None
    return input_digest(whole)


def acting_steps(version: int) -> dict[str, Callable[[Any], bool]]:
    """Of the steps of a version that reach outside, by key: whether an attempt with that input may have an effect."""
    try:
        definition = parse(WorkflowVersion.objects.values_list("definition", flat=True).get(pk=version))
    except (DefinitionError, WorkflowVersion.DoesNotExist):
        return {}
    return {step.key: acts for _place, step in walk(definition.steps) if (acts := _acts(step)) is not None}


def _acts(step: Step) -> Callable[[Any], bool] | None:
    if isinstance(step, WorkflowStep):
        return lambda _input: True
    if not isinstance(step, ActionStep):
        return None
    try:
        adapter, action = find_action(step.action)
    except (LookupError, ActionVersionError):
        return lambda _input: True  # nobody knows what it did
    if action.effect is not Effect.EFFECTFUL:
        return None
    return lambda given: not adapter.reads_only(action.name, given if isinstance(given, dict) else {})
