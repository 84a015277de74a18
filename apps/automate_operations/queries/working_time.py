"""How long runs worked: their duration without the time of people, callers, the clock and dead workers."""

from __future__ import annotations

from automate_core.models import Wait
from automate_core.states import StepStatus

#: Waits that say nothing of how fast a workflow is. Retries, slots, limits, pools and sub-runs do.
_OUTSIDE_KINDS = (
    Wait.Kind.APPROVAL,
    Wait.Kind.CALLBACK,
    Wait.Kind.FORM,
    Wait.Kind.PAUSED,
    Wait.Kind.RECONNECT,
    Wait.Kind.REVIEW,
    Wait.Kind.TIMER,
)


#: SQL: whether `wait` is one of them.
IS_OUTSIDE = f"wait.kind IN ({', '.join(f"'{kind}'" for kind in _OUTSIDE_KINDS)})"

#: SQL: whether a worker died before the review, as it does where an attempt is interrupted and repeated.
_AFTER_DEATH = f"wait.kind = '{Wait.Kind.REVIEW.value}' AND wait.data->'{StepStatus.INTERRUPTED.value}' IS NOT NULL"
_BEGUN_AT = f"""CASE WHEN {_AFTER_DEATH} THEN (
    SELECT max(step.started_at) FROM automate_core_steprun step
    WHERE step.run_id = wait.run_id AND step.path = wait.path AND step.started_at < wait.created_at
) END"""  # noqa: S608 - our own texts


def working_time(run: str) -> str:
    """SQL: the interval that an ended run worked. `run` names a row with `id`, `started_at` and `finished_at`."""
    # A multirange, because parallel branches wait at the same time.
    # Nothing worked on an interrupted attempt once its worker had died, and no one knows when that was.
    return f"""greatest({run}.finished_at - {run}.started_at - coalesce((
        SELECT sum(upper(span) - lower(span)) FROM (
            SELECT unnest(range_agg(idle.span)) AS span FROM (
                SELECT tstzrange(coalesce({_BEGUN_AT}, wait.created_at), wait.resolved_at) AS span
                FROM automate_core_wait wait
                WHERE wait.run_id = {run}.id AND {IS_OUTSIDE} AND wait.resolved_at > wait.created_at
                UNION ALL
                SELECT tstzrange(step.started_at, step.finished_at) FROM automate_core_steprun step
                WHERE step.run_id = {run}.id AND step.status || '' = 'interrupted'
                    AND step.finished_at > step.started_at
            ) idle
        ) outside
    ), interval '0'), interval '0')"""  # noqa: S608 - our own texts
