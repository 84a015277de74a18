"""The schemes there are, by their codes. docs/webhooks.md is their catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automate_core.models.events import WebhookEndpoint, endpoint_checks
from automate_core.webhooks.schemes.generic import BasicScheme, BearerScheme, HmacScheme, UnsignedScheme
from automate_core.webhooks.schemes.presets import (
    GitHubScheme,
    GitLabScheme,
    ShopifyScheme,
    SlackScheme,
    StandardWebhooksScheme,
    StripeScheme,
    TypeformScheme,
)
from automate_core.webhooks.schemes.signing import SchemeError, SignatureScheme
from automate_core.webhooks.schemes.twilio import TwilioScheme
from automate_governance.texts import translated
from automate_plugins import text

__all__ = ["SCHEMES", "GitHubScheme", "SchemeError", "SignatureScheme", "scheme_for"]

SCHEMES: dict[str, type[SignatureScheme]] = {
    scheme.code: scheme
    for scheme in (
        GitHubScheme,
        GitLabScheme,
        ShopifyScheme,
        SlackScheme,
        StandardWebhooksScheme,
        StripeScheme,
        TwilioScheme,
        TypeformScheme,
        HmacScheme,
        BearerScheme,
        BasicScheme,
        UnsignedScheme,
    )
}


def scheme_for(code: str, config: Mapping[str, Any]) -> SignatureScheme:
    """The scheme of that code with that configuration. Raises SchemeError."""
    if code not in SCHEMES:
        raise SchemeError(
            text("Unknown scheme '%(code)s'. Available: %(codes)s.", code=str(code), codes=", ".join(SCHEMES)),
            field="scheme",
        )
    if not isinstance(config, dict):
        raise SchemeError(text("The configuration must be a mapping of names to values."))
    return SCHEMES[code](config)


def check_endpoint(endpoint: WebhookEndpoint) -> None:
    """Check an endpoint's scheme, its configuration and that a secret is there. Raises ValidationError, by field."""
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
    except SchemeError as error:
        raise ValidationError({error.field: translated(str(error))}) from error
    if scheme.signed and not endpoint.secret:
        raise ValidationError({"secret": _("This scheme requires a secret. Only “unsigned” works without one.")})


endpoint_checks.append(check_endpoint)
