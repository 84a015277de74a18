"""WebhookView: deliveries in an ordinary Django view, for WSGI hosts and for tests.

Under ASGI `automate_core.asgi` answers the same paths before Django's handler, with the same functions.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from automate_core.conf import setting
from automate_core.outbox.ingest import EventIngestor
from automate_core.webhooks import rates
from automate_core.webhooks.receive import (
    METHOD_NOT_ALLOWED,
    Answer,
    error_answer,
    find_receiver,
    rate_limited,
    too_large,
)
from automate_core.webhooks.schemes.signing import Delivery
from automate_governance.people.origin import Source


@method_decorator(csrf_exempt, name="dispatch")
class WebhookView(View):
    """`POST /hooks/<slug>/`. Reads neither cookies nor session: the signature is the only credential."""

    audit_source = Source.WEBHOOK

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """202 with trace and event id, or what the scheme answers; 400, 401, 413, 415, 429 or 503 with a reason."""
        return _response(self._answer(request, slug))

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """405, in the same form as the other answers."""
        return _response(METHOD_NOT_ALLOWED)

    def _answer(self, request: HttpRequest, slug: str) -> Answer:
        whence = rates.source(slug, str(request.META.get("REMOTE_ADDR") or ""))
        if answer := rate_limited(whence):
            return answer
        most = setting("AUTOMATE_HOOK_BODY_BYTES")
        body = request.read(most + 1)
        if len(body) > most:
            return too_large()
        try:
            accepting = find_receiver(slug).receive(delivery_of(request, body), whence)
            if isinstance(accepting, Answer):
                return accepting
            return accepting.accepted(EventIngestor().ingest(*accepting.events))
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender is told to come again
            return error_answer(error)


def delivery_of(request: HttpRequest, body: bytes) -> Delivery:
    """The request, with a body that was read, as signature schemes verify it."""
    query = str(request.META.get("QUERY_STRING") or "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Delivery(headers, body, request.path + (f"?{query}" if query else ""))


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(
        answer.content(), status=answer.status, content_type=answer.content_type, headers=dict(answer.headers)
    )
