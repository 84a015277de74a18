"""Webhook endpoints in the admin. Workflows and runs have screens of their own in the studio."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from automate_core import endpoints
from automate_core.models import WebhookEndpoint
from automate_core.webhooks.schemes import SCHEMES
from automate_governance.admin import GovernedAdmin, SecretUsingForm


class WebhookEndpointForm(SecretUsingForm):
    """The scheme is chosen from those there are; the model checks the rest."""

    scheme = forms.ChoiceField(
        choices=[(code, scheme.name) for code, scheme in SCHEMES.items()], widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("slug", "scheme", "config", "secret", "old_secret", "enabled")
        widgets = {"config": UnfoldAdminTextareaWidget(attrs={"rows": 3})}
        help_texts = {
            "slug": "The last part of the address that senders deliver to.",
            "config": "The scheme's own settings; empty for GitHub and Standard Webhooks.",
            "scheme": "How deliveries are signed. Unsigned lets anybody who knows the address start workflows.",
        }


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(GovernedAdmin):
    """Endpoints that one may see."""

    form = WebhookEndpointForm
    list_display = ("slug", "address", "signature", "enabled", "owner", "updated_at")
    list_filter = ("scheme", "enabled")
    search_fields = ("slug",)
    list_select_related = ("owner",)

    @admin.display(description="Address")
    def address(self, endpoint: WebhookEndpoint) -> str:
        """What to give to the sender."""
        return endpoints.url(endpoint)

    @display(description="Signature", label={"Unsigned": "warning"})  # type: ignore[untyped-decorator]
    def signature(self, endpoint: WebhookEndpoint) -> str:
        """The scheme's name; unsigned stands out."""
        scheme = SCHEMES.get(endpoint.scheme)
        return scheme.name if scheme else endpoint.scheme

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An address that was given away stays what it is."""
        return ("slug",) if obj else ()
