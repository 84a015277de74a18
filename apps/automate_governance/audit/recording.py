"""Entries are recorded in the transaction of the change."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils import timezone, translation

from automate_governance.audit.content import hashed_text, make_salts
from automate_governance.audit.values import mask_changes
from automate_governance.models import AuditEntry
from automate_governance.people import origin
from automate_governance.people.names import sign_in_name
from automate_governance.redaction.redactor import redact_text


def record(
    actor: AbstractBaseUser | AnonymousUser | None,
    verb: str,
    obj: models.Model,
    *,
    changes: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    trace_id: str = "",
) -> AuditEntry:
    """Write one entry. Call it in the transaction that makes the change: both commit or neither.

    `actor` None is the system itself. `changes` is a JSON-like summary without secret values; a marked text in it is
    recorded in English, and translated by `readable_changes`. `facts` are further changes that name no person: they
    outlive an erasure. Source and address come from `origin.current_origin`.
    """
    current = origin.current_origin()
    if actor is not None and origin.is_owner_named():
        role = "owner" if getattr(obj, "owner_id", None) in (None, actor.pk) else "author"
        changes = {role: sign_in_name(actor), **(changes or {})}
        actor = None
    values = {
        "at": timezone.now().isoformat(),
        "actor_id": str(actor.pk) if actor and actor.pk else "",
        "actor": (sign_in_name(actor)[:200] or "nobody") if actor else "system",
        "verb": verb,
        "object_type": obj._meta.label_lower,
        "object_id": str(obj.pk),
        "object": redact_text(plain_name(obj))[:200],
        "changes": mask_changes({**(changes or {}), **(facts or {})}),
        "trace_id": trace_id,
        "address": current.address,
        "source": current.source.value,
        "system_user": current.system_user,
        "credential": current.credential,
    }
    salts = make_salts()
    return AuditEntry.objects.create(**values, salts=salts, canonical=hashed_text(values, salts, facts or {}))


def plain_name(obj: models.Model) -> str:
    """Return the name of an object, the same in every language. People are named by what they sign in with."""
    if isinstance(obj, AbstractBaseUser):
        return sign_in_name(obj)
    with translation.override(None):
        return str(obj)


def kind_of(model: type[models.Model]) -> str:
    """Return the first part of audit codes about a model, such as `webhook` of `webhook.created`.

    It is the model's `audit_kind`, else its verbose name, and the same in every language.
    """
    with translation.override(None):
        return str(getattr(model, "audit_kind", "") or model._meta.verbose_name)
