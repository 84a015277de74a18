"""Webhook endpoint as shown: URL, signature, a command to test it, and a new secret once."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.generic import ConfiguredScheme
from automate_core.webhooks.schemes.registry import SchemeError, scheme_for
from automate_core.webhooks.schemes.signing import SignatureScheme
from automate_governance.permissions import User, can
from automate_governance.texts import translated
from automate_studio.view_models.endpoints.signed_examples import curl_command


@dataclass(frozen=True, kw_only=True)
class EndpointInfo:
    """An endpoint beside its trigger. `secret` is set only in the response to its creation."""

    slug: str
    url: str
    name: str
    signed: bool
    enabled: bool
    kind: str
    may_read: bool
    example: str
    reply_seconds: int = 0
    secret: str = ""
    about: dict[str, int] = field(default_factory=dict)


def build_endpoint_info(slug: str, user: User, event_type: str, *, secret: str = "") -> EndpointInfo | None:
    """The endpoint; None for an unknown one or without permission."""
    endpoint = WebhookEndpoint.objects.filter(slug=slug).first() if slug else None
    if endpoint is None or not (can(user, "view", endpoint) or can(user, "view_payload", endpoint)):
        return None
    url = endpoints.endpoint_url(endpoint)
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
    except SchemeError:
        return None
    return EndpointInfo(
        slug=slug,
        url=url,
        name=translated(scheme.name),
        signed=scheme.signed,
        enabled=endpoint.enabled,
        kind=_event_type_source(scheme),
        may_read=can(user, "view_payload", endpoint),
        example=curl_command(scheme, url, event_type=event_type, secret=secret),
        reply_seconds=endpoint.reply_seconds,
        secret=secret if scheme.has_secret else "",
        about={"pk": endpoint.pk} if can(user, "view", endpoint) else {},
    )


def _event_type_source(scheme: SignatureScheme) -> str:
    """Source of the event type in words."""
    if not isinstance(scheme, ConfiguredScheme):
        return _("Event type, taken from: %(source)s.") % {"source": translated(scheme.kind).replace("`", "")}
    header, path = scheme.rules.event_header, scheme.rules.event_field
    if header:
        return _("Event type, taken from the header %(header)s.") % {"header": header}
    if path:
        return _("Event type, taken from %(path)s in the body.") % {"path": path}
    return _("Deliveries have no event type. Leave empty.")
