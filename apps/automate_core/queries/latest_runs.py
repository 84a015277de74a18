"""The latest runs of workflows."""

from __future__ import annotations

LATEST = 20  #: runs of a workflow that are looked at


LATEST_RUNS = """
SELECT latest.* FROM unnest(%(workflows)s::bigint[]) AS w(id)
CROSS JOIN LATERAL (
    SELECT run.workflow_id, run.id, run.status, run.started_at, run.finished_at, run.created_at
    FROM automate_core_executionrun run WHERE run.workflow_id = w.id AND run.cause <> 'test'
    ORDER BY run.id DESC LIMIT %(most)s
) latest
"""
