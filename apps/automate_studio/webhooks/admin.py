"""Webhook endpoints in the admin: the list, and the form that the builder uses as well."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from automate_core.admin import WebhookEndpointAdmin
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.webhooks import views
from automate_studio.webhooks.views import endpoint_saved, endpoint_summary
from automate_ui.objects import form_view
from automate_ui.objects.admin import ObjectAdmin
from automate_ui.webhook_form import FOLDED, form_conditions, scheme_notes


class StudioWebhookEndpointAdmin(ObjectAdmin, WebhookEndpointAdmin):
    """Webhook endpoints with their deliveries and usage."""

    new_title = text("New webhook")
    list_title = text("Webhooks")
    share_kind = "webhook"
    folded = FOLDED
    above = "automate_studio/webhooks/summary.html"
    beside = "automate_studio/webhooks/form_aside.html"
    left_behind = text(
        "Its events stay until retention deletes them. Only people who may view all webhooks can see them."
    )

    def list_view(self, request: HttpRequest) -> HttpResponse:
        return views.webhook_list(request)

    def object_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """URL, secrets and deliveries."""
        return {"about": endpoint_summary(request, obj)}

    def readonly_facts(self, request: HttpRequest, obj: Any) -> dict[str, tuple[str, Any]]:
        """Read-only fields for people who may not change it."""
        scheme = SCHEMES.get(obj.scheme)
        return {
            "scheme": (_("Sender"), translated(scheme.name) if scheme else obj.scheme),
            "reply_seconds": (_("Wait for reply (seconds)"), str(obj.reply_seconds)),
            "enabled": (_("Accepts deliveries"), _("Yes") if obj.enabled else _("No")),
        }

    def get_conditions(self, form: Any) -> form_view.Conditions:
        """The schemes for which each field is shown."""
        return form_conditions()

    def form_context(self, form: Any) -> dict[str, Any]:
        """Notes of the schemes."""
        return {"notes": scheme_notes(form) if "scheme" in form.fields else []}

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The URL for the sender, and a generated secret once."""
        return endpoint_saved(request, obj, obj.fresh, _("Webhook created"))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """The generated secret once; else a redirect to the list."""
        if obj.fresh:
            return endpoint_saved(request, obj, obj.fresh, _("Secret changed"))
        response: HttpResponse = super().response_change(request, obj)
        return response
