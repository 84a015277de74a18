"""Run header: cost of its models, and related runs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.models import ExecutionRun
from automate_governance.permissions import User, permitted
from automate_llm.models import LLMUsage
from automate_ui.formatting import format_count, format_money

MOST = 12  #: re-runs and started runs that are listed


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """Cost of models in words, with a note."""

    text: str
    note: str


@dataclass(frozen=True, kw_only=True)
class RelatedRun:
    """A related run. `relation` is its relation to this one."""

    relation: str
    run: ExecutionRun


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Related runs that a person may view; `is_cut` when there are more."""

    relatives: list[RelatedRun]
    is_cut: bool


def has_model_calls() -> Exists:
    """Condition on runs: they called a model."""
    return Exists(LLMUsage.objects.filter(run=OuterRef("pk")))


def model_cost(run_id: uuid.UUID, path: str = "") -> ModelCost | None:
    """Cost of the models of a run or of one of its steps; None when none was called. One query."""
    rows = LLMUsage.objects.filter(run=run_id, **({"path": path} if path else {}))
    sums = rows.aggregate(
        calls=Count("pk"),
        unknown=Count("pk", filter=Q(cost=None)),
        cost=Sum("cost"),
        read=Sum("tokens_in"),
        written=Sum("tokens_out"),
    )
    if not sums["calls"]:
        return None
    known = f"${format_money(sums['cost'] or Decimal(0))}"
    text = known if not sums["unknown"] else f"≥ {known}" if sums["cost"] else _("Unknown")
    note = ngettext(
        "%(count)s call: %(input)s input tokens, %(output)s output tokens",
        "%(count)s calls: %(input)s input tokens, %(output)s output tokens",
        sums["calls"],
    ) % {
        "count": format_count(sums["calls"]),
        "input": format_count(sums["read"]),
        "output": format_count(sums["written"]),
    }
    if sums["unknown"]:
        note = _("%(usage)s. Some calls have no known price.") % {"usage": note}
    return ModelCost(text=text, note=note)


def run_lineage(run: ExecutionRun, user: User) -> Lineage:
    """Its original or parent run, its re-runs and its sub-runs. Two queries."""
    above = [pk for pk in (run.retried_from_id, run.parent_id) if pk]
    again = ExecutionRun.objects.filter(retried_from=run).order_by("id").values("pk")[: MOST + 1]
    started = ExecutionRun.objects.filter(parent=run).order_by("id").values("pk")[: MOST + 1]
    below = [row["pk"] for row in again.union(started, all=True)]
    if not above and not below:
        return Lineage(relatives=[], is_cut=False)
    known = permitted(user, "view", ExecutionRun.objects.filter(pk__in=[*above, *below[: 2 * MOST]]))
    found = known.select_related("workflow").only(
        "status", "parent", "retried_from", "workflow__name", "workflow__owner", "created_at"
    )
    relatives = [_related_run(run, each) for each in found.order_by("id")]
    return Lineage(relatives=relatives, is_cut=len(below) > 2 * MOST or len(relatives) < len(above) + len(below))


def _related_run(run: ExecutionRun, other: ExecutionRun) -> RelatedRun:
    if other.pk == run.retried_from_id:
        return RelatedRun(relation=_("Re-run of"), run=other)
    if other.pk == run.parent_id:
        return RelatedRun(relation=_("Started by"), run=other)
    if other.retried_from_id == run.pk:
        return RelatedRun(relation=_("Re-run as"), run=other)
    return RelatedRun(relation=_("Sub-run"), run=other)


def sub_runs_of_step(run: ExecutionRun, path: str, user: User) -> list[ExecutionRun]:
    """First sub-runs of a step that this person may view. One query."""
    started = ExecutionRun.objects.filter(parent=run, parent_path=path).select_related("workflow")
    return list(permitted(user, "view", started).order_by("id")[:MOST])
