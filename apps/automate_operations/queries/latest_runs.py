"""The latest runs of workflows, by index, however many runs there are. Test runs are left out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from automate_core import database
from automate_operations.queries.working_time import IS_OUTSIDE, working_time

LATEST = 20  #: runs of each workflow
MOST_STEPS = 200  #: steps of each run: the first items of a long loop stand for the others

_LATEST_RUNS = f"""
SELECT latest.*, date_part('epoch', {working_time("latest")}) AS worked FROM unnest(%(workflows)s::bigint[]) AS w(id)
CROSS JOIN LATERAL (
    SELECT run.workflow_id, run.id, run.status, run.started_at, run.finished_at, run.created_at
    FROM automate_core_executionrun run WHERE run.workflow_id = w.id AND run.cause <> 'test'
    ORDER BY run.id DESC LIMIT %(most)s
) latest
"""  # noqa: S608 - our own texts
_STEP_DURATIONS = f"""
SELECT w.id AS workflow, step.path, step.took
FROM unnest(%(workflows)s::bigint[]) AS w(id)
CROSS JOIN LATERAL (
    SELECT run.id FROM automate_core_executionrun run WHERE run.workflow_id = w.id AND run.cause <> 'test'
    ORDER BY run.id DESC LIMIT %(most)s
) latest
CROSS JOIN LATERAL (
    SELECT path, date_part('epoch', finished_at - started_at) AS took FROM automate_core_steprun
    WHERE run_id = latest.id AND finished_at IS NOT NULL AND status || '' <> 'interrupted' AND NOT EXISTS (
        SELECT FROM automate_core_wait wait
        WHERE wait.run_id = latest.id AND wait.path = automate_core_steprun.path AND {IS_OUTSIDE}
    ) ORDER BY path, attempt LIMIT %(steps)s
) step
"""  # noqa: S608 - our own texts
_SORTED_WORKFLOWS = f"""
SELECT w.id FROM unnest(%(workflows)s::bigint[]) WITH ORDINALITY AS w(id, place)
CROSS JOIN LATERAL (
    SELECT max(newest.created_at) AS last, avg(newest.good::int) AS success,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY newest.took) AS p95
    FROM (
        SELECT run.created_at,
            CASE WHEN run.status IN ('succeeded', 'failed') THEN run.status = 'succeeded' END AS good,
            CASE WHEN run.status IN ('succeeded', 'failed') THEN {working_time("run")} END AS took
        FROM automate_core_executionrun run WHERE run.workflow_id = w.id AND run.cause <> 'test'
        ORDER BY run.id DESC LIMIT %(most)s
    ) newest
) latest
ORDER BY latest.{{}} NULLS LAST, w.place LIMIT %(page)s OFFSET %(start)s
"""  # noqa: S608 - our own texts
#: Orders of workflows by their latest runs: the time of the last, the share of successes, and the 95th percentile.
SORT_ORDERS = {
    f"{sign}{column}": _SORTED_WORKFLOWS.format(f"{column}{' DESC' if sign else ''}")
    for column in ("last", "success", "p95")
    for sign in ("", "-")
}


def read_latest_runs(workflows: Collection[int]) -> dict[int, list[Any]]:
    """The latest runs of each of these workflows, newest first."""
    found: dict[int, list[Any]] = {workflow: [] for workflow in workflows}
    for run in database.run(None, _LATEST_RUNS, {"workflows": list(found), "most": LATEST}):
        found[run.workflow_id].append(run)
    return found


def read_step_durations(workflows: Collection[int]) -> list[Any]:
    """Rows of `workflow`, `path` and `took`, in seconds, of ended steps, without those that waited."""
    values = {"workflows": list(workflows), "most": LATEST, "steps": MOST_STEPS}
    return database.run(None, _STEP_DURATIONS, values)


def sort_by_latest_runs(workflows: Collection[int], order: str, *, page: int, start: int) -> list[int]:
    """A page of these workflows in an order of SORT_ORDERS; those without an ended run come last."""
    values = {"workflows": list(workflows), "most": LATEST, "page": page, "start": start}
    return [row.id for row in database.run(None, SORT_ORDERS[order], values)]
