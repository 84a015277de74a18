"""Model usage and its cost between two days: by day, model and workflow, with totals."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from automate_governance.redaction.spreadsheets import inert
from automate_llm.models import LLMUsage
from automate_plugins import text

LONGEST_DAYS = 400
MOST_CALLS = 100_000
MOST_SHOWN = 10  #: calls that the page lists one by one
_COLUMNS = (
    "day",
    "workflow",
    "provider",
    "model",
    "calls",
    "tokens_in",
    "tokens_out",
    "cost_usd",
    "calls_without_price",
)

_CALL = (
    "at", "day", "workflow", "run", "path", "attempt", "call", "provider", "model", "status", "tokens_in", "tokens_out",
    "is_estimated", "cost", "is_capped",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Period:
    """From `first` to `last`, both included; of one workflow or model where those are named."""

    first: dt.date
    last: dt.date
    workflow: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(text("The last day is before the first day."))
        if (self.last - self.first).days >= LONGEST_DAYS:
            raise ValueError(text("Select up to %(count)s days.", count=LONGEST_DAYS))

    @property
    def rows(self) -> QuerySet[LLMUsage]:
        """The calls in the period."""
        rows = LLMUsage.objects.filter(day__gte=self.first, day__lte=self.last)
        if self.workflow:
            rows = rows.filter(workflow=self.workflow)
        return rows.filter(model=self.model) if self.model else rows


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Totals of some calls. `cost` covers calls with a known price; `unpriced` counts the others.

    `open` counts those with an estimate, since their end is unknown.
    """

    keys: tuple[Any, ...] = ()
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    open: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """The same calls, summed in three ways; `calls` are the largest, those first whose usage was capped."""

    total: Sums
    by_day: list[Sums]
    by_model: list[Sums]
    by_workflow: list[Sums]
    calls: list[LLMUsage]


def build_report(period: Period) -> Report:
    """Return the report, in five queries."""
    rows = period.rows
    return Report(
        total=_sums((), rows.aggregate(**_ADDED)),
        by_day=_sums_by(rows, "day", order=("-day",)),
        by_model=_sums_by(rows, "provider", "model"),
        by_workflow=_sums_by(rows, "workflow"),
        calls=list(rows.order_by("-is_capped", -(F("tokens_in") + F("tokens_out")), "-pk")[:MOST_SHOWN]),
    )


def as_csv(period: Period) -> str:
    """Return a CSV line for each day, workflow and model; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for sums in _sums_by(period.rows, "day", "workflow", "provider", "model", order=("day", "workflow", "model")):
        day, *names = sums.keys
        counts = (sums.calls, sums.tokens_in, sums.tokens_out, f"{sums.cost:f}", sums.unpriced)
        writer.writerow([day, *map(inert, names), *counts])
    return out.getvalue()


def calls_as_csv(period: Period) -> str:
    """Return a CSV line for each call. Raises ValueError when there are more than MOST_CALLS."""
    rows = list(period.rows.order_by("pk").values_list(*_CALL)[: MOST_CALLS + 1])
    if len(rows) > MOST_CALLS:
        raise ValueError(text("More than %(count)s calls on these days. Select fewer days.", count=MOST_CALLS))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CALL)
    for row in rows:
        writer.writerow([inert(value) if isinstance(value, str) else value for value in row])
    return out.getvalue()


_ADDED = {
    "calls": Count("pk"),
    "read": Sum("tokens_in"),
    "written": Sum("tokens_out"),
    "spent": Sum("cost"),
    "unpriced": Count("pk", filter=Q(cost=None)),
    "open": Count("pk", filter=Q(status__in=(LLMUsage.Status.IN_FLIGHT, LLMUsage.Status.IN_DOUBT))),
}


def _sums_by(rows: QuerySet[LLMUsage], *names: str, order: Iterable[str] = ()) -> list[Sums]:
    """Return totals for each combination of columns; the most expensive first unless an order is given."""
    found = [
        _sums(tuple(row[name] for name in names), row)
        for row in rows.values(*names).annotate(**_ADDED).order_by(*(order or names))
    ]
    return found if order else sorted(found, key=lambda sums: (-sums.cost, -sums.tokens_in - sums.tokens_out))


def _sums(keys: tuple[Any, ...], row: dict[str, Any]) -> Sums:
    return Sums(
        keys=keys,
        calls=row["calls"],
        tokens_in=int(row["read"] or 0),
        tokens_out=int(row["written"] or 0),
        cost=row["spent"] or Decimal(0),
        unpriced=row["unpriced"],
        open=row["open"],
    )
