"""Stored secrets as people enter them: create and replace. A value goes in and never comes out."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from automate_governance import audit
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, NotPermittedError, Person, User, can, permitted
from automate_plugins import text

_SEALED = ("owner", "key_id", "wrapped_key", "box")


def visible_secrets(user: User) -> QuerySet[StoredSecret]:
    """Return the secrets that `user` may use; auditors see all of them and may use none."""
    every = StoredSecret.objects.all()
    return every if can(user, "audit", SITE) else permitted(user, "use", every)


@sensitive_variables("value")
@transaction.atomic
def create_secret(name: str, value: str, *, by: Person, used_by: str = "") -> StoredSecret:
    """Store a secret of `by`, without white space around it. `used_by` names what it is stored for. Audited.

    Raises NotPermittedError, ValidationError.
    """
    if not can(by, "add", StoredSecret):
        raise NotPermittedError(text("%(person)s needs the permission to add secrets.", person=sign_in_name(by)))
    secret = StoredSecret(name=name, owner=by)
    secret.full_clean(exclude=_SEALED)
    secret.put(_checked(value))
    secret.save(force_insert=True)
    audit.record(by, "secret.created", secret, changes={"value": audit.CHANGED} | ({"for": used_by} if used_by else {}))
    return secret


@sensitive_variables("value")
@transaction.atomic
def replace_secret(secret: StoredSecret, value: str, *, by: Person) -> StoredSecret:
    """Give a secret another value. Audited. Raises NotPermittedError, ValidationError."""
    found = StoredSecret.objects.select_for_update().get(pk=secret.pk)
    if not can(by, "replace", found):
        raise NotPermittedError(
            text(
                "%(person)s needs the permission to replace the secret %(name)s.",
                person=sign_in_name(by),
                name=found.name,
            )
        )
    found.put(_checked(value))
    found.save()
    audit.record(by, "secret.changed", found, changes={"value": audit.CHANGED})
    return found


@sensitive_variables()
def _checked(value: str) -> str:
    if not value.strip():
        raise ValidationError({"value": _("Enter a value.")})
    return value.strip()
