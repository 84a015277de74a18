"""The size of the data, its growth, and the effect of a policy: estimated from statistics and samples.

No table is read whole: sizes and rows come from the catalog, shares and ages from a sample of its pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from automate_core import database
from automate_operations.retention.policy import RUN_STATES, Policy
from automate_plugins import text

AHEAD = 30  #: days that a forecast looks ahead
SOON = 7  #: days of what goes next, and by which growth is measured
PAGES = 400  #: of a table, that a sample reads

#: The tables that grow, with what people call their rows.
TABLES = {
    "automate_core_executionrun": text("Runs"),
    "automate_core_steprun": text("Attempts"),
    "automate_core_runlog": text("Log lines"),
    "automate_core_wait": text("Waits"),
    "automate_core_foreseeneffect": text("Predicted effects"),
    "automate_core_searchterm": text("Search terms"),
    "automate_core_runreply": text("Replies"),
    "automate_core_event": text("Events"),
    "automate_core_outboxjob": text("Jobs"),
    "automate_core_runcount": text("Run counts"),
    "automate_core_runtime": text("Run durations"),
    "automate_llm_llmusage": text("Model calls"),
    "automate_core_refuseddeliveries": text("Rejection counts"),
    "automate_governance_auditentry": text("Audit entries"),
}
_RUNS, _STEPS, _EVENTS = "automate_core_executionrun", "automate_core_steprun", "automate_core_event"

_SIZES = """
SELECT relname AS name, pg_total_relation_size(oid) AS bytes,
    (CASE WHEN reltuples > 0 THEN reltuples ELSE pg_stat_get_live_tuples(oid) END)::bigint AS rows,
    pg_relation_size(oid) / current_setting('block_size')::int AS pages
FROM pg_class WHERE oid = ANY(SELECT to_regclass(name) FROM unnest(%(names)s::text[]) AS name)
"""
_AGE = "floor(extract(epoch FROM automate_now() - {}) / 86400)::int"
_RUNS_SAMPLED = f"""
SELECT workflow_id AS workflow, CASE WHEN kept_at IS NOT NULL THEN 'kept'
        WHEN status NOT IN ('succeeded', 'failed', 'cancelled') THEN 'live'
        WHEN cause = 'test' THEN 'tests' ELSE status END AS state,
    {_AGE.format("coalesce(finished_at, created_at)")} AS age, count(*) AS rows
FROM automate_core_executionrun TABLESAMPLE SYSTEM (%(percent)s) GROUP BY 1, 2, 3
"""  # noqa: S608 - one of our own texts inside another
# The size of a value as it is stored is known without reading it.
_STEPS_SAMPLED = """
SELECT run.workflow_id AS workflow, count(*) AS rows,
    sum(200 + coalesce(pg_column_size(step.input), 0) + coalesce(pg_column_size(step.output), 0)) AS bytes
FROM automate_core_steprun step TABLESAMPLE SYSTEM (%(percent)s)
JOIN automate_core_executionrun run ON run.id = step.run_id GROUP BY 1
"""
_EVENTS_SAMPLED = f"""
SELECT {_AGE.format("event.received_at")} AS age, count(*) AS rows
FROM automate_core_event event TABLESAMPLE SYSTEM (%(percent)s)
WHERE event.emptied_at IS NULL
    AND NOT EXISTS (SELECT FROM automate_core_executionrun run WHERE run.event_id = event.id AND run.cause = 'trigger')
    AND NOT EXISTS (SELECT FROM automate_core_executionrun run WHERE run.event_id = event.id AND run.cause <> 'trigger')
GROUP BY 1
"""  # noqa: S608 - one of our own texts inside another


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: its rows as they were last counted by PostgreSQL, and the bytes on disk with indexes and all."""

    name: str
    title: str
    rows: int
    bytes: int
    pages: int

    @property
    def percent(self) -> float:
        """The share of its pages that a sample reads."""
        return min(100.0, 100.0 * PAGES / self.pages) if self.pages else 100.0


@dataclass(kw_only=True)
class Ages:
    """The number of rows of each age in days, of one kind that is kept for `days`; 0 is for ever."""

    days: int
    ages: Counter[int] = field(default_factory=Counter)

    @property
    def rows(self) -> float:
        """The number of rows."""
        return sum(self.ages.values())

    @property
    def a_day(self) -> float:
        """New rows a day, by the last days."""
        span = min(max(self.ages, default=0) + 1, SOON)
        return sum(count for age, count in self.ages.items() if age < span) / span

    def due(self, within: int = 0) -> float:
        """Rows that are deleted within so many days; 0: now."""
        return sum(count for age, count in self.ages.items() if age + within >= self.days) if self.days else 0

    @property
    def ahead(self) -> float:
        """The expected number of rows after AHEAD days, at the present growth."""
        left = self.rows - self.due(AHEAD)
        return left + self.a_day * (min(AHEAD, self.days) if self.days else AHEAD)


@dataclass(kw_only=True)
class WorkflowForecast:
    """The size of one workflow's runs, with everything recorded of them."""

    workflow: int
    own: Mapping[str, int]
    states: dict[str, Ages] = field(default_factory=dict)
    bytes: float = 0

    @property
    def runs(self) -> float:
        """The number of runs."""
        return sum(ages.rows for ages in self.states.values())

    @property
    def each(self) -> float:
        """Bytes of one run."""
        return self.bytes / self.runs if self.runs else 0

    @property
    def bytes_a_day(self) -> float:
        """New bytes a day."""
        return self.each * sum(ages.a_day for ages in self.states.values())

    @property
    def bytes_ahead(self) -> float:
        """The expected bytes after AHEAD days."""
        return self.each * sum(ages.ahead for ages in self.states.values())

    def due(self, within: int = 0) -> float:
        """Runs that are deleted within so many days."""
        return sum(ages.due(within) for ages in self.states.values())


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The tables and the workflows, the largest first, and events that started nothing."""

    tables: list[Table]
    workflows: list[WorkflowForecast]
    unmatched: Ages

    @property
    def bytes(self) -> int:
        """The bytes of all tables."""
        return sum(table.bytes for table in self.tables)

    @property
    def bytes_a_day(self) -> float:
        """New bytes a day, before deletion."""
        return sum(each.bytes_a_day for each in self.workflows)

    @property
    def bytes_ahead(self) -> float:
        """The expected bytes after AHEAD days: tables without runs stay as they are."""
        of_runs = sum(each.bytes for each in self.workflows)
        return max(self.bytes - of_runs, 0) + sum(each.bytes_ahead for each in self.workflows)

    def kinds(self) -> Iterator[tuple[str, float, float, float]]:
        """(name, number, number deleted now, number deleted within a week) of each kind."""
        for state in RUN_STATES:
            found = [each.states[state] for each in self.workflows if state in each.states]
            now, soon = (sum(one.due(days) for one in found) for days in (0, SOON))
            yield state, sum(one.rows for one in found), now, soon
        yield "unmatched", self.unmatched.rows, self.unmatched.due(), self.unmatched.due(SOON)


def build_forecast(policy: Policy) -> Forecast:
    """The forecast for a policy. Four queries."""
    sizes = {row.name: row for row in database.run(None, _SIZES, {"names": list(TABLES)})}
    tables = [
        Table(name=name, title=title, rows=sizes[name].rows, bytes=sizes[name].bytes, pages=sizes[name].pages)
        for name, title in TABLES.items()
        if name in sizes
    ]
    by_name = {table.name: table for table in tables}
    workflows = _read_runs(policy, by_name[_RUNS])
    _assign_bytes(workflows, by_name)
    unmatched = Ages(days=policy.site["unmatched"])
    events = by_name[_EVENTS]
    for row in database.run(None, _EVENTS_SAMPLED, {"percent": events.percent}):
        unmatched.ages[max(row.age, 0)] += row.rows * 100 / events.percent
    return Forecast(
        tables=sorted(tables, key=lambda table: -table.bytes),
        workflows=sorted(workflows.values(), key=lambda each: -each.bytes),
        unmatched=unmatched,
    )


def _read_runs(policy: Policy, table: Table) -> dict[int, WorkflowForecast]:
    found: dict[int, WorkflowForecast] = {}
    for row in database.run(None, _RUNS_SAMPLED, {"percent": table.percent}):
        each = found.setdefault(
            row.workflow, WorkflowForecast(workflow=row.workflow, own=policy.workflows.get(row.workflow, {}))
        )
        days = policy.days(row.workflow, row.state) if row.state in RUN_STATES else 0
        ages = each.states.setdefault(row.state, Ages(days=days))
        ages.ages[max(row.age, 0)] += row.rows * 100 / table.percent
    return found


def _assign_bytes(workflows: Mapping[int, WorkflowForecast], tables: Mapping[str, Table]) -> None:
    """Give each workflow its share of the tables: of the steps' by what they hold, of the others' by its runs."""
    steps = tables[_STEPS]
    sampled = {row.workflow: row for row in database.run(None, _STEPS_SAMPLED, {"percent": steps.percent})}
    held = _shares({key: float(row.bytes) for key, row in sampled.items()})
    runs = _shares({key: each.runs for key, each in workflows.items()})
    others = sum(table.bytes for name, table in tables.items() if name in _OF_RUNS)
    for key, each in workflows.items():
        each.bytes = runs.get(key, 0) * others + held.get(key, 0) * steps.bytes


_OF_RUNS = {
    _RUNS,
    _EVENTS,
    "automate_core_runlog",
    "automate_core_wait",
    "automate_core_foreseeneffect",
    "automate_core_searchterm",
    "automate_core_runreply",
}


def _shares(weights: Mapping[int, float]) -> dict[int, float]:
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()} if total else {}
