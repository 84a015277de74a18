"""Connections in the admin: a form made from the fields that their connector describes."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automate_connectors import health
from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.connection_test import read_passed_test
from automate_connectors.connections.edits import free_secret_name, save_connection
from automate_connectors.forms import PLAIN, JsonField, LinesField, SecretField, build_form_field
from automate_connectors.models import Connection, token_name
from automate_connectors.number_fields import IntegerField
from automate_connectors.oauth import tokens
from automate_connectors.oauth.form_fields import (
    OAUTH_SECRETS,
    OAUTH_TEXTS,
    GrantSelect,
    is_asked,
    read_parameters,
    sign_in_fields,
)
from automate_connectors.oauth.setup import parameter_field
from automate_connectors.registry import find_adapter
from automate_governance.admin import GovernedAdmin, SecretUsingForm
from automate_governance.admin_site import admin_site
from automate_governance.models import StoredSecret
from automate_governance.permissions import Person, can
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldKind
from automate_plugins.texts import relabelled

SETTING_PREFIX = "config_"  #: of the names of fields of a connector's settings
SIGN_IN = text("Sign-in with OAuth 2")  #: the section of a form where people let a provider grant access
EXECUTOR_POOL = text("Executor pool")  #: the section of a form where its pool is chosen


class ConnectionForm(SecretUsingForm):
    """The fields of every connection. `build_connection_form` adds its connector's fields; the model validates all."""

    person: Person
    adapter: ConnectorAdapter | None = None
    allowed_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label=_("Allowed hosts"),
        help_text=_("Hosts that may receive its secrets, one per line. Leave empty for the hosts of the URLs above."),
    )

    limit_requests = IntegerField(
        required=False,
        min_value=1,
        label=_("Calls in an interval"),
        help_text=_(
            "Further steps wait, without occupying a worker. Leave empty for the limit of the app, if it has one."
        ),
    )
    limit_seconds = IntegerField(required=False, min_value=1, label=_("Interval in seconds"))
    limit_concurrent = IntegerField(
        required=False,
        min_value=1,
        label=_("Calls at once"),
        help_text=_("How many steps of all workflows may call the app at the same time."),
    )

    class Meta:
        model = Connection
        fields = (
            "name",
            "slug",
            "connector",
            "allowed_hosts",
            "limit_requests",
            "limit_seconds",
            "limit_concurrent",
            "runs_on",
        )
        widgets = {"connector": forms.HiddenInput(), "slug": forms.TextInput(attrs={"data-slug-of": "name"})}
        labels = {"name": _("Name"), "slug": _("Short name")}
        help_texts = {"slug": _("Steps refer to the connection by this name. It cannot be changed later.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.new_secrets: dict[str, str] = {}
        self.initial.update(
            {f"{SETTING_PREFIX}{name}": value for name, value in self._stored(self.instance.config).items()}
        )
        oauth = self._stored(self.instance.oauth)
        self.initial.update({f"oauth_{name}": value for name, value in oauth.items()})
        parameters = self._stored(oauth.get("parameters")).items()
        self.initial.update({parameter_field(str(oauth.get("provider")), name): value for name, value in parameters})
        if "config" in self.fields:
            self.initial["config"] = self.instance.config
        if self.adapter is not None and not self.initial.get("connector"):
            self.initial["connector"] = self.adapter.code
        if self.adapter is not None and not self.instance.pk:
            self.initial.setdefault("oauth_provider", self.adapter.oauth_provider)
        if (grant := self.fields.get("oauth_grant")) and isinstance(grant.widget, GrantSelect):
            grant.widget.provider = str(self["oauth_provider"].value() or "")
        for name, field in self.fields.items():
            if isinstance(field, SecretField):
                field.offer(self.person, self.initial.get(name) or "", str(field.label))

    def clean(self) -> Any:
        """Lock the connection's tokens until the form is saved; their row is locked first, as everywhere."""
        if self.instance.pk and (self.instance.oauth or self.cleaned_data.get("oauth_provider")):
            try:
                with transaction.atomic():
                    tokens.lock_token(self.instance)
            except ConnectorError:
                self.add_error(None, gettext("Another process is renewing the sign-in. Save again in a moment."))
        return super().clean()

    def clean_config(self) -> Any:
        """Return an empty mapping for an empty field."""
        config = self.cleaned_data.get("config")
        return {} if config is None else config

    def _stored(self, document: Any) -> dict[str, Any]:
        return document if isinstance(document, dict) else {}

    def _post_clean(self) -> None:
        if "config" in self.fields:
            self.instance.config = self.cleaned_data.get("config", {})
        elif self.adapter is not None:
            self.instance.config = self._config(self.adapter)
        if "oauth_provider" in self.fields:
            self.instance.oauth = self._oauth()
        own = {name: errors.copy() for name, errors in self.errors.items()}
        super()._post_clean()
        self.errors.update(own)  # the model sees no value there, and would complain about that, too

    def _config(self, adapter: ConnectorAdapter) -> dict[str, Any]:
        """Return the configuration from the fields; errors are added to their fields."""
        signs_in = bool(self.cleaned_data.get("oauth_provider"))
        config: dict[str, Any] = {}
        for spec in adapter.config_fields:
            name = f"{SETTING_PREFIX}{spec.name}"
            if not spec.is_asked(config):
                continue  # nobody sees it
            value: Any
            if spec.kind is FieldKind.SECRET:
                value = None if signs_in and spec.name == token_name(adapter) else self._secret(name, spec.name)
            else:
                value = self.cleaned_data.get(name)
            if value == "" or (value is False and not spec.default):  # an empty field, an open switch
                value = None
            by_token = signs_in and spec.kind is FieldKind.SECRET
            if name not in self.errors and not by_token and (reason := spec.problem(value)):
                self.add_error(name, translated(relabelled(reason, name=self.fields[name].label)))
            if value is not None:
                config[spec.name] = value
        return config

    def _oauth(self) -> dict[str, Any]:
        if not self.cleaned_data.get("oauth_provider"):
            return {}
        given: dict[str, Any] = {name: str(self.cleaned_data.get(f"oauth_{name}") or "") for name in OAUTH_TEXTS}
        for name in OAUTH_SECRETS:
            given[name] = self._secret(f"oauth_{name}", name) if is_asked(f"oauth_{name}", given) else ""
        given["parameters"] = read_parameters(given["provider"], self.cleaned_data)
        return {name: value for name, value in given.items() if value and is_asked(f"oauth_{name}", given)}

    def _secret(self, name: str, what: str) -> str | None:
        """Return the reference of a field: to a chosen secret, or to one that is stored with this form."""
        reference, value = self.cleaned_data.get(name) or ("", "")
        if not value:
            return reference or None
        if not can(self.person, "add", StoredSecret):
            self.add_error(
                name, gettext("You need the Add secrets permission to store a secret. Choose a stored secret.")
            )
            return None
        slug = self.cleaned_data.get("slug") or self.instance.slug
        free = free_secret_name(slug, what, {reference.partition(":")[2] for reference in self.new_secrets})
        self.new_secrets[f"database:{free}"] = value
        return f"database:{free}"

    def referenced_secrets(self) -> dict[str, list[str]]:
        """Return its references, without the secrets stored with this form and without tokens."""
        there = self.instance.references().items()
        return {
            name: [each for each in listed if each not in self.new_secrets]
            for name, listed in there
            if name != "oauth_token"
        }

    def add_error(self, field: str | None, error: Any) -> None:
        """Add an error to the field it is about; errors without a field stand above the form."""
        if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name, listed in error.error_dict.items():
                self.add_error(None if name == NON_FIELD_ERRORS else name, listed)
            return
        if field == "config" and "config" not in self.fields and any(n.startswith(SETTING_PREFIX) for n in self.errors):
            return  # said already, at the field
        known = (name for name in (field, f"{SETTING_PREFIX}{field}") if name in self.fields)
        super().add_error(next(known, None), error)


def build_connection_form(adapter: ConnectorAdapter | None, *, signs_in: bool = False) -> type[ConnectionForm]:
    """Return the form of a connector's connections: a field for each setting, and the sign-in.

    `signs_in` keeps the sign-in of a connection that has one, though its connector offers none.
    """
    fields: dict[str, Any] = {"adapter": adapter}
    if adapter is None or not adapter.config_fields:
        area = forms.Textarea(attrs={"rows": 4})
        help_text = gettext("A JSON object. Refer to stored secrets, such as database:slack-token.")
        fields["config"] = JsonField(FieldKind.MAPPING, required=False, widget=area, help_text=help_text)
    else:
        fields |= {f"{SETTING_PREFIX}{spec.name}": build_form_field(spec, PLAIN) for spec in adapter.config_fields}
    has_secret = adapter is not None and any(spec.kind is FieldKind.SECRET for spec in adapter.config_fields)
    if adapter is not None and has_secret and (adapter.takes_sign_in or signs_in):
        spec = next(spec for spec in adapter.config_fields if spec.name == token_name(adapter))
        fields |= sign_in_fields(spec.label or spec.name, adapter)
    return type("ConnectionForm", (ConnectionForm,), fields)


@admin.register(Connection, site=admin_site())
class ConnectionAdmin(GovernedAdmin):
    """Connections that the person may view."""

    form = ConnectionForm
    list_display: tuple[str, ...] = ("name", "slug", "connector", "owner", "updated_at")
    list_filter = ("connector", "health")
    search_fields = ("name", "slug")
    list_select_related = ("owner",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form of the connection's connector; for a new one, of the connector in the request."""
        code = obj.connector if obj else _chosen_connector(request)
        kwargs["form"] = build_connection_form(find_adapter(code), signs_in=bool(obj and obj.oauth))
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return name, settings, sign-in, allowed hosts, limits and pool. Where people sign in, that comes first.

        A person who may use the connection and not change it sees its name and connector alone.
        """
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "slug", "connector"]})]
        names = list(self.get_fields(request, obj))
        settings = [name for name in names if name == "config" or name.startswith(SETTING_PREFIX)]
        sign_in = [name for name in names if name.startswith("oauth_")]
        adapter = find_adapter(obj.connector if obj else _chosen_connector(request))
        parts: list[tuple[str | None, list[str]]] = [(text("Settings"), settings), (SIGN_IN, sign_in)]
        if adapter is not None and adapter.oauth_provider:
            parts.reverse()  # people sign in; the settings are for what they cannot
        groups = [(None, ["name", "slug", "connector"]), *parts]
        groups.append((text("Allowed hosts"), ["allowed_hosts"]))
        groups.append((text("Rate limit"), ["limit_requests", "limit_seconds", "limit_concurrent"]))
        groups.append((EXECUTOR_POOL, [name for name in names if name == "runs_on"]))
        return [(title, {"fields": fields}) for title, fields in groups if fields]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        """Return slug and connector, which cannot change: steps use the slug."""
        return ("slug", "connector") if obj else ()

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:  # type: ignore[override]
        """Save the connection with its new secrets, and reset its health when its terms changed.

        The form holds the lock on its tokens since it was validated.
        """
        with transaction.atomic():
            passed = read_passed_test(request, obj, form.new_secrets)
            save_connection(obj, form.new_secrets, by=cast(Person, request.user))
            if passed is not None:
                health.record_test(obj, "", passed)


def _chosen_connector(request: HttpRequest) -> str:
    return request.POST.get("connector") or request.GET.get("connector") or ""
