"""Runs in order, by index where there is one, else by looking at so many and no more: no page costs the table.

Ids are in the order of their times. A search goes through *ranges*, parts of the table whose ids an index holds in that
order and without a look at the table: the runs of one state, or those of one workflow in one state. The planner takes
these indexes for that reason, whatever it thinks of how many there are. What no index answers, such as how long a run
took, is asked of the first runs of each range alone; how far that went is the *edge*, and the next page goes on there.
"""

# ruff: noqa: S608 - these statements are made of our own texts; what was asked for is bound

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from automate_core import database
from automate_core.states import RunStatus

LOOKED_AT = 10_000  #: runs that a filter without an index is asked of, for one page
MOST_RANGES = 200  #: of a search that asks what no index answers
NO_TESTS, TESTS = "run.cause <> 'test'", "run.cause = 'test'"
ALL = "automate_core_executionrun run WHERE true"
STATES = tuple(str(state) for state in RunStatus)


@dataclass(frozen=True, kw_only=True)
class RunScan:
    """A scan of runs: by index ranges (None: all runs), or from `source`, with further conditions in `conditions`."""

    workflows: list[int] | None = None
    statuses: list[str] | None = None
    source: str = ""
    cause: str = NO_TESTS
    conditions: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the scan can find no run."""
        return self.workflows == [] or self.statuses == [] or self.values.get("ids") == []

    @property
    def range_count(self) -> int:
        """The number of index ranges."""
        return len(self.workflows or [0]) * len(self.statuses or [0])

    def with_condition(self, condition: str, **values: Any) -> RunScan:
        """The scan with a further condition."""
        return replace(self, conditions=(*self.conditions, condition), values={**self.values, **values})

    def without_ranges(self) -> RunScan:
        """The scan with conditions in place of index ranges."""
        scan = self if self.source else replace(self, source=ALL)
        if self.workflows is not None:
            scan = scan.with_condition("run.workflow_id = ANY(%(of_workflows)s)", of_workflows=self.workflows)
        if self.statuses is not None:
            scan = scan.with_condition("run.status = ANY(%(of_statuses)s)", of_statuses=self.statuses)
        return replace(scan, workflows=None, statuses=None)

    def in_ranges(self, *, always: bool = False) -> RunScan:
        """The scan by index ranges, unless there are too many. `always`: also for a scan that needs none."""
        if self.source or self.cause != NO_TESTS:
            return self.without_ranges()
        statuses = self.statuses or (list(STATES) if self.workflows is not None or always else None)
        scan = replace(self, statuses=statuses)
        return scan.without_ranges() if scan.range_count > MOST_RANGES and (self.conditions or always) else scan


def first_ids(scan: RunScan, values: dict[str, Any], *, newest_first: bool) -> list[Any]:
    """The first ids of a scan."""
    order = "DESC" if newest_first else "ASC"
    looked = share(LOOKED_AT, scan) if scan.conditions else values["most"]
    return database.run(
        None,
        f"SELECT found.id FROM {ranges_of(scan)} CROSS JOIN LATERAL ("
        f" SELECT run.id FROM ({candidates(scan, order)}) run {matching(scan)} ORDER BY run.id {order} LIMIT %(most)s"
        f") found ORDER BY found.id {order} LIMIT %(most)s",
        bound(scan, values, looked),
    )


def edge_id(scan: RunScan, values: dict[str, Any], looked: int, *, newest_first: bool) -> list[Any]:
    """The nearest id at which a range was left after `looked` candidates: beyond it, the scan is incomplete."""
    order = "DESC" if newest_first else "ASC"
    return database.run(
        None,
        f"SELECT edge.id FROM {ranges_of(scan)} CROSS JOIN LATERAL ("
        f" {candidates(scan, order, rows='OFFSET %(looked)s - 1 LIMIT 1')}"
        f") edge ORDER BY edge.id {order} LIMIT 1",
        bound(scan, values, looked),
    )


def ranges_of(scan: RunScan) -> str:
    """The tables of range values in a FROM clause."""
    ranges = ["(SELECT 1) one"]
    if scan.workflows is not None:
        ranges.append("unnest(%(workflows)s::bigint[]) AS w(id)")
    if scan.statuses is not None:
        ranges.append("unnest(%(statuses)s::text[]) AS s(status)")
    return " CROSS JOIN ".join(ranges)


def candidates(scan: RunScan, order: str, *, columns: str = "run.id", rows: str = "LIMIT %(looked)s") -> str:
    """The runs of one range in order, each once, as many as are looked at."""
    source = scan.source or ALL
    within = " AND run.workflow_id = w.id" if scan.workflows is not None else ""
    within += " AND run.status = s.status" if scan.statuses is not None else ""
    key = "term.run_id" if "term.run_id" in source else "run.id"
    # A run may have the same text in two of its terms, such as an order number and the subject.
    each_once = f"DISTINCT ON ({key}) " if key == "term.run_id" else ""
    return (
        f"SELECT {each_once}{columns} FROM {source}{within} AND {scan.cause}"
        f" AND {key} > %(above)s AND {key} < %(below)s ORDER BY {key} {order} {rows}"
    )


def matching(scan: RunScan) -> str:
    """The conditions, checked for each candidate: OFFSET keeps the planner from applying them to the table."""
    if not scan.conditions:
        return ""
    return (
        "CROSS JOIN LATERAL (SELECT FROM automate_core_executionrun whole WHERE whole.id = run.id"
        f" AND {' AND '.join(scan.conditions).replace('run.', 'whole.')} OFFSET 0) matching"
    )


def share(most: int, scan: RunScan) -> int:
    """The number of candidates of each range, for so many in all."""
    return max(most // scan.range_count, 1)


def bound(scan: RunScan, values: dict[str, Any], looked: int) -> dict[str, Any]:
    """The values of a statement that looks at so many runs of each range."""
    return {**scan.values, "workflows": scan.workflows, "statuses": scan.statuses, **values, "looked": looked}
