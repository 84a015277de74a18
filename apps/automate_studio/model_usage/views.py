"""Usage of language models: the page, its export, and the budgets."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from unfold.admin import ModelAdmin

from automate_connectors.number_fields import DecimalField, IntegerField, NumberInput
from automate_core.models import Workflow
from automate_governance import audit
from automate_governance.admin_site import admin_site
from automate_governance.permissions import SITE, can
from automate_llm import budgets, ledger, prices, report
from automate_llm.models import LLMBudget, LLMUsage
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence, format_date
from automate_ui.navigation.http import clean_text, current_person

DAYS = 30


@dataclass(frozen=True, kw_only=True)
class BudgetRow:
    """A budget and its usage in per cent."""

    budget: LLMBudget
    spent: budgets.Spending
    used: int


@require_safe
def usage_page(request: HttpRequest) -> HttpResponse:
    """Usage by day, model and workflow with totals, and the budgets."""
    _check_may(request)
    period, problem = _parse_period(request.GET)
    return render_page(
        request,
        "automate_studio/model_usage/page.html",
        _("Model usage"),
        period=period,
        problem=problem,
        found=report.build_report(period),
        budgets=_usage_budget_rows(list(LLMBudget.objects.all())),
        may_administer=can(request.user, "administer", SITE),
        currency=prices.CURRENCY,
        prices_as_of=format_date(dt.date.fromisoformat(prices.prices_date())),
        without_filters=_period_query(period, workflow="", model=""),
    )


@require_POST
def usage_export(request: HttpRequest) -> HttpResponse:
    """Usage as CSV, audited; with `each=call` one line per call instead of per day."""
    _check_may(request)
    period, problem = _parse_period(request.POST)
    is_by_call = request.POST.get("each") == "call"
    try:
        content = "" if problem else report.calls_as_csv(period) if is_by_call else report.as_csv(period)
    except ValueError as error:
        problem = _("Export failed: %(reason)s") % {"reason": as_sentence(str(error))}
    if problem:
        return HttpResponseBadRequest(problem, content_type="text/plain; charset=utf-8")
    changes = {
        "each": "call" if is_by_call else "day",
        "from": str(period.first),
        "to": str(period.last),
        "workflow": period.workflow,
        "model": period.model,
    }
    with transaction.atomic():
        audit.record(request.user, "model_usage.exported", SITE(pk=0), changes=changes)
    name = f"model-{'calls' if is_by_call else 'usage'}-{period.first}-{period.last}.csv"
    return HttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_POST
def call_void(request: HttpRequest, call_id: int) -> HttpResponse:
    """Have a call count nothing under any budget, for administrators."""
    if not can(request.user, "administer", SITE):
        raise PermissionDenied
    if ledger.void_call(call_id, by=current_person(request)) is None:
        raise Http404
    messages.success(request, _("Voided. The call no longer counts towards budgets."))
    return redirect("admin:automate_llm_llmusage_changelist")


def _check_may(request: HttpRequest) -> None:
    if not can(request.user, "view", LLMUsage):
        raise PermissionDenied


def _parse_period(query: Any) -> tuple[report.Period, str]:
    """(period, error): the requested period, or the last thirty days and why it is invalid."""
    today = budgets.today()
    usual: dict[str, Any] = {"first": today - dt.timedelta(days=DAYS - 1), "last": today}
    kept: dict[str, Any] = {name: clean_text(query.get(name)) for name in ("workflow", "model")}
    try:
        last = _parse_day(query.get("to")) or today
        first = _parse_day(query.get("from")) or last - dt.timedelta(days=DAYS - 1)
        return report.Period(first=first, last=last, **kept), ""
    except OverflowError:
        return report.Period(**usual, **kept), _("The dates are out of range.")
    except ValueError as error:
        return report.Period(**usual, **kept), _("This period cannot be shown: %(reason)s") % {
            "reason": as_sentence(str(error))
        }


def _parse_day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError(_("Enter dates as YYYY-MM-DD.")) from None


def _period_query(period: report.Period, **changed: str) -> str:
    values = {"from": str(period.first), "to": str(period.last), "workflow": period.workflow, "model": period.model}
    return "?" + urlencode({name: value for name, value in (values | changed).items() if value})


def _usage_budget_rows(found: list[LLMBudget]) -> list[BudgetRow]:
    spent = budgets.get_spending_by_budget(found, budgets.today())
    return [BudgetRow(budget=each, spent=spent[each.pk], used=_percent_used(each, spent[each.pk])) for each in found]


def _percent_used(budget: LLMBudget, spent: budgets.Spending) -> int:
    limits = ((spent.cost, budget.max_cost), (Decimal(spent.tokens), budget.max_tokens))
    return max(budgets.percent_spent(amount, most) for amount, most in limits if most is not None)


# --- in the admin -----------------------------------------------------------------------------------------------------


class _Administered(ModelAdmin):  # type: ignore[misc]
    """Permissions for administrators only."""

    def _may(self, request: HttpRequest) -> bool:
        return can(request.user, "administer", SITE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may(request)


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of a budget; the workflow must exist."""

    workflow = forms.ModelChoiceField(
        Workflow.objects.order_by("name"),
        to_field_name="slug",
        required=False,
        empty_label=gettext_lazy("Whole site"),
    )

    class Meta:
        model = LLMBudget
        fields = ("workflow", "period", "max_cost", "max_tokens")
        field_classes = {"max_cost": DecimalField, "max_tokens": IntegerField}
        widgets = {"max_cost": NumberInput, "max_tokens": NumberInput}
        labels = {"max_tokens": gettext_lazy("Token limit (input and output)")}
        help_texts = {
            "max_cost": gettext_lazy(
                "Leave empty for no limit. With a limit, models without a known price are rejected."
            ),
            "max_tokens": gettext_lazy("Leave empty for no limit."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["max_cost"].label = _("Cost limit (%(currency)s)") % {"currency": prices.CURRENCY}

    def clean_workflow(self) -> str:
        """The slug, as the ledger stores it."""
        workflow: Workflow | None = self.cleaned_data["workflow"]
        return workflow.slug if workflow else ""


class BudgetAdmin(_Administered):
    """Budgets, audited."""

    form = BudgetForm

    def save_model(self, request: HttpRequest, obj: LLMBudget, form: Any, change: bool) -> None:
        """Save and audit in one transaction."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            limits = {"max_cost": str(obj.max_cost), "max_tokens": str(obj.max_tokens)}
            verb = "model_budget.changed" if change else "model_budget.created"
            audit.record(request.user, verb, obj, changes=limits)

    def delete_model(self, request: HttpRequest, obj: LLMBudget) -> None:
        """Delete and audit in one transaction."""
        with transaction.atomic():
            audit.record(request.user, "model_budget.deleted", obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LLMBudget]) -> None:
        """Delete one by one, so that each is in the audit trail."""
        for budget in queryset:
            self.delete_model(request, budget)


@admin.register(LLMUsage, site=admin_site())
class UsageAdmin(_Administered):
    """The usage page in place of the list."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return usage_page(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """People who may view model usage."""
        return can(request.user, "view", LLMUsage)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """The list only, no single row."""
        return obj is None and can(request.user, "view", LLMUsage)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: only the ledger writes rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Never."""
        return False
