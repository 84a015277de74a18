"""Send a delivery to an endpoint of this site as its sender would: signed, by HTTP, through the front door."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from automate_core.models import WebhookEndpoint
from automate_core.webhooks.schemes.registry import scheme_for
from automate_egress import HttpResponse, HttpSession
from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.secrets.resolver import resolve

SECONDS = 30.0  #: for the answer, besides the time that the endpoint waits for a reply


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """The site's answer. Any `status` with an `event_id` is of an accepted delivery."""

    status: int
    trace_id: str
    event_id: uuid.UUID | None
    reason: str


def send_test_delivery(
    endpoint: WebhookEndpoint, body: bytes, *, event_type: str = "", headers: Mapping[str, str] | None = None
) -> DeliveryResult:
    """Sign `body` with the endpoint's secret and post it, as JSON unless `headers` name another content type. Audited.

    Raises EgressError, SecretNotFoundError, and SchemeError where only the sender can sign.
    """
    scheme = scheme_for(endpoint.scheme, endpoint.config)
    secret = resolve(endpoint.secret).reveal() if scheme.has_secret else ""
    given = {"Content-Type": "application/json"} | {
        "Content-Type" if name.lower() == "content-type" else name: value for name, value in (headers or {}).items()
    }
    kind = given["Content-Type"]
    url = scheme.address(settings.AUTOMATE_SITE_URL + reverse("automate:webhook", args=[endpoint.slug]), body, kind)
    signed = scheme.sign(secret, body, event_type=event_type, delivery=str(uuid.uuid4()), url=url, content_type=kind)
    audit.record(None, "webhook.delivery_sent", endpoint, changes={"event": event_type})
    session = HttpSession(internal_hosts=_own_host(url), deadline=time.monotonic() + SECONDS + endpoint.reply_seconds)
    response = session.request("POST", url, headers={**signed, **given}, data=body, follow_redirects=False)
    return _read_result(response)


def _own_host(url: str) -> list[str]:
    parts = urlsplit(url)
    return [f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"]


def _read_result(response: HttpResponse) -> DeliveryResult:
    """The result from the headers where the body is a reply of the run or of the scheme; else from the body."""
    if event_id := response.headers.get("automate-event-id"):
        trace_id = response.headers.get("automate-trace-id", "")
        return DeliveryResult(status=response.status, trace_id=trace_id, event_id=uuid.UUID(event_id), reason="")
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    event_id = answer.get("event_id")
    return DeliveryResult(
        status=response.status,
        trace_id=answer.get("trace_id", ""),
        event_id=uuid.UUID(event_id) if event_id else None,
        reason=answer.get("error", "") or ("" if response.status == 202 else response.text[:200]),
    )
