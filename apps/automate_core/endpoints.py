"""What people do with webhook endpoints: create, change, and give them secrets."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from automate_core.authoring import NotPermittedError
from automate_core.models import WebhookEndpoint
from automate_core.webhooks.schemes import SchemeError, scheme_for
from automate_governance import audit
from automate_governance.models import StoredSecret
from automate_governance.permissions import Person, can
from automate_governance.secrets.use import unusable


def url(endpoint: WebhookEndpoint) -> str:
    """The address to give to the sender."""
    return str(settings.AUTOMATE_SITE_URL) + reverse("automate:webhook", args=[endpoint.slug])


@transaction.atomic
def save(
    slug: str, *, scheme: str, config: dict[str, Any], secret: str | None, actor: Person
) -> tuple[WebhookEndpoint, bool]:
    """Create or update an endpoint: (the endpoint, whether it is new).

    A new `secret` is stored encrypted as `hook-<slug>`; None keeps the present one. Raises SchemeError,
    ValidationError, NotPermittedError.
    """
    rules = scheme_for(scheme, config)
    endpoint = WebhookEndpoint.objects.select_for_update().filter(slug=slug).first()
    created = endpoint is None
    if not can(actor, *(("add", WebhookEndpoint) if endpoint is None else ("change", endpoint))):
        raise NotPermittedError(f"{actor.get_username()} may not {'add' if created else 'change'} endpoints")
    endpoint = endpoint or WebhookEndpoint(slug=slug, owner=actor)
    endpoint.scheme, endpoint.config = scheme, config
    if secret is not None:
        if problem := rules.secret_problem(secret):
            raise SchemeError(f"the secret is {problem}", field="secret")
        endpoint.secret = _store(f"hook-{slug}", secret, actor)
    if not rules.signed:
        endpoint.secret = endpoint.old_secret = ""
    endpoint.full_clean()
    if found := next(unusable(actor, endpoint.references()), None):
        raise NotPermittedError(found[1])
    endpoint.save()
    audit.record(actor, "webhook.created" if created else "webhook.changed", endpoint, changes={"scheme": scheme})
    return endpoint, created


def _store(name: str, value: str, actor: Person) -> str:
    """Store a secret and give its reference."""
    stored = StoredSecret.objects.select_for_update().filter(name=name).first()
    created = stored is None
    if not can(actor, *(("add", StoredSecret) if stored is None else ("replace", stored))):
        raise NotPermittedError(f"{actor.get_username()} may not {'add' if created else 'replace'} the secret {name}")
    stored = stored or StoredSecret(name=name, owner=actor)
    stored.put(value)
    stored.save()
    audit.record(actor, "secret.created" if created else "secret.changed", stored)
    return f"database:{name}"
