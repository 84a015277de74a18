"""Admin pages under the permission rule, and this app's own: secrets (write-only), the audit trail (read-only)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from unfold.admin import ModelAdmin

from automate_governance import audit
from automate_governance.admin_site import admin_site
from automate_governance.governed import Governed
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import SITE, Person, User, can, holds_anywhere, permitted
from automate_governance.reference_registry import describe_visible_referrers
from automate_governance.secrets.keyring import keyring
from automate_governance.secrets.storing import create_secret, replace_secret, visible_secrets
from automate_governance.secrets.use import find_forbidden_references
from automate_governance.texts import translated
from automate_plugins import text


class SecretUsingForm(forms.ModelForm):  # type: ignore[type-arg]
    """The form of an object that refers to secrets: the person who saves it must be allowed to use each of them."""

    person: User

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            for field, reason in find_forbidden_references(self.person, self.referenced_secrets()):
                self.add_error(field, reason)

    def referenced_secrets(self) -> dict[str, list[str]]:
        """Return the secret references that the object binds, by field."""
        references: dict[str, list[str]] = self.instance.references()
        return references


class GovernedAdmin(ModelAdmin):  # type: ignore[misc]
    """A model's admin pages under `permissions.can`, audited. An object that a person may not view is 404.

    `view_verb` and `change_verb` are the model's own verbs where they differ from Django's.
    """

    view_verb = "view"
    change_verb = "change"
    exclude = ("owner",)
    unaudited_fields: tuple[str, ...] = ("owner", "created_at", "updated_at")  #: fields that the audit trail leaves out

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the objects that the person may view."""
        return permitted(request.user, self.view_verb, super().get_queryset(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may view any object of the model."""
        return holds_anywhere(request.user, self.view_verb, self.model)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may(request, self.view_verb, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return can(request.user, "add", self.model)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may(request, self.change_verb, obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return self._may(request, "delete", obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form class, with the request's user as its `person`."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.person = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Governed, form: Any, change: bool) -> None:
        """Save and audit in one transaction; the request's user owns a new object."""
        if not change:
            obj.owner = request.user  # type: ignore[assignment]
        with transaction.atomic():
            before = self.model._default_manager.filter(pk=obj.pk).first() if change else None
            super().save_model(request, obj, form, change)
            verb = f"{audit.kind_of(self.model)}.{'changed' if change else 'created'}"
            audit.record(request.user, verb, obj, changes=self.audited_changes(before or self.model(), obj))

    def audited_changes(self, before: models.Model, after: models.Model) -> dict[str, Any]:
        """Return the changes for the audit trail: fields with their old and new values."""
        return audit.differences(before, after, without=self.unaudited_fields)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Protect objects that others refer to, and list the referrers that the person may view."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        in_use = [line for obj in objs for line in _in_use_lines(obj, request.user)]
        return deleted, counts, lacking, [*protected, *in_use]

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete and audit in one transaction."""
        with transaction.atomic():
            audit.record(request.user, f"{audit.kind_of(self.model)}.deleted", obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete one by one, so that each deletion is audited."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _may(self, request: HttpRequest, verb: str, obj: models.Model | None) -> bool:
        return holds_anywhere(request.user, verb, self.model) if obj is None else can(request.user, verb, obj)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404


def _in_use_lines(obj: models.Model, person: User) -> Iterator[str]:
    lines, hidden = describe_visible_referrers(obj, person)
    for line in lines:
        yield gettext("%(object)s is used by %(user)s") % {"object": obj, "user": line}
    if hidden:
        words = ngettext(
            "%(object)s is used by %(count)s object that you cannot view",
            "%(object)s is used by %(count)s objects that you cannot view",
            hidden,
        )
        yield words % {"object": obj, "count": hidden}


class WriteOnlyTextarea(forms.Textarea):
    """A textarea that never renders a value, not even a rejected one."""

    def format_value(self, value: Any) -> str:
        return ""


_MIN_LENGTH_TO_SHOW_ENDING = 20  # characters: of a longer value, the last four may be shown
_READONLY_FIELDS = ("reference", "version", "protected_by", "last_used_at", "replaced_at")

NEWEST, OLD, MISSING = text("Newest key"), text("Older key"), text("Key missing")
_KEY_ADVICE = {
    NEWEST: "",
    OLD: text("Run manage.py automate_rotate_keys to use the newest key."),
    MISSING: text("Add that key to AUTOMATE_SECRETS_KEYS again, or enter a new value."),
}


def key_state(key_id: str) -> str:
    """Return NEWEST, OLD or MISSING: the state of a key among those that are configured."""
    try:
        ring = keyring()
    except ImproperlyConfigured:  # the system checks say so
        return MISSING
    if key_id == ring.active:
        return NEWEST
    return OLD if key_id in ring.by_id else MISSING


class StoredSecretForm(forms.ModelForm):  # type: ignore[type-arg]
    """A secret's name, which is set once, and a value that is never shown."""

    value = forms.CharField(
        widget=WriteOnlyTextarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        strip=True,
        label=_("Value"),
        help_text=_("Stored encrypted and never shown again."),
    )

    class Meta:
        model = StoredSecret
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["value"].label = _("New value")
            self.fields["value"].help_text = _("Replaces the current value, which is never shown.")

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors and "value" in self.cleaned_data:
            self.add_error("value", _("The value was not saved. Enter it again."))


class AuditorReadMixin:
    """Lets auditors view pages of Django's own models, such as users and groups."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can(request.user, "audit", SITE) or super().has_module_permission(request)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return can(request.user, "audit", SITE) or super().has_view_permission(request, obj)  # type: ignore[misc]


@admin.register(StoredSecret, site=admin_site())
class StoredSecretAdmin(GovernedAdmin):
    """Secrets by name, with their key, last use and referrers. No page shows a value."""

    form = StoredSecretForm
    view_verb = "use"
    change_verb = "replace"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return visible_secrets(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can(request.user, "audit", SITE) or super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return can(request.user, "audit", SITE) or super().has_view_permission(request, obj)

    @admin.display(description=_("Encryption key"))
    def protected_by(self, secret: StoredSecret) -> str:
        """Describe the secret's key, and what to do when it is not the newest."""
        state = key_state(secret.key_id)
        return f"{translated(state)}, {secret.key_id}. {translated(_KEY_ADVICE[state])}".strip()

    @admin.display(description=_("Ends with"))
    def ends_with(self, secret: StoredSecret) -> str:
        """Return the last four characters of a long value, to tell secrets apart."""
        try:
            value = secret.reveal()
        except (ImproperlyConfigured, ValueError) as error:
            return gettext("Cannot be decrypted. %(error)s") % {"error": translated(str(error))}
        return (
            f"…{value[-4:]}" if len(value) > _MIN_LENGTH_TO_SHOW_ENDING else gettext("Not shown: the value is short.")
        )

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        """Return the facts about the secret, then the field for a new value."""
        if obj is None:
            return ("name", "value")
        if self.has_change_permission(request, obj):
            return ("name", *_READONLY_FIELDS, "ends_with", "value")
        return ("name", *_READONLY_FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        """Return the fixed fields; the name is part of the value's encryption and cannot change."""
        return ("name", *_READONLY_FIELDS, "ends_with") if obj else ()

    @method_decorator(sensitive_post_parameters("value"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Serve the form; error reports about it leave the value out."""
        answer: HttpResponse = super().changeform_view(*args, **kwargs)
        return answer

    def save_model(self, request: HttpRequest, obj: StoredSecret, form: Any, change: bool) -> None:  # type: ignore[override]
        """Through the functions that store secrets."""
        value, person = form.cleaned_data["value"], cast(Person, request.user)
        saved = replace_secret(obj, value, by=person) if change else create_secret(obj.name, value, by=person)
        obj.__dict__.update(saved.__dict__)


def _describe_value(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_describe_value(value['from'])} → {_describe_value(value['to'])}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(AuditEntry, site=admin_site())
class AuditEntryAdmin(ModelAdmin):  # type: ignore[misc]
    """The audit trail, newest first, read-only."""

    list_display = ("at", "who", "verb", "object", "kind", "details", "address", "trace_id")
    list_filter = ("verb", "object_type", "source")
    search_fields = ("actor", "object", "trace_id")
    date_hierarchy = "at"
    show_full_result_count = False
    fields = (
        *("moment", "who", "verb", "kind", "object", "object_id", "details", "source", "system_user", "credential"),
        *("address", "trace_id", "canonical"),
    )

    @admin.display(description=_("time"))
    def moment(self, entry: AuditEntry) -> str:
        """Return the time in UTC, as in the signed content."""
        return f"{entry.at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"

    @admin.display(description=_("Actor"), ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        """Return the person, and the source of the action where it is not a browser."""
        return entry.who

    @admin.display(description=_("Kind"), ordering="object_type")
    def kind(self, entry: AuditEntry) -> str:
        """Return the verbose name of the object's model."""
        try:
            return capfirst(str(apps.get_model(entry.object_type)._meta.verbose_name))
        except (LookupError, ValueError):  # of an app that is gone
            return entry.object_type

    @admin.display(description=_("Changes"))
    def details(self, entry: AuditEntry) -> str:
        """Describe the changes in one line."""
        return "; ".join(f"{name}: {_describe_value(value)}" for name, value in audit.readable_changes(entry).items())

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can(request.user, "audit", SITE)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return can(request.user, "audit", SITE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
