"""The studio's pages in the admin: they stand where Django's own lists and forms of these models would."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms.widgets import Media, Script
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from unfold.decorators import display

from automate_connectors.admin import ConnectionAdmin
from automate_connectors.models import Connection
from automate_core.admin import WebhookEndpointAdmin
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.admin import GovernedAdmin
from automate_governance.permissions import can
from automate_studio import asked, connections, event_page, quick_search, views
from automate_studio.model_usage import BudgetAdmin, UsageAdmin

__all__ = [
    "BudgetAdmin",
    "EventAdmin",
    "ExecutionRunAdmin",
    "StudioConnectionAdmin",
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


class WithPanel(GovernedAdmin):
    """A form with a part of the studio above it."""

    @property
    def media(self) -> Media:
        """The form's, with what the studio's parts need."""
        script: Any = Script("automate_studio/studio.js", defer=True)
        media: Media = super().media + Media(css={"all": ["automate_studio/icons.css"]}, js=[script])
        return media


class StudioConnectionAdmin(WithPanel, ConnectionAdmin):
    """Connections with their health, where they are used, and whom they are shared with."""

    list_display: tuple[str, ...] = ("app", "state", "slug", "tested_at", "owner", "updated_at")
    change_form_outer_before_template = "automate_studio/connection/panel.html"

    @display(description="Connection", ordering="name")  # type: ignore[untyped-decorator]
    def app(self, connection: Connection) -> str:
        """Its name beside its connector's icon."""
        shown = {"connection": connection, "adapter": connections.adapter_of(connection)}
        return render_to_string("automate_studio/connection/name.html", shown)

    @display(description="Health", ordering="health")  # type: ignore[untyped-decorator]
    def state(self, connection: Connection) -> str:
        """Whether it works, and since when."""
        return render_to_string(
            "automate_studio/connection/listed.html",
            {"connection": connection, "state": connections.state(connection), "word": connections.word(connection)},
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The connectors to choose from, then the form of the one that was chosen."""
        chosen = request.POST.get("connector") or request.GET.get("connector")
        if not chosen and self.has_add_permission(request):
            return connections.choose(request)
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, below what is known of the connection."""
        connection = self.get_object(request, object_id)
        panel = connections.panel(request, connection) if connection is not None else None
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "panel": panel}
        )
        return response


class StudioWebhookEndpointAdmin(WithPanel, WebhookEndpointAdmin):
    """Webhooks with a way to share them."""

    change_form_outer_before_template = "automate_studio/share_link.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, below the way to share."""
        endpoint = self.get_object(request, object_id)
        kind = "webhook" if endpoint is not None and can(request.user, "share", endpoint) else ""
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "share_kind": kind}
        )
        return response


for model, page in ((Connection, StudioConnectionAdmin), (WebhookEndpoint, StudioWebhookEndpointAdmin)):
    admin.site.unregister(model)
    admin.site.register(model, page)

admin.site.search = quick_search.fresh  # type: ignore[attr-defined]  # what Unfold's palette asks
