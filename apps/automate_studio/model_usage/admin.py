"""Model budgets in the admin, for those who administer the site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from automate_governance.admin_site import admin_site, reverse
from automate_llm import budgets
from automate_llm.models import LLMBudget
from automate_plugins import text
from automate_studio.model_usage.budget_list import budget_page, budget_rows
from automate_studio.model_usage.views import BudgetAdmin
from automate_ui.navigation.admin_pages import list_response
from automate_ui.objects.admin import ObjectAdmin


@admin.register(LLMBudget, site=admin_site())
class StudioBudgetAdmin(ObjectAdmin, BudgetAdmin):
    """Budgets with their usage."""

    new_title = text("New budget")
    list_title = text("Model budgets")
    above = "automate_studio/model_usage/budgets/meters.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        url = reverse("admin:automate_llm_llmbudget_changelist")
        found = budget_page(request.GET)
        template, title = "automate_studio/model_usage/budgets/list.html", _("Model budgets")
        return list_response(request, template, title, url, found)

    def object_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Usage of the budget."""
        [row] = budget_rows([obj], budgets.today())
        return {"row": row}
