"""The studio's pages in the admin: they stand where Django's own lists and forms of these models would."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from automate_connectors.models import Connection
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin import GovernedAdmin
from automate_governance.models import StoredSecret
from automate_studio import asked, event_page, quick_search, views
from automate_studio.budgets.admin import StudioBudgetAdmin
from automate_studio.connections.admin import StudioConnectionAdmin
from automate_studio.model_usage import UsageAdmin
from automate_studio.secrets.admin import StudioSecretAdmin
from automate_studio.webhooks.admin import StudioWebhookEndpointAdmin

__all__ = [
    "EventAdmin",
    "ExecutionRunAdmin",
    "StudioBudgetAdmin",
    "StudioConnectionAdmin",
    "StudioSecretAdmin",
    "StudioWebhookEndpointAdmin",
    "UsageAdmin",
    "WorkflowAdmin",
]


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
        return views.run_detail(request, _key(object_id))


@admin.register(Event)
class EventAdmin(StudioAdmin):
    """The event inbox and the page of an event. Events have no owner: `event_access` says who may know them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Nothing of Django's own looks for events."""
        return Event.objects.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether there is an inbox for this person."""
        return event_page.may_look(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same; the pages ask for each event."""
        return event_page.may_look(request.user)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The inbox."""
        return event_page.event_list(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page."""
        return event_page.event_detail(request, _key(object_id))


def _key(text: str | None) -> uuid.UUID:
    """The key in an address. Raises Http404."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        raise Http404 from None


for model, page in (
    (Connection, StudioConnectionAdmin),
    (StoredSecret, StudioSecretAdmin),
    (WebhookEndpoint, StudioWebhookEndpointAdmin),
):
    admin.site.unregister(model)
    admin.site.register(model, page)

admin.site.search = quick_search.fresh  # type: ignore[attr-defined]  # what Unfold's palette asks
