"""Audit of changes to users and groups, and of sign-ins, whichever page or command makes them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model, signals
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import ProgrammingError, models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.utils import translation
from psycopg.errors import UndefinedColumn, UndefinedTable

from automate_governance import audit, roles, sign_in
from automate_governance.people import origin
from automate_governance.people.names import people_named
from automate_governance.permissions import SITE

_RECORDED_FIELDS = {
    "is_active",
    "is_staff",
    "is_superuser",
    "first_name",
    "last_name",
    "name",
}
_LINKS = ("groups", "user_permissions", "permissions")


def connect() -> None:
    """Connect to the signals of the user model, of groups and of sign-ins."""
    for model in (get_user_model(), Group):
        pre_save.connect(_keep_previous_state, sender=model)
        post_save.connect(_saved, sender=model)
        post_delete.connect(_deleted, sender=model)
        for name in _LINKS:
            if hasattr(model, name):
                m2m_changed.connect(_linked, sender=getattr(model, name).through)
    signals.user_logged_in.connect(_signed_in)
    signals.user_logged_out.connect(_signed_out)
    signals.user_login_failed.connect(_failed)


def _keep_previous_state(sender: Any, instance: models.Model, update_fields: Any = None, **_: Any) -> None:
    """Keep the stored state before a save. Saving `last_login` alone is recorded as a sign-in."""
    if origin.is_unrecorded() or (update_fields is not None and set(update_fields) <= {"last_login"}):
        instance._audited = None  # type: ignore[attr-defined]
        return
    found = sender._base_manager.filter(pk=instance.pk).first() if instance.pk else None
    instance._audited = found or sender()  # type: ignore[attr-defined]


def _saved(sender: Any, instance: Any, created: bool, update_fields: Any = None, **_: Any) -> None:
    before = instance.__dict__.pop("_audited", None)
    if before is None:
        return
    changes = audit.differences(before, instance, only=update_fields, without=("last_login", "date_joined"))
    recorded = {name: value if name in _recorded_fields() else audit.CHANGED for name, value in changes.items()}
    if created or recorded:
        _record("created" if created else "changed", instance, recorded)


def _deleted(sender: Any, instance: Any, **_: Any) -> None:
    _record("deleted", instance, {})


def _linked(sender: Any, instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_: Any) -> None:
    """Record changed groups of a person, members and permissions of a group, permissions of a person."""
    if action not in {"post_add", "post_remove", "pre_clear"} or origin.is_unrecorded():
        return
    keys = _linked_to(sender, instance, model) if action == "pre_clear" else pk_set or ()
    found = set(model._base_manager.filter(pk__in=keys).values_list("pk", flat=True))
    with translation.override(None):  # the trail is the same in every language
        names = sorted(map(audit.plain_name, model._base_manager.filter(pk__in=keys)))
    if names:
        what = "members" if reverse else f"{model._meta.model_name}s"
        of_roles = _whole_roles(found) if model is Permission else {}
        _record(f"{what}_changed", instance, {**of_roles, "added" if action == "post_add" else "removed": names})


def _whole_roles(permissions: set[int]) -> dict[str, list[str]]:
    """Return the roles all of whose permissions are among these."""
    found = []
    for role in (roles.BUILDERS, roles.OPERATORS, roles.CONNECTION_ADMINS, roles.AUDITORS):
        keys = set(roles.permissions_of(role).values_list("pk", flat=True))
        if keys and keys <= permissions:
            found.append(role)
    return {"roles": found} if found else {}


def _linked_to(through: Any, instance: models.Model, model: Any) -> Any:
    """Return the keys of all objects that a link table links to `instance`."""
    ends = {field.related_model: field.attname for field in through._meta.fields if field.is_relation}
    return through._base_manager.filter(**{ends[type(instance)]: instance.pk}).values(ends[model])


def _signed_in(sender: Any, user: Any, request: Any = None, **_: Any) -> None:
    if sign_in.get_attempt(request).account:
        sign_in.reset_counts(request)
    _record("signed_in", user, {}, by=user)


def _signed_out(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        _record("signed_out", user, {}, by=user)


def _failed(sender: Any, credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    """Record a failed sign-in. Unknown names are left out: they may be passwords in the wrong field.

    Locked attempts are not recorded one by one, nor guesses at names from an address that tries many.
    """
    made = sign_in.get_attempt(request)
    user = people_named(sign_in.username_in(credentials)).first()
    if made.locked or (made.is_flood and user is None):
        return
    _record("sign_in_failed", user or SITE(pk=0), {} if user else {"name": "unknown"}, by=AnonymousUser())


def _record(what: str, instance: models.Model, changes: dict[str, Any], *, by: Any = None) -> None:
    """Write an entry; during the first `migrate`, when there is no table yet, do nothing."""
    if origin.is_unrecorded():
        return
    kind = "group" if isinstance(instance, Group) else "user"
    try:
        with transaction.atomic():
            audit.record(by or origin.current_person(), f"{kind}.{what}", instance, changes=changes)
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
            raise


def _recorded_fields() -> set[str]:
    """Return the fields whose values are recorded; other fields, such as the password, are recorded as CHANGED."""
    users = get_user_model()
    return {*_RECORDED_FIELDS, users.USERNAME_FIELD, users.get_email_field_name()}
