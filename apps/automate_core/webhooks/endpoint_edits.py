"""Webhook endpoints as people create and change them: the rules of the form and of the API."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.registry import SchemeError, scheme_for
from automate_core.webhooks.schemes.signing import SignatureScheme
from automate_governance.models import StoredSecret
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import NOT_A_REFERENCE, is_reference, resolve
from automate_governance.secrets.use import find_forbidden_references
from automate_plugins import text

SLUG_RULE = text("Lowercase letters, digits and single hyphens, such as new-orders.")
MOST_OVERLAP = dt.timedelta(days=30)
SLUG_PATTERN = "^[a-z0-9]+(?:-[a-z0-9]+)*$"


@dataclass(frozen=True, slots=True)
class EndpointSecret:
    """The secret of an endpoint: the reference of a stored one, or a value to store, generated or not."""

    reference: str = ""
    value: str = field(default="", repr=False)
    is_generated: bool = False


@dataclass(frozen=True, slots=True)
class SavedEndpoint:
    """A saved endpoint. `generated` is its new secret if one was generated: show it once."""

    endpoint: WebhookEndpoint
    generated: str = field(default="", repr=False)


def check_slug(slug: str) -> None:
    """Raise SchemeError unless the name reads well in a URL."""
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise SchemeError(SLUG_RULE, field="slug")


@sensitive_variables()
def choose_secret(
    rules: SignatureScheme, *, reference: str, value: str, present: str, person: Person
) -> EndpointSecret:
    """The secret to save: `value`, else the one that `reference` names, else a generated one.

    It has to be one that the scheme can sign with. `present` is the endpoint's own reference, which is not checked
    again. Raises SchemeError, NotPermittedError.
    """
    is_generated = not value and not reference
    if is_generated:
        if rules.shown_by:
            raise SchemeError(text("Paste the sender's secret. %(hint)s", hint=rules.shown_by), field="secret")
        value = rules.new_secret()
    if value and not can(person, "add", StoredSecret):
        raise NotPermittedError(text("You need the Add secrets permission to store a secret. Choose a stored secret."))
    if problem := rules.secret_problem(value) if value else _reference_problem(rules, reference, present, person):
        raise SchemeError(problem, field="secret")
    return EndpointSecret(reference="" if value else reference, value=value, is_generated=is_generated)


def _reference_problem(rules: SignatureScheme, reference: str, present: str, person: Person) -> str | None:
    if reference == present:
        return None
    if not is_reference(reference):
        return NOT_A_REFERENCE
    if forbidden := next(find_forbidden_references(person, {"secret": [reference]}), None):
        return forbidden[1]
    try:
        return rules.secret_problem(resolve(reference).reveal())
    except SecretNotFoundError as error:
        return str(error)
    except SecretUnavailableError:  # nothing can be said of it now
        return None


@sensitive_variables()
def create_endpoint(
    slug: str,
    *,
    scheme: str,
    config: dict[str, Any],
    by: Person,
    secret: str = "",
    reference: str = "",
    reply_seconds: int = 0,
) -> SavedEndpoint:
    """Create an endpoint. Without a secret one is generated where the scheme lets it be.

    Raises NameTakenError, SchemeError, ValidationError, NotPermittedError.
    """
    endpoints.check_permitted(by, None)
    check_slug(slug)
    if WebhookEndpoint.objects.filter(slug=slug).exists():
        raise endpoints.NameTakenError(slug)
    rules = scheme_for(scheme, config)
    try:
        return _save(
            WebhookEndpoint(slug=slug),
            rules,
            config,
            _secret_for(rules, secret, reference, "", by),
            by=by,
            reply_seconds=reply_seconds,
        )
    except IntegrityError as error:  # another request took it first
        raise endpoints.NameTakenError(slug) from error


@sensitive_variables()
def change_endpoint(
    endpoint: WebhookEndpoint,
    *,
    by: Person,
    scheme: str | None = None,
    config: dict[str, Any] | None = None,
    secret: str = "",
    reference: str = "",
    overlap: dt.timedelta = endpoints.OVERLAP,
    enabled: bool | None = None,
    reply_seconds: int | None = None,
) -> SavedEndpoint:
    """Change what is given; the configuration of another scheme is empty unless it is given.

    The present secret is accepted for `overlap` longer when there is a new one. Raises as `create_endpoint` does.
    """
    endpoints.check_permitted(by, endpoint)
    code = endpoint.scheme if scheme is None else scheme
    if config is None:
        config = endpoint.config if code == endpoint.scheme else {}
    rules = scheme_for(code, config)
    chosen = _secret_for(rules, secret, reference or endpoint.secret, endpoint.secret, by)
    return _save(endpoint, rules, config, chosen, by=by, overlap=overlap, enabled=enabled, reply_seconds=reply_seconds)


@sensitive_variables()
def renew_secret(
    endpoint: WebhookEndpoint, *, by: Person, secret: str = "", overlap: dt.timedelta = endpoints.OVERLAP
) -> SavedEndpoint:
    """Give the endpoint a new secret, as `rotate_secret` does; without a value one is generated."""
    endpoints.check_permitted(by, endpoint)
    rules = scheme_for(endpoint.scheme, endpoint.config)
    chosen = _secret_for(rules, secret, "", "", by)
    changed = endpoints.rotate_secret(endpoint, chosen.value, actor=by, overlap=overlap)
    return SavedEndpoint(changed, chosen.value if chosen.is_generated else "")


@sensitive_variables()
def _secret_for(rules: SignatureScheme, value: str, reference: str, present: str, by: Person) -> EndpointSecret:
    if not rules.has_secret:
        return EndpointSecret()
    return choose_secret(rules, reference="" if value else reference, value=value, present=present, person=by)


@sensitive_variables()
def _save(
    endpoint: WebhookEndpoint, rules: SignatureScheme, config: dict[str, Any], chosen: EndpointSecret, *, by: Person,
    overlap: dt.timedelta = dt.timedelta(0), enabled: bool | None = None, reply_seconds: int | None = None,
) -> SavedEndpoint:  # fmt: skip
    with transaction.atomic():
        saved, _ = endpoints.save_endpoint(
            endpoint.slug,
            scheme=rules.code,
            config=config,
            secret=chosen.value or None,
            reference=chosen.reference,
            actor=by,
            new=endpoint.pk is None,
            overlap=overlap,
            enabled=enabled,
            reply_seconds=reply_seconds,
        )
    return SavedEndpoint(saved, chosen.value if chosen.is_generated else "")
