"""The studio's pages in the admin: they stand where Django's own lists and forms of these models would."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse

from automate_core.models import ExecutionRun, Workflow
from automate_governance.admin import GovernedAdmin
from automate_studio import asked, views
from automate_studio.model_usage import BudgetAdmin, UsageAdmin

__all__ = ["BudgetAdmin", "ExecutionRunAdmin", "UsageAdmin", "WorkflowAdmin"]


class StudioAdmin(GovernedAdmin):
    """Nothing is added, changed or deleted through Django's forms."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Not by a form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not by a form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not by a form."""
        return False

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What people did stands in the audit trail."""
        raise Http404


@admin.register(Workflow)
class WorkflowAdmin(StudioAdmin):
    """The workflow list and page."""

    search_fields = ("name", "slug")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list."""
        return views.workflow_list(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page."""
        return views.workflow_page(request, asked.number(object_id) or 0)


@admin.register(ExecutionRun)
class ExecutionRunAdmin(StudioAdmin):
    """The run list and page."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list."""
        return views.run_list(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page."""
        try:
            run_id = uuid.UUID(str(object_id))
        except ValueError:
            raise Http404 from None
        return views.run_detail(request, run_id)
