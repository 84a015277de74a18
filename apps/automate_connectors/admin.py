"""Connections in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_governance.admin import GovernedAdmin, SecretUsingForm


class ConnectionForm(SecretUsingForm):
    """The connector is chosen from what is installed; the model checks the rest."""

    connector = forms.ChoiceField(choices=[], widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Connection
        fields = ("name", "slug", "connector", "config", "allowed_hosts")
        widgets = {
            "config": UnfoldAdminTextareaWidget(attrs={"rows": 4}),
            "allowed_hosts": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }
        help_texts = {
            "slug": "How steps name it.",
            "config": "The connector's settings. Secrets are references, such as database:slack-token.",
            "allowed_hosts": "The host names that its secrets may be sent to. Empty: those of the URLs above.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "connector" in self.fields:
            field: Any = self.fields["connector"]
            field.choices = [(code, connectors.get(code).name) for code in connectors.names()]


@admin.register(Connection)
class ConnectionAdmin(GovernedAdmin):
    """Connections that one may see."""

    form = ConnectionForm
    list_display = ("name", "slug", "connector", "owner", "updated_at")
    list_filter = ("connector",)
    search_fields = ("name", "slug")
    list_select_related = ("owner",)
    prepopulated_fields = {"slug": ("name",)}
