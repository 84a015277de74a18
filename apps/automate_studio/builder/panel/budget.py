"""Model budget in a workflow's settings: limits, spending, and the form that sets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from automate_connectors.number_fields import DecimalField, IntegerField
from automate_core.models import Workflow
from automate_governance.permissions import SITE, can
from automate_governance.texts import translated
from automate_llm import budgets, prices
from automate_llm.budgets import Limit, Spending
from automate_llm.models import LLMBudget, LLMUsage
from automate_plugins import text
from automate_ui.navigation.http import current_person
from automate_ui.request_params import get_editable_workflow

PERIODS = {LLMBudget.Period.DAY: text("Per day"), LLMBudget.Period.MONTH: text("Per month")}
MOST_TOKENS = 2**63 - 1


class LimitsForm(forms.Form):
    """Cost and tokens per period; an empty field is no limit."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        for period, name in PERIODS.items():
            values = {"period": translated(name), "currency": prices.CURRENCY}
            self.fields[f"{period}_cost"] = DecimalField(
                label=_("%(period)s: cost in %(currency)s") % values,
                required=False,
                min_value=0,
                max_digits=12,
                decimal_places=2,
            )
            self.fields[f"{period}_tokens"] = IntegerField(
                label=_("%(period)s: tokens") % values, required=False, min_value=0, max_value=MOST_TOKENS
            )

    def limits(self) -> Iterator[tuple[LLMBudget.Period, Limit]]:
        """Entered limits by period."""
        for period in PERIODS:
            values = self.cleaned_data
            yield period, Limit(cost=values[f"{period}_cost"], tokens=values[f"{period}_tokens"])


@dataclass(frozen=True, kw_only=True)
class BudgetPeriodRow:
    """One period. `budget` is None when the workflow has no limit in it."""

    name: str
    spent: Spending
    budget: LLMBudget | None
    site: LLMBudget | None
    site_spent: Spending | None
    fields: tuple[BoundField, BoundField]


@require_http_methods(["GET", "HEAD", "POST"])
def budget_section(request: HttpRequest, pk: int) -> HttpResponse:
    """The section; a POST sets the limits (administrators only)."""
    workflow = get_editable_workflow(request, pk)
    may_set = can(request.user, "administer", SITE)
    if request.method != "POST":
        return _render_section(request, workflow, LimitsForm(initial=_initial_limits(workflow)), may_set=may_set)
    if not may_set:
        raise PermissionDenied
    form = LimitsForm(request.POST)
    if not form.is_valid():
        return _render_section(request, workflow, form, may_set=may_set, status=422)
    with transaction.atomic():
        for period, limit in form.limits():
            budgets.set_limit(workflow.slug, period, limit, by=current_person(request))
    fresh = LimitsForm(initial=_initial_limits(workflow))
    return _render_section(request, workflow, fresh, may_set=may_set, saved=True)


def _initial_limits(workflow: Workflow) -> Mapping[str, Decimal | int | None]:
    there = budgets.get_limits(workflow.slug)
    costs = {f"{period}_cost": each.max_cost for period, each in there.items()}
    return {**costs, **{f"{period}_tokens": each.max_tokens for period, each in there.items()}}


def _render_section(
    request: HttpRequest, workflow: Workflow, form: LimitsForm, *, may_set: bool, saved: bool = False, status: int = 200
) -> HttpResponse:
    may_view_usage = can(request.user, "view", LLMUsage)
    context = {
        "workflow": workflow,
        "rows": list(_period_rows(workflow, form, with_site=may_view_usage)),
        "form": form,
        "saved": saved,
        "may_set": may_set,
        "may_view_usage": may_view_usage,
        "currency": prices.CURRENCY,
    }
    return TemplateResponse(request, "automate_studio/builder/budget.html", context, status=status)


def _period_rows(workflow: Workflow, form: LimitsForm, *, with_site: bool) -> Iterator[BudgetPeriodRow]:
    own = budgets.get_limits(workflow.slug)
    of_site = budgets.get_limits("") if with_site else {}
    for period, name in PERIODS.items():
        site = of_site.get(period)
        yield BudgetPeriodRow(
            name=translated(name),
            spent=budgets.get_spending(
                own.get(period) or LLMBudget(workflow=workflow.slug, period=period), budgets.today()
            ),
            budget=own.get(period),
            site=site,
            site_spent=budgets.get_spending(site, budgets.today()) if site else None,
            fields=(form[f"{period}_cost"], form[f"{period}_tokens"]),
        )
