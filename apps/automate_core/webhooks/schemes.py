"""The schemes there are, by their codes. docs/webhooks.md is their catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automate_core.webhooks.generic import BasicScheme, BearerScheme, HmacScheme, UnsignedScheme
from automate_core.webhooks.presets import (
    GitHubScheme,
    GitLabScheme,
    ShopifyScheme,
    SlackScheme,
    StandardWebhooksScheme,
    StripeScheme,
    TypeformScheme,
)
from automate_core.webhooks.signing import SchemeError, SignatureScheme
from automate_core.webhooks.twilio import TwilioScheme

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
        raise SchemeError(f"there is no scheme {code!r}; there is {', '.join(SCHEMES)}", field="scheme")
    if not isinstance(config, dict):
        raise SchemeError("the configuration is a mapping of names to values")
    return SCHEMES[code](config)
