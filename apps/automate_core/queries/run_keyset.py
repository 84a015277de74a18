"""Runs in order, by index where there is one, else by looking at so many and no more: no page costs the table.

Ids are in the order of their times. A search goes through *lanes*, parts of the table whose ids an index holds in that
order and without a look at the table: the runs of one state, or those of one workflow in one state. The planner takes
these indexes for that reason, whatever it thinks of how many there are. What no index answers, such as how long a run
took, is asked of the first runs of each lane alone; how far that went is the *edge*, and the next page goes on there.
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
    """A scan of runs: by index ranges (None: all runs), or from `source`, with further conditions in `asked`."""

    workflows: list[int] | None = None
    statuses: list[str] | None = None
    source: str = ""
    cause: str = NO_TESTS
    asked: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the scan can find no run."""
        return self.workflows == [] or self.statuses == [] or self.values.get("ids") == []

    @property
    def lanes(self) -> int:
        """How many there are."""
        return len(self.workflows or [0]) * len(self.statuses or [0])

    def with_condition(self, condition: str, **values: Any) -> RunScan:
        """The scan with a further condition."""
        return replace(self, asked=(*self.asked, condition), values={**self.values, **values})

    def without_ranges(self) -> RunScan:
        """The scan with conditions in place of index ranges."""
        part = self if self.source else replace(self, source=ALL)
        if self.workflows is not None:
            part = part.with_condition("run.workflow_id = ANY(%(of_workflows)s)", of_workflows=self.workflows)
        if self.statuses is not None:
            part = part.with_condition("run.status = ANY(%(of_statuses)s)", of_statuses=self.statuses)
        return replace(part, workflows=None, statuses=None)

    def in_ranges(self, *, always: bool = False) -> RunScan:
        """The scan by index ranges, unless there are too many. `always`: also for a scan that needs none."""
        if self.source or self.cause != NO_TESTS:
            return self.without_ranges()
        statuses = self.statuses or (list(STATES) if self.workflows is not None or always else None)
        part = replace(self, statuses=statuses)
        return part.without_ranges() if part.lanes > MOST_RANGES and (self.asked or always) else part


def first_ids(part: RunScan, values: dict[str, Any], *, newest_first: bool) -> list[Any]:
    """The first ids of a scan."""
    order = "DESC" if newest_first else "ASC"
    looked = share(LOOKED_AT, part) if part.asked else values["most"]
    return database.run(
        None,
        f"SELECT found.id FROM {ranges_of(part)} CROSS JOIN LATERAL ("
        f" SELECT run.id FROM ({candidates(part, order)}) run {matching(part)} ORDER BY run.id {order} LIMIT %(most)s"
        f") found ORDER BY found.id {order} LIMIT %(most)s",
        bound(part, values, looked),
    )


def edge_id(part: RunScan, values: dict[str, Any], looked: int, *, newest_first: bool) -> list[Any]:
    """The nearest id at which a lane was left, when so many of each were looked at: beyond it, not all of them were."""
    order = "DESC" if newest_first else "ASC"
    return database.run(
        None,
        f"SELECT edge.id FROM {ranges_of(part)} CROSS JOIN LATERAL ("
        f" {candidates(part, order, rows='OFFSET %(looked)s - 1 LIMIT 1')}"
        f") edge ORDER BY edge.id {order} LIMIT 1",
        bound(part, values, looked),
    )


def ranges_of(part: RunScan) -> str:
    """The tables of range values in a FROM clause."""
    lanes = ["(SELECT 1) one"]
    if part.workflows is not None:
        lanes.append("unnest(%(workflows)s::bigint[]) AS w(id)")
    if part.statuses is not None:
        lanes.append("unnest(%(statuses)s::text[]) AS s(status)")
    return " CROSS JOIN ".join(lanes)


def candidates(part: RunScan, order: str, *, columns: str = "run.id", rows: str = "LIMIT %(looked)s") -> str:
    """The runs of one lane in order, as many as are looked at."""
    source = part.source or ALL
    lane = " AND run.workflow_id = w.id" if part.workflows is not None else ""
    lane += " AND run.status = s.status" if part.statuses is not None else ""
    key = "term.run_id" if "term.run_id" in source else "run.id"
    return (
        f"SELECT {columns} FROM {source}{lane} AND {part.cause}"
        f" AND {key} > %(above)s AND {key} < %(below)s ORDER BY {key} {order} {rows}"
    )


def matching(part: RunScan) -> str:
    """The conditions, checked for each candidate: OFFSET keeps the planner from applying them to the table."""
    if not part.asked:
        return ""
    return (
        "CROSS JOIN LATERAL (SELECT FROM automate_core_executionrun whole WHERE whole.id = run.id"
        f" AND {' AND '.join(part.asked).replace('run.', 'whole.')} OFFSET 0) matching"
    )


def share(most: int, part: RunScan) -> int:
    """The number of candidates of each range, for so many in all."""
    return max(most // part.lanes, 1)


def bound(part: RunScan, values: dict[str, Any], looked: int) -> dict[str, Any]:
    """The values of a statement that looks at so many runs of each lane."""
    return {**part.values, "workflows": part.workflows, "statuses": part.statuses, **values, "looked": looked}
