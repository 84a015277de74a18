"""Operations on webhook endpoints: create, change, rotate secrets."""

from __future__ import annotations

import copy
import datetime as dt
import secrets
from typing import Any

from django.conf import settings
from django.db import transaction

from automate_core.models import WebhookEndpoint
from automate_core.webhooks.schemes.registry import SchemeError, scheme_for
from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.secrets.use import find_forbidden_references
from automate_plugins import text

OVERLAP = dt.timedelta(hours=24)


class NameTakenError(SchemeError, status=409, code="taken"):
    """Another endpoint has the name."""

    def __init__(self, slug: str) -> None:
        super().__init__(text("The name %(slug)s is already in use. Choose another one.", slug=slug), field="slug")


def endpoint_url(endpoint: WebhookEndpoint) -> str:
    """The URL for the sender."""
    return hook_url(endpoint.slug)


def hook_url(slug: str) -> str:
    """The URL for deliveries at `/hooks/<slug>/`."""
    return str(settings.AUTOMATE_SITE_URL) + reverse("automate:webhook", args=[slug])


@transaction.atomic
def save_endpoint(
    slug: str,
    *,
    scheme: str,
    config: dict[str, Any],
    secret: str | None,
    actor: Person,
    new: bool = False,
    reference: str = "",
    overlap: dt.timedelta = dt.timedelta(0),
    enabled: bool | None = None,
    reply_seconds: int | None = None,
) -> tuple[WebhookEndpoint, bool]:
    """Create or update an endpoint; returns (the endpoint, whether it is new).

    A new `secret` is stored encrypted as `hook-<slug>`, or under a longer name when another person owns that one;
    `reference` names a secret that is stored already. Without either, the present secret stays. The previous one is
    accepted for `overlap` longer. Deliveries wait `reply_seconds` (0 to 30) for a reply. With `new`, an existing
    endpoint is not changed. Raises NameTakenError, SchemeError, ValidationError, NotPermittedError.
    """
    rules = scheme_for(scheme, config)
    endpoint = WebhookEndpoint.objects.select_for_update().filter(slug=slug).first()
    if endpoint is not None and new:
        raise NameTakenError(slug)
    created = endpoint is None
    check_permitted(actor, endpoint)
    endpoint = endpoint or WebhookEndpoint(slug=slug, owner=actor)
    before = WebhookEndpoint() if created else copy.copy(endpoint)
    endpoint.scheme, endpoint.config = scheme, config
    if enabled is not None:
        endpoint.enabled = enabled
    if reply_seconds is not None:
        endpoint.reply_seconds = reply_seconds
    if secret is not None:
        _check_secret(rules.secret_problem(secret))
        reference = store_secret(_free_name(endpoint, overlap), secret, actor)
    if not rules.has_secret:
        endpoint.change_secret("", overlap=dt.timedelta(0))
    elif secret is not None or (reference and reference != endpoint.secret):
        endpoint.change_secret(reference, overlap=overlap)
    endpoint.full_clean()
    if found := next(find_forbidden_references(actor, endpoint.references()), None):
        raise NotPermittedError(found[1])
    endpoint.save()
    changes = audit.differences(before, endpoint, without=("owner", "created_at", "updated_at"))
    audit.record(actor, "webhook.created" if created else "webhook.changed", endpoint, changes=changes)
    return endpoint, created


def _free_name(endpoint: WebhookEndpoint, overlap: dt.timedelta) -> str:
    """The name of its next secret: another one than the present secret's while that is accepted as well."""
    name = f"hook-{endpoint.slug}"
    return f"{name}-2" if overlap and endpoint.secret == f"database:{name}" else name


@transaction.atomic
def rotate_secret(
    endpoint: WebhookEndpoint, secret: str, *, actor: Person, overlap: dt.timedelta = OVERLAP
) -> WebhookEndpoint:
    """Give the endpoint a new secret. The present one is accepted for `overlap` longer, an older one no longer.

    The new secret is stored encrypted as `hook-<slug>`, as `hook-<slug>-2` when the present one has that name, or under
    a longer name when another person owns it. Raises SchemeError, NotPermittedError.
    """
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    check_permitted(actor, endpoint)
    rules = scheme_for(endpoint.scheme, endpoint.config)
    if not rules.has_secret:
        raise SchemeError(text("This webhook endpoint has no secret."), field="scheme")
    _check_secret(rules.secret_problem(secret))
    reference = store_secret(_free_name(endpoint, OVERLAP), secret, actor)
    endpoint.change_secret(reference, overlap=overlap)
    endpoint.save()
    until = endpoint.old_secret_until
    changes = {"reference": reference, "old_one_until": until.isoformat() if until else ""}
    audit.record(actor, "webhook.secret_rotated", endpoint, changes=changes)
    return endpoint


@transaction.atomic
def end_overlap(endpoint: WebhookEndpoint, *, actor: Person) -> bool:
    """Reject the old secret from now on; whether there was one. Raises NotPermittedError."""
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
    check_permitted(actor, endpoint)
    if not endpoint.has_old_secret:
        return False
    endpoint.old_secret, endpoint.old_secret_until, endpoint.old_secret_used_at = "", None, None
    endpoint.save(update_fields=["old_secret", "old_secret_until", "old_secret_used_at", "updated_at"])
    audit.record(actor, "webhook.old_secret_refused", endpoint)
    return True


def check_permitted(actor: Person, endpoint: WebhookEndpoint | None) -> None:
    """Raise NotPermittedError unless the person may change the endpoint; without one, add endpoints."""
    person = sign_in_name(actor)
    if endpoint is None and not can(actor, "add", WebhookEndpoint):
        raise NotPermittedError(text("%(person)s needs the permission to add webhook endpoints.", person=person))
    if endpoint is not None and not can(actor, "change", endpoint):
        raise NotPermittedError(text("%(person)s needs the permission to change this webhook endpoint.", person=person))


def _check_secret(problem: str | None) -> None:
    if problem:
        raise SchemeError(problem, field="secret")


def store_secret(name: str, value: str, actor: Person) -> str:
    """Store a secret and give its reference. A name that belongs to another person is extended."""
    stored = StoredSecret.objects.select_for_update().filter(name=name).first()
    if stored is not None and stored.owner_id != actor.pk:
        return store_secret(f"{name}-{secrets.token_hex(4)}", value, actor)
    created = stored is None
    if not can(actor, *(("add", StoredSecret) if stored is None else ("replace", stored))):
        if created:
            raise NotPermittedError(text("%(person)s needs the permission to add secrets.", person=sign_in_name(actor)))
        raise NotPermittedError(
            text(
                "%(person)s needs the permission to replace the secret %(name)s.",
                person=sign_in_name(actor),
                name=name,
            )
        )
    stored = stored or StoredSecret(name=name, owner=actor)
    stored.put(value)
    stored.save()
    audit.record(actor, "secret.created" if created else "secret.changed", stored)
    return f"database:{name}"
