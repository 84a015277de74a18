"""Budgets: whether one more call fits the limits of a workflow and the site for a day and a month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, F, Sum, When
from django.db.models.functions import Now
from django.utils import timezone

from automate_connectors.adapters.base import ConnectorError
from automate_governance import audit
from automate_governance.permissions import Person
from automate_llm.models import LLMBudget, LLMUsage
from automate_llm.prices import CURRENCY
from automate_plugins import ntext, text
from automate_plugins.texts import restored, stored

MOST_NAMED = 20  #: providers that a warning names


@dataclass(frozen=True)
class Spending:
    """The cost and tokens of a period, calls in flight included."""

    cost: Decimal
    tokens: int


class BudgetRefusal(ConnectorError):
    """A call that a budget does not allow."""

    def __init__(self, budget: LLMBudget, message: str, **values: Any) -> None:
        super().__init__(message, **values)
        self.budget = budget


def check_budgets(workflow: str, day: dt.date, *, cost: Decimal | None, tokens: int, what: str) -> None:
    """Lock the budgets of `workflow` and the site, and check that a call of at most that `cost` and `tokens` fits.

    Call it in the transaction that records the call: until that ends, other calls under these budgets wait, and the
    next one sees this one. Raises BudgetRefusal (`budget_exceeded`, `price_unknown`).
    """
    concerned = LLMBudget.objects.filter(workflow__in={"", workflow}).order_by("pk")
    for budget in concerned.select_for_update(no_key=True):
        spent = get_spending(budget, day)
        if budget.max_cost is not None:
            if cost is None:
                raise BudgetRefusal(
                    budget,
                    text(
                        "A budget limits the cost, but the price of %(model)s is unknown. Add the price to"
                        " AUTOMATE_LLM_PRICES or limit tokens instead.",
                        model=what,
                    ),
                    code="price_unknown",
                )
            if spent.cost + cost > budget.max_cost:
                amounts = {"spent": _money(spent.cost), "limit": _money(budget.max_cost), "asked": _money(cost)}
                raise _exceeded_error(budget, day, amounts, amounts)
        if budget.max_tokens is not None and spent.tokens + tokens > budget.max_tokens:
            shown = {"spent": spent.tokens, "limit": _tokens(budget.max_tokens), "asked": _tokens(tokens)}
            amounts = {
                "spent": f"{spent.tokens:,} tokens",
                "limit": f"{budget.max_tokens:,}",
                "asked": f"{tokens:,}",
            }
            raise _exceeded_error(budget, day, shown, amounts)


def record_refusal(refusal: BudgetRefusal, day: dt.date) -> None:
    """Count a refused call for the page of the budgets and for notifications, in a transaction of its own."""
    first, message = period_start(refusal.budget, day), str(refusal)
    LLMBudget.objects.filter(pk=refusal.budget.pk).update(
        refused=Case(When(refused_from=first, then=F("refused") + 1), default=1),
        refused_from=first,
        refused_at=Now(),
        refusal=stored(message) or {"message": message, "values": {}},
    )


def current_refusals(found: Iterable[LLMBudget], day: dt.date) -> dict[int, tuple[int, str]]:
    """Of the budgets that refused calls in the period of `day`: (number, reason of the latest), by key."""
    return {
        each.pk: (each.refused, restored(each.refusal))
        for each in found
        if each.refused and each.refused_from == period_start(each, day)
    }


def get_spending(budget: LLMBudget, day: dt.date) -> Spending:
    """Return the spending under `budget` in the period of `day`."""
    rows = LLMUsage.objects.filter(day__gte=period_start(budget, day), day__lt=period_end(budget, day))
    if budget.workflow:
        rows = rows.filter(workflow=budget.workflow)
    sums: dict[str, Any] = rows.aggregate(cost=Sum("cost"), tokens=Sum("tokens_in") + Sum("tokens_out"))
    return Spending(sums["cost"] or Decimal(0), int(sums["tokens"] or 0))


def get_spending_by_budget(found: list[LLMBudget], day: dt.date) -> dict[int, Spending]:
    """Return the spending under each budget, by key, with one query for each kind of period."""
    spent: dict[int, Spending] = {}
    for period in {budget.period for budget in found}:
        alike = [budget for budget in found if budget.period == period]
        rows = LLMUsage.objects.filter(day__gte=period_start(alike[0], day), day__lt=period_end(alike[0], day))
        sums = rows.values("workflow").annotate(cost=Sum("cost"), tokens=Sum("tokens_in") + Sum("tokens_out"))
        of_workflow = {row["workflow"]: Spending(row["cost"] or Decimal(0), int(row["tokens"] or 0)) for row in sums}
        whole = Spending(
            sum((each.cost for each in of_workflow.values()), Decimal(0)), sum(e.tokens for e in of_workflow.values())
        )
        nothing = Spending(Decimal(0), 0)
        spent |= {b.pk: of_workflow.get(b.workflow, nothing) if b.workflow else whole for b in alike}
    return spent


def capped_calls(day: dt.date) -> list[tuple[str, int]]:
    """Return (provider, number of calls) of those that reported too much on that day or the one before."""
    capped = LLMUsage.objects.filter(is_capped=True, day__gte=day - dt.timedelta(days=1), day__lte=day)
    rows = capped.exclude(status=LLMUsage.Status.VOIDED).values_list("provider")
    return list(rows.annotate(number=Count("pk")).order_by("provider")[:MOST_NAMED])


def percent_spent(spent: Decimal, most: Decimal | int) -> int:
    """Return the spent part of a limit, in per cent."""
    return int(spent * 100 / most) if most else 100


def today() -> dt.date:
    """Return the current day in the site's time zone."""
    return timezone.localdate(timezone=timezone.get_default_timezone())


def period_start(budget: LLMBudget, day: dt.date) -> dt.date:
    """Return the first day of the period of `day`."""
    return day if budget.period == LLMBudget.Period.DAY else day.replace(day=1)


def period_end(budget: LLMBudget, day: dt.date) -> dt.date:
    """Return the first day of the next period."""
    if budget.period == LLMBudget.Period.DAY:
        return day + dt.timedelta(days=1)
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def _exceeded_error(budget: LLMBudget, day: dt.date, shown: dict[str, Any], amounts: dict[str, str]) -> BudgetRefusal:
    """Return the error with the amounts `shown` in its message; its details hold `amounts`."""
    return BudgetRefusal(
        budget,
        text(
            _EXCEEDED[LLMBudget.Period(budget.period), bool(budget.workflow)],
            workflow=budget.workflow,
            **shown,
            date=str(period_end(budget, day)),
        ),
        code="budget_exceeded",
        details={
            "workflow": budget.workflow, "period": budget.period, **amounts,
            "begins_anew": str(period_end(budget, day)),
        },
    )  # fmt: skip


#: By period, and whether the budget is that of a workflow.
_EXCEEDED = {
    (LLMBudget.Period.DAY, True): text(
        "Daily budget of the workflow %(workflow)s reached: %(spent)s of %(limit)s used, this call may need %(asked)s."
        " Resets on %(date)s."
    ),
    (LLMBudget.Period.DAY, False): text(
        "Daily site budget reached: %(spent)s of %(limit)s used, this call may need %(asked)s. Resets on %(date)s."
    ),
    (LLMBudget.Period.MONTH, True): text(
        "Monthly budget of the workflow %(workflow)s reached: %(spent)s of %(limit)s used, this call may need"
        " %(asked)s. Resets on %(date)s."
    ),
    (LLMBudget.Period.MONTH, False): text(
        "Monthly site budget reached: %(spent)s of %(limit)s used, this call may need %(asked)s. Resets on %(date)s."
    ),
}


def _tokens(count: int) -> str:
    return ntext("%(count)s token", "%(count)s tokens", count)


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.0001')):f} {CURRENCY}"


# --- what a workflow may spend ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The limits of one period; None is no limit."""

    cost: Decimal | None = None
    tokens: int | None = None


def get_limits(workflow: str) -> dict[str, LLMBudget]:
    """Return the budgets of a workflow by period; those of the site for an empty name."""
    return {budget.period: budget for budget in LLMBudget.objects.filter(workflow=workflow)}


@transaction.atomic
def set_limit(workflow: str, period: LLMBudget.Period, limit: Limit, *, by: Person) -> LLMBudget | None:
    """Set or remove a workflow's limit for a period, audited. An unchanged limit changes nothing."""
    budget = LLMBudget.objects.select_for_update().filter(workflow=workflow, period=period).first()
    if (budget.max_cost, budget.max_tokens) == (limit.cost, limit.tokens) if budget else limit == Limit():
        return budget
    if limit == Limit() and budget is not None:
        audit.record(by, "model_budget.deleted", budget)
        budget.delete()
        return None
    verb = "model_budget.changed" if budget else "model_budget.created"
    budget = budget or LLMBudget(workflow=workflow, period=period)
    budget.max_cost, budget.max_tokens = limit.cost, limit.tokens
    budget.save()
    audit.record(by, verb, budget, changes={"max_cost": str(limit.cost), "max_tokens": str(limit.tokens)})
    return budget
