"""The newest start of each kind of trigger, among the newest runs of some workflows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from automate_core import database

NEWEST = 200  #: runs of each workflow that are looked at: an index finds them, however many there are

_STARTS = """
SELECT workflow.id AS workflow, newest.origin, max(newest.created_at) AS at
FROM unnest(%(workflows)s::bigint[]) AS workflow(id)
CROSS JOIN LATERAL (
    SELECT run.origin, run.created_at FROM automate_core_executionrun run
    WHERE run.workflow_id = workflow.id AND run.cause = 'trigger' ORDER BY run.id DESC LIMIT %(newest)s
) newest
GROUP BY workflow.id, newest.origin
"""


def last_starts(workflows: Iterable[int]) -> dict[tuple[int, str], dt.datetime]:
    """The time of the newest start by (workflow, origin of the run). One query."""
    values = {"workflows": list(workflows), "newest": NEWEST}
    return {(row.workflow, row.origin): row.at for row in database.run(None, _STARTS, values)}
