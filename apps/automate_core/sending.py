"""Send a delivery to an endpoint of this site as its sender would: signed, by HTTP, through the front door."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from automate_core.models import WebhookEndpoint
from automate_core.webhooks.schemes import scheme_for
from automate_egress import HttpResponse, HttpSession
from automate_governance.secrets.resolver import resolve


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the site answered."""

    status: int
    trace_id: str
    event_id: uuid.UUID | None
    reason: str


def send(
    endpoint: WebhookEndpoint, body: bytes, *, event_type: str = "", headers: Mapping[str, str] | None = None
) -> Sent:
    """Sign `body` with the endpoint's secret and post it. Raises EgressError, SecretNotFoundError."""
    scheme = scheme_for(endpoint.scheme, endpoint.config)
    secret = resolve(endpoint.secret).reveal() if scheme.signed else ""
    signed = scheme.sign(secret, body, event_type=event_type, delivery=str(uuid.uuid4()))
    url = settings.AUTOMATE_SITE_URL + reverse("automate:webhook", args=[endpoint.slug])
    response = HttpSession(internal_hosts=_own_host(url)).request(
        "POST", url, headers={"Content-Type": "application/json", **signed, **(headers or {})}, data=body
    )
    return _sent(response)


def _own_host(url: str) -> list[str]:
    parts = urlsplit(url)
    return [f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"]


def _sent(response: HttpResponse) -> Sent:
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    return Sent(
        status=response.status,
        trace_id=answer.get("trace_id", ""),
        event_id=uuid.UUID(answer["event_id"]) if answer.get("event_id") else None,
        reason=answer.get("error", ""),
    )
