"""WebhookView: deliveries in an ordinary Django view, for WSGI hosts and for tests.

Under ASGI `automate_core.asgi` answers the same paths before Django's handler, with the same functions.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from automate_core.conf import setting
from automate_core.ingest import EventIngestor
from automate_core.webhooks.receive import METHOD, TOO_LARGE, Answer, accepted, find_receiver, not_accepted


@method_decorator(csrf_exempt, name="dispatch")
class WebhookView(View):
    """`POST /hooks/<slug>/`. Reads neither cookies nor session: the signature is the only credential."""

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """202 with trace and event id; 400, 401, 413, 415 or 503 with a reason."""
        return _response(self._answer(request, slug))

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """405, in the same form as the other answers."""
        return _response(METHOD)

    def _answer(self, request: HttpRequest, slug: str) -> Answer:
        most = setting("AUTOMATE_HOOK_BODY_BYTES")
        body = request.read(most + 1)
        if len(body) > most:
            return TOO_LARGE
        try:
            receiver = find_receiver(slug)
            event = receiver.receive({name.lower(): value for name, value in request.headers.items()}, body)
            if isinstance(event, Answer):
                return event
            return accepted(EventIngestor().ingest(event)[0])
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender is told to come again
            return not_accepted(error)


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(
        answer.content(), status=answer.status, content_type="application/json", headers=dict(answer.headers)
    )
