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
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from automate_core import endpoints
from automate_core.authoring import NotPermittedError
from automate_core.models import WebhookEndpoint
from automate_core.webhooks.schemes import SCHEMES, SchemeError, scheme_for
from automate_governance.admin import GovernedAdmin, SecretUsingForm
from automate_governance.permissions import Person
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import resolve


class WebhookEndpointForm(SecretUsingForm):
    """The scheme is chosen from those there are; the model checks the rest."""

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
        fields = ("slug", "scheme", "config", "secret", "overlap_hours", "enabled")
        widgets = {"config": UnfoldAdminTextareaWidget(attrs={"rows": 3})}
        help_texts = {
            "slug": "The last part of the address that senders deliver to.",
            "config": "The scheme's own settings, as docs/webhooks.md lists them; {} for senders known by name.",
            "scheme": "How deliveries are signed. Unsigned lets anybody who knows the address start workflows.",
        }

    def clean(self) -> dict[str, Any]:
        """A secret has to be one that the scheme can sign with: else every delivery would be refused."""
        cleaned = super().clean() or self.cleaned_data
        reference, scheme = cleaned.get("secret"), cleaned.get("scheme")
        if not reference or not scheme or "secret" not in self.changed_data:
            return cleaned
        try:
            problem = scheme_for(scheme, cleaned.get("config") or {}).secret_problem(resolve(reference).reveal())
        except SecretNotFoundError as error:
            problem = f"not there: {error}"
        except (SecretUnavailableError, SchemeError):  # nothing can be said of it now; the model tells of the scheme
            return cleaned
        if problem:
            self.add_error("secret", f"The secret is {problem}.")
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(GovernedAdmin):
    """Endpoints that one may see."""

    form = WebhookEndpointForm
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
            until = date_format(timezone.localtime(endpoint.old_secret_until), "j N Y, H:i")
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
            return ("slug", "scheme", "config", "secret", "enabled")
        secrets = ("secret", "accepted_secrets", "overlap_hours")
        return ("address", "scheme", "config", *secrets, "enabled", "refused_lately")

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
