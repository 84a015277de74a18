"""Pages of the studio in the admin: they replace Django's lists and forms for these models."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from automate_connectors.models import Connection
from automate_core.events.access import may_list_events
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin import AuditEntryAdmin, GovernedAdmin
from automate_governance.admin_site import admin_site
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import holds_anywhere
from automate_studio.audit.views import audit_list
from automate_studio.connections.admin import StudioConnectionAdmin
from automate_studio.events import page as event_page
from automate_studio.library import views as library
from automate_studio.library.views import first_run_page
from automate_studio.model_usage.admin import StudioBudgetAdmin
from automate_studio.model_usage.views import UsageAdmin
from automate_studio.models import Overview
from automate_studio.quick_search import is_quick_search_installed, uncached_search
from automate_studio.runs.views import run_detail, run_list
from automate_studio.secrets.admin import StudioSecretAdmin
from automate_studio.webhooks.admin import StudioWebhookEndpointAdmin
from automate_studio.workflows import actions, views
from automate_ui import overview_address
from automate_ui.audit.history import object_history
from automate_ui.htmx import as_htmx_request
from automate_ui.links import change_url
from automate_ui.navigation.http import parse_number
from automate_ui.overview_address import is_overview_first_page, overview_url

__all__ = [
    "EventAdmin",
    "ExecutionRunAdmin",
    "OverviewAdmin",
    "StudioBudgetAdmin",
    "StudioConnectionAdmin",
    "StudioSecretAdmin",
    "StudioWebhookEndpointAdmin",
    "UsageAdmin",
    "WorkflowAdmin",
]


class StudioAdmin(GovernedAdmin):
    """Read-only admin: nothing is added, changed or deleted through Django's forms."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Audit entries of the object."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        back = change_url(obj)
        return object_history(request, obj, str(obj), back)


@admin.register(Workflow, site=admin_site())
class WorkflowAdmin(StudioAdmin):
    """The workflow list and page."""

    search_fields = ("name", "slug")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; for people who may build workflows and see none, the first page with templates."""
        if library.is_first_run(request):
            return first_run_page(request)
        return actions.workflow_list(as_htmx_request(request))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return views.workflow_page(request, parse_number(object_id) or 0)


@admin.register(ExecutionRun, site=admin_site())
class ExecutionRunAdmin(StudioAdmin):
    """The run list and page."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return run_list(as_htmx_request(request))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return run_detail(request, _key(object_id))


@admin.register(Event, site=admin_site())
class EventAdmin(StudioAdmin):
    """Event inbox and event page. Events have no owner: `event_access` decides who may know one."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """Empty: none of Django's own pages reads events."""
        return Event.objects.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_list_events(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Same as for the inbox; the pages check each event."""
        return may_list_events(request.user)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Event | None:
        """For the history page, which checks the permission itself."""
        return Event.objects.filter(pk=_key(object_id)).first()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return event_page.event_list(as_htmx_request(request))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return event_page.event_detail(request, _key(object_id))


def _key(text: str | None) -> uuid.UUID:
    """The key in an address. Raises Http404."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        raise Http404 from None


class TrailAdmin(AuditEntryAdmin):
    """The audit trail's page."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return audit_list(as_htmx_request(request))


@admin.register(Overview, site=admin_site())
class OverviewAdmin(StudioAdmin):
    """The overview's line among the models of the admin: it leads to the page."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return holds_anywhere(request.user, "view", Workflow)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return holds_anywhere(request.user, "view", Workflow)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect to the page."""
        return redirect(overview_url())

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """404: there are no objects."""
        raise Http404

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """404: there are no objects."""
        raise Http404

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """404: there are no objects."""
        raise Http404


site = admin_site()
for model, page in (
    (Connection, StudioConnectionAdmin),
    (StoredSecret, StudioSecretAdmin),
    (WebhookEndpoint, StudioWebhookEndpointAdmin),
    (AuditEntry, TrailAdmin),
):
    site.unregister(model)
    site.register(model, page)

if is_quick_search_installed():
    site.search = uncached_search  # type: ignore[attr-defined]  # what Unfold's palette asks
if is_overview_first_page():
    site.index_template = overview_address.TEMPLATE
