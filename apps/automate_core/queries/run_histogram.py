"""Runs counted by state over a time, newest first, and no more than so many."""

# ruff: noqa: S608 - as in run_keyset

from __future__ import annotations

import uuid
from typing import Any

from automate_core import database
from automate_core.queries import run_keyset
from automate_core.queries.run_keyset import RunScan

COUNTED = 50_000  #: runs that one histogram is made of


def count_by_bar(
    scan: RunScan, *, above: uuid.UUID, below: uuid.UUID, bounds: list[uuid.UUID]
) -> tuple[list[Any], list[uuid.UUID]]:
    """(rows of `bar`, `status` and `n`, ids at which counting stopped before the end).

    `bounds` are the lowest ids of the bars; the first bar is 1.
    """
    scan = scan.in_ranges(always=True)
    values = {"above": above, "below": below, "bounds": bounds}
    looked = run_keyset.share(run_keyset.LOOKED_AT if scan.conditions else COUNTED, scan)
    columns = "run.id, run.status"
    rows = database.run(
        None,
        f"SELECT found.bar, found.status, sum(found.n) AS n FROM {run_keyset.ranges_of(scan)} CROSS JOIN LATERAL ("
        " SELECT run.status, width_bucket(run.id, %(bounds)s::uuid[]) AS bar, count(*) AS n"
        f" FROM ({run_keyset.candidates(scan, 'DESC', columns=columns)}) run {run_keyset.matching(scan)} GROUP BY 1, 2"
        ") found GROUP BY 1, 2",
        run_keyset.bound(scan, values, looked),
    )
    return rows, [row.id for row in run_keyset.edge_id(scan, values, looked, newest_first=True)]
