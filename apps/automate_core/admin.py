"""Webhook endpoints in the admin. Workflows and runs have screens of their own in the studio."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automate_connectors.forms import NEW, PLAIN, SecretField, SecretSelect
from automate_connectors.number_fields import IntegerField
from automate_core.models import WebhookEndpoint
from automate_core.models.events import LONGEST_REPLY_SECONDS
from automate_core.webhooks import endpoint_edits, endpoints
from automate_core.webhooks.schemes import config_fields
from automate_core.webhooks.schemes.registry import GENERIC, SCHEMES, SchemeError, scheme_for
from automate_core.webhooks.schemes.signing import SignatureScheme
from automate_governance.admin import GovernedAdmin, SecretUsingForm
from automate_governance.admin_site import admin_site
from automate_governance.permissions import NotPermittedError, Person
from automate_governance.texts import translated
from automate_plugins import text

#: The section of the fields that name deliveries and event types.
NAMING_TITLE = text("Headers of event type and delivery")
_SLUG_HELP = lazy(translated, str)(endpoint_edits.SLUG_RULE)


def _sentence(message: str) -> str:
    said = translated(message)
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def _senders(*, is_new: bool) -> list[Any]:
    """The choices of a sender: those that any service can be are a group of their own, before the known ones."""
    names = {code: translated(scheme.name) for code, scheme in SCHEMES.items()}
    known = [(code, name) for code, name in names.items() if code not in GENERIC]
    return [
        *([("", gettext("Choose who sends"))] if is_new else []),
        (gettext("Any service, by how it signs"), [(code, names[code]) for code in GENERIC if code in names]),
        (gettext("Known services"), sorted(known, key=lambda each: each[1].lower())),
    ]


class WebhookEndpointForm(SecretUsingForm):
    """A webhook: its address, how its deliveries are signed, and the secret, which is chosen, pasted or generated.

    `fresh` is a secret that was generated here: show it once. A pasted value is never shown again.
    """

    person: Person

    scheme = forms.ChoiceField(label=_("Sender"), error_messages={"required": _("Choose who sends.")})
    secret = SecretField(PLAIN, label=_("Secret"))
    overlap_hours = IntegerField(
        label=_("Overlap (hours)"),
        min_value=0,
        max_value=endpoint_edits.MOST_OVERLAP // dt.timedelta(hours=1),
        initial=24,
        required=False,
        help_text=_("The previous secret is accepted for this long after a change."),
    )

    reply_seconds = IntegerField(
        label=_("Wait for reply (seconds)"),
        min_value=0,
        max_value=LONGEST_REPLY_SECONDS,
        initial=0,
        required=False,
        help_text=_("0 answers at once. With 1 to 30, the sender gets the reply of the step Reply to caller."),
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("slug", "scheme", "secret", "reply_seconds", "enabled")
        labels = {"slug": _("Name"), "enabled": _("Accept deliveries")}
        help_texts = {"slug": _("The last part of its URL. It cannot be changed later.")}
        error_messages = {
            "slug": {"unique": _("This name is already in use. Choose another one."), "invalid": _SLUG_HELP}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_new = self.instance.pk is None
        self.value = self.fresh = ""
        self.present = self.instance.secret
        self.initial.update(config_fields.initial_values(self.instance.scheme, self.instance.config))
        self.initial["secret"] = self.present
        cast(forms.ChoiceField, self.fields["scheme"]).choices = _senders(is_new=self.is_new)
        secret = cast(SecretField, self.fields["secret"])
        secret.offer(self.person, self.present, gettext("Secret"), generates=gettext("Generate a secret"))
        ways = cast(SecretSelect, secret.widget.widgets[0])
        ways.none_when = ("scheme", tuple(code for code, scheme in SCHEMES.items() if not scheme.shown_by))
        ways.chosen = str(self["scheme"].value() or "")
        self.fields["secret"].help_text = "" if self.is_new else gettext("Stored secrets are never shown.")

    def clean_slug(self) -> str:
        """An address that reads well in a URL."""
        slug: str = self.cleaned_data["slug"]
        try:
            endpoint_edits.check_slug(slug)
        except SchemeError as error:
            raise forms.ValidationError(translated(str(error))) from error
        return slug

    def clean_reply_seconds(self) -> int:
        """Empty is 0."""
        return self.cleaned_data["reply_seconds"] or 0

    def clean(self) -> dict[str, Any]:
        """A secret has to be one that the scheme can sign with: else every delivery would be refused."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        scheme = cleaned.get("scheme") or ""
        rules = self._rules(scheme, cleaned)
        reference, value = cleaned.pop("secret", None) or ("", "")
        if rules is not None and rules.has_secret and "secret" not in self.errors:
            self._take(rules, reference, value)
            reference = f"database:hook-{cleaned.get('slug') or self.instance.slug}" if self.value else reference
        elif rules is not None and not rules.has_secret:
            reference = ""
        self.instance.secret = cleaned["secret"] = reference or ("database:hook" if "secret" in self.errors else "")
        return cleaned

    def _rules(self, scheme: str, cleaned: dict[str, Any]) -> SignatureScheme | None:
        """The scheme with its settings; errors are added to their fields."""
        if not scheme:
            return None
        self.instance.config = config = config_fields.build_config(scheme, cleaned)
        try:
            return scheme_for(scheme, config)
        except SchemeError as error:
            self.add_error(config_fields.find_error_field(scheme, error), _sentence(str(error)))
            self.instance.config = dict(SCHEMES[scheme].example_config)  # the model need not tell of it as well
            return None

    def _take(self, rules: SignatureScheme, reference: str, value: str) -> None:
        """Keep the value to store, if there is one."""
        if not (reference or value or rules.shown_by) and self["secret"].value()[0] == NEW:
            self.add_error("secret", gettext("Paste the secret, or choose to generate one."))
            return
        try:
            chosen = endpoint_edits.choose_secret(
                rules, reference=reference, value=value, present=self.present, person=self.person
            )
        except (SchemeError, NotPermittedError) as error:
            self.add_error("secret", _sentence(str(error)))
        else:
            self.value, self.fresh = chosen.value, chosen.value if chosen.is_generated else ""

    def referenced_secrets(self) -> dict[str, list[str]]:
        """A secret that comes with the form is the person's own."""
        return {} if self.value else super().referenced_secrets()

    def store(self) -> WebhookEndpoint:
        """Save what was checked, in one transaction with its secret, audited."""
        hours = self.cleaned_data.get("overlap_hours")
        overlap = endpoints.OVERLAP if hours is None else dt.timedelta(hours=hours)
        endpoint, _ = endpoints.save_endpoint(
            self.instance.slug,
            scheme=self.instance.scheme,
            config=self.instance.config,
            secret=self.value or None,
            reference="" if self.value else self.cleaned_data["secret"],
            actor=self.person,
            new=self.is_new,
            overlap=dt.timedelta(0) if self.is_new else overlap,
            enabled=None if self.is_new else self.cleaned_data["enabled"],
            reply_seconds=self.cleaned_data.get("reply_seconds"),
        )
        return endpoint


def form_for(person: Person) -> type[WebhookEndpointForm]:
    """The form as that person fills it in, with the settings of the installed schemes."""
    settings = config_fields.build_form_fields(text=forms.TextInput, number=forms.NumberInput, choice=forms.Select)
    return type("WebhookEndpointForm", (WebhookEndpointForm,), {"person": person, **settings})


@admin.register(WebhookEndpoint, site=admin_site())
class WebhookEndpointAdmin(GovernedAdmin):
    """Webhook endpoints that the person may view."""

    form = WebhookEndpointForm
    search_fields = ("slug",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An address that was given away stays what it is; nothing overlaps with the first secret."""
        if obj is None:
            return ("slug", "scheme", *config_fields.proof_fields(), "secret", "reply_seconds")
        if not self.has_change_permission(request, obj):
            return ("scheme", "reply_seconds", "enabled")
        return ("scheme", *config_fields.proof_fields(), "secret", "overlap_hours", "reply_seconds", "enabled")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, dict[str, Any]]]:
        """The headers that name deliveries are apart: few senders need them."""
        first = [(None, {"fields": self.get_fields(request, obj)})]
        if obj is not None and not self.has_change_permission(request, obj):
            return first
        return [*first, (NAMING_TITLE, {"fields": config_fields.naming_fields()})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, with the settings of the installed schemes."""
        return super().get_form(request, obj, change=change, form=form_for(cast(Person, request.user)), **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the one function that saves endpoints."""
        obj.__dict__.update(form.store().__dict__)
        obj.fresh = form.fresh
