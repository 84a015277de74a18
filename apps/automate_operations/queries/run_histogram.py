"""Runs counted by state over a time, newest first, and no more than so many."""

# ruff: noqa: S608 - as in run_keyset

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

from automate_core import database
from automate_operations.queries import run_keyset
from automate_operations.queries.run_keyset import RunScan

COUNTED = 50_000  #: runs that one histogram is made of


def count_by_bar(
    scans: Sequence[RunScan], *, above: uuid.UUID, below: uuid.UUID, bounds: list[uuid.UUID]
) -> tuple[list[Any], list[uuid.UUID]]:
    """(rows of `bar`, `status` and `n`, ids at which counting stopped before the end).

    A run that several scans find counts once. `bounds` are the lowest ids of the bars; the first bar is 1.
    """
    found: list[str] = []
    values: dict[str, Any] = {"bounds": bounds}
    edges: list[uuid.UUID] = []
    for number, each in enumerate(scans):
        scan, between = each.in_ranges(always=True), {"above": above, "below": below}
        looked = run_keyset.share(run_keyset.LOOKED_AT if scan.conditions else COUNTED, scan)
        candidates = run_keyset.candidates(scan, "DESC", columns="run.id, run.status")
        statement = (
            f"SELECT run.id, run.status FROM {run_keyset.ranges_of(scan)} CROSS JOIN LATERAL ({candidates}) run"
            f" {run_keyset.matching(scan)}"
        )
        found.append(re.sub(r"%\((\w+)\)s", rf"%(\1_{number})s", statement))
        bound = run_keyset.bound(scan, between, looked)
        values |= {f"{name}_{number}": value for name, value in bound.items()}
        edges += [row.id for row in run_keyset.edge_id(scan, between, looked, newest_first=True)]
    if not found:
        return [], []
    rows = database.run(
        None,
        "SELECT width_bucket(found.id, %(bounds)s::uuid[]) AS bar, found.status, count(*) AS n"
        f" FROM ({' UNION '.join(found)}) found GROUP BY 1, 2",
        values,
    )
    return rows, edges
