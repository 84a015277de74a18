"""Webhook endpoints in the admin. Workflows and runs have screens of their own in the studio."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from automate_core import endpoints
from automate_core.authoring import NotPermittedError
from automate_core.models import WebhookEndpoint
from automate_core.webhooks import config_fields
from automate_core.webhooks.schemes import SCHEMES, SchemeError, scheme_for
from automate_governance.admin import GovernedAdmin, SecretUsingForm
from automate_governance.permissions import Person
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve

ConfigFields: Any = config_fields.form(
    text=UnfoldAdminTextInputWidget, number=UnfoldAdminIntegerFieldWidget, choice=UnfoldAdminSelectWidget
)


class WebhookEndpointForm(ConfigFields, SecretUsingForm):  # type: ignore[misc]
    """The scheme is chosen from those there are, and its own settings have fields; the model checks the rest."""

    scheme = forms.ChoiceField(
        choices=[(code, scheme.name) for code, scheme in SCHEMES.items()], widget=UnfoldAdminSelectWidget
    )

    overlap_hours = forms.IntegerField(
        label="Overlap",
        min_value=0,
        max_value=24 * 30,
        initial=24,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="When the secret is changed: the hours for which the present one is accepted as well.",
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("slug", "scheme", "secret", "overlap_hours", "enabled")
        help_texts = {
            "slug": "The last part of the address that senders deliver to.",
            "scheme": "How deliveries are signed. Unsigned lets anybody who knows the address start workflows.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(config_fields.initial(self.instance.scheme, self.instance.config))

    def clean(self) -> dict[str, Any]:
        """A secret has to be one that the scheme can sign with: else every delivery would be refused."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        reference, scheme = cleaned.get("secret"), cleaned.get("scheme")
        self.instance.config = config = config_fields.config_of(scheme or "", cleaned)
        try:
            scheme_for(scheme or "github", config)
        except SchemeError as error:
            self.add_error(config_fields.field_of(scheme or "", error), str(error))
            self.instance.config = {}  # which the model need not tell of as well
        if not reference or not scheme or "secret" not in self.changed_data:
            return cleaned
        try:
            problem = scheme_for(scheme, config).secret_problem(resolve(reference).reveal())
        except SecretNotFoundError as error:
            problem = f"not there: {error}"
        except (SecretUnavailableError, SchemeError):  # nothing can be said of it now
            return cleaned
        if problem:
            self.add_error("secret", f"The secret is {problem}.")
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(GovernedAdmin):
    """Endpoints that one may see."""

    form = WebhookEndpointForm
    conditional_fields = config_fields.shown_when()
    list_display = ("slug", "address", "signature", "enabled", "owner", "updated_at")
    list_filter = ("scheme", "enabled")
    actions = ("end_overlap",)
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

    @admin.display(description="Accepted secrets")
    def accepted_secrets(self, endpoint: WebhookEndpoint) -> str:
        """Which, until when, and when each was last used."""
        lines = [f"{endpoint.secret}, {_last_used(endpoint.secret_used_at)}"] if endpoint.secret else ["none"]
        if endpoint.has_old_secret:
            until = date_format(timezone.localtime(endpoint.old_secret_until), "j M Y, H:i")
            lines.append(f"until {until} also {endpoint.old_secret}, {_last_used(endpoint.old_secret_used_at)}")
        return "; ".join(lines)

    @admin.display(description="Refused in the last seven days")
    def refused_lately(self, endpoint: WebhookEndpoint) -> str:
        """How many deliveries, by class of reason."""
        week = endpoint.refused.filter(day__gt=timezone.now().date() - dt.timedelta(days=7))
        counts = week.values_list("reason").annotate(total=Sum("count")).order_by("-total")
        return ", ".join(f"{total} {reason}" for reason, total in counts) or "none"

    @admin.action(description="Refuse old secrets from now on", permissions=["change"])
    def end_overlap(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """For when an old secret has leaked."""
        for endpoint in queryset:
            try:
                ended = endpoints.end_overlap(endpoint, actor=cast(Person, request.user))
            except NotPermittedError as error:
                self.message_user(request, f"{endpoint}: {error}", messages.ERROR)
            else:
                told = "the old secret is refused from now on" if ended else "no old secret was accepted"
                self.message_user(request, f"{endpoint}: {told}")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An address that was given away stays what it is."""
        return ("slug", "address", "accepted_secrets", "refused_lately") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nothing overlaps with the first secret, and nothing was refused yet."""
        if obj is None:
            return ("slug", "scheme", *config_fields.CONFIG_FIELDS, "secret", "enabled")
        secrets = ("secret", "accepted_secrets", "overlap_hours")
        return ("address", "scheme", *config_fields.CONFIG_FIELDS, *secrets, "enabled", "refused_lately")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Another secret begins an overlap with the present one."""
        before = form.initial.get("secret", "")
        if change and before and "secret" in form.changed_data:
            after, obj.secret = obj.secret, before
            hours = form.cleaned_data.get("overlap_hours")
            obj.change_secret(after, overlap=endpoints.OVERLAP if hours is None else dt.timedelta(hours=hours))
        super().save_model(request, obj, form, change)


def _last_used(at: dt.datetime | None) -> str:
    if at is None:
        return "not used yet"
    if timezone.now() - at < dt.timedelta(minutes=1):
        return "last used just now"
    return f"last used {timesince(at, depth=1)} ago"
