"""List of model budgets: usage, renewal, and who is notified."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.models import NotificationRule, Workflow
from automate_governance.texts import translated
from automate_llm import budgets
from automate_llm.models import LLMBudget
from automate_llm.prices import CURRENCY
from automate_plugins import text
from automate_ui.describe import describe_recipients
from automate_ui.formatting import format_count, format_money
from automate_ui.navigation.lists import ListPage, Query, build_list_page, list_query, page_slice

TABS = {
    "": text("All"),
    "refusing": text("Calls refused"),
    "used": text("Limit reached"),
    "near": text("Near limit"),
    "free": text("Within limit"),
}
NEAR = 80  #: per cent from which a budget is nearly used
_Kind = NotificationRule.Kind


@dataclass(frozen=True, kw_only=True)
class BudgetMeter:
    """One limit of a budget: usage in per cent and in words."""

    used: int
    spent: str
    limit: str

    @property
    def width(self) -> int:
        """Length of the bar in per cent."""
        return min(100, self.used)

    @property
    def state(self) -> str:
        """Colour of the bar."""
        return "failed" if self.used >= 100 else "waiting" if self.used >= NEAR else "succeeded"


@dataclass(frozen=True, kw_only=True)
class BudgetRow:
    """A budget in the list. `name` is the workflow's, or empty for the whole site.

    `refusals` says how many calls it refused in this period, and why the latest; empty without any.
    """

    budget: LLMBudget
    name: str
    meters: list[BudgetMeter]
    renews: dt.date
    notified: str
    refusals: str = ""

    @property
    def used(self) -> int:
        """Usage of the tighter limit in per cent."""
        return max((meter.used for meter in self.meters), default=0)

    @property
    def tab(self) -> str:
        """Tab of the row."""
        if self.refusals:
            return "refusing"
        return "used" if self.used >= 100 else "near" if self.used >= NEAR else "free"

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return {"refusing": "failed", "used": "failed", "near": "waiting"}.get(self.tab, "succeeded")

    @property
    def word(self) -> str:
        """State in words."""
        return translated(TABS[self.tab])


def budget_rows(found: Iterable[LLMBudget], day: dt.date) -> list[BudgetRow]:
    """Rows of these budgets, those that refuse calls and the highest usage first, in a fixed number of queries."""
    listed = list(found)
    spent = budgets.get_spending_by_budget(listed, day)
    slugs = {budget.workflow for budget in listed if budget.workflow}
    names = dict(Workflow.objects.filter(slug__in=slugs).values_list("slug", "name"))
    notified, refused = _notified_people(slugs), budgets.current_refusals(listed, day)
    made = [
        BudgetRow(
            budget=budget,
            name=names.get(budget.workflow, budget.workflow),
            meters=list(_budget_meters(budget, spent[budget.pk])),
            renews=budgets.period_end(budget, day),
            notified=notified[budget.workflow],
            refusals=_refusals_text(*refused[budget.pk]) if budget.pk in refused else "",
        )
        for budget in listed
    ]
    return sorted(made, key=lambda row: (not row.refusals, -row.used, row.name.lower(), row.budget.pk))


def budget_page(query: Query) -> ListPage:
    """A page of the budgets."""
    kept = list_query(query, TABS)
    every = budget_rows(LLMBudget.objects.all(), budgets.today())
    if search := kept.search.lower():
        every = [
            row for row in every if search in (row.name or _("Whole site")).lower() or search in row.budget.workflow
        ]
    counts = {tab: sum(row.tab == tab for row in every) for tab in TABS} | {"": len(every)}
    shown = [row for row in every if kept.tab in {"", row.tab}][page_slice(kept, counts.get(kept.tab, 0))]
    return build_list_page(kept, shown, counts, tabs=TABS, filters=[])


def _refusals_text(number: int, reason: str) -> str:
    said = ngettext(
        "%(count)s call was refused in this period: %(reason)s",
        "%(count)s calls were refused in this period. The latest: %(reason)s",
        number,
    )
    return said % {"count": format_count(number), "reason": translated(reason)}


def _budget_meters(budget: LLMBudget, spent: budgets.Spending) -> Iterable[BudgetMeter]:
    if budget.max_cost is not None:
        yield BudgetMeter(
            used=budgets.percent_spent(spent.cost, budget.max_cost),
            spent=format_money(spent.cost),
            limit=f"{format_money(budget.max_cost)} {CURRENCY}",
        )
    if budget.max_tokens is not None:
        used = budgets.percent_spent(Decimal(spent.tokens), budget.max_tokens)
        yield BudgetMeter(
            used=used,
            spent=format_count(spent.tokens),
            limit=_("%(count)s tokens") % {"count": format_count(budget.max_tokens)},
        )


def _notified_people(slugs: set[str]) -> dict[str, str]:
    """By workflow (empty: the site), people notified of runs that fail at the limit."""
    failing = NotificationRule.objects.filter(
        kind__in=(_Kind.FIRST_FAILURE, _Kind.FAILURES, _Kind.BUDGET), is_on=True, removed_at=None
    )
    listed = failing.select_related("workflow").prefetch_related("people").order_by("pk")
    found: dict[str, list[str]] = {slug: [] for slug in (*slugs, "")}
    for rule in listed:
        concerned = [rule.workflow.slug] if rule.workflow else list(found)
        for slug in concerned:
            found.get(slug, []).extend(describe_recipients(rule))
    return {slug: ", ".join(dict.fromkeys(names)) for slug, names in found.items()}
