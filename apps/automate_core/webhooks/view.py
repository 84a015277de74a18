"""WebhookView: deliveries in an ordinary Django view, for WSGI hosts and for tests.

Under ASGI `automate_core.asgi` answers the same paths before Django's handler, by the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from automate_core.conf import setting
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.replies.waiting import ReplyOutcome, wait_in_thread
from automate_core.webhooks.answers import METHOD_NOT_ALLOWED, Answer
from automate_core.webhooks.deliveries import answer_delivery, run_without_loop
from automate_core.webhooks.receivers import Receiver, find_receiver
from automate_core.webhooks.schemes.signing import Delivery
from automate_governance.people.origin import Source


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(transaction.non_atomic_requests, name="dispatch")  # the run of a reply starts after the commit
class WebhookView(View):
    """`POST /hooks/<slug>/`. Reads neither cookies nor session: the signature is the only credential."""

    audit_source = Source.WEBHOOK

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """202 with trace and event id, or what the run or the scheme replies; else 4xx or 503 with a reason."""
        return build_response(run_without_loop(answer_delivery(RequestExchange(request, slug))))

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """405, in the same form as the other answers."""
        return build_response(METHOD_NOT_ALLOWED)


class RequestExchange:
    """A delivery that came as a request of Django's. Nothing in it waits: it blocks."""

    def __init__(self, request: HttpRequest, slug: str) -> None:
        self.slug = slug
        self.address = str(request.META.get("REMOTE_ADDR") or "")
        self._request = request

    async def read_delivery(self) -> Delivery | None:
        return read_delivery(self._request)

    async def find_receiver(self) -> Receiver:
        return find_receiver(self.slug)

    async def run_blocking[Result](self, act: Callable[[], Result]) -> Result:
        return act()

    async def ingest(self, events: Sequence[NewEvent]) -> Sequence[IngestResult]:
        return EventIngestor().ingest(*events)

    async def wait_for_reply(self, event_id: str, seconds: float) -> ReplyOutcome | None:
        return wait_in_thread(event_id, seconds)


def read_delivery(request: HttpRequest) -> Delivery | None:
    """The request with its body, as signature schemes verify it; None for a body that is too large."""
    most = setting("AUTOMATE_HOOK_BODY_BYTES")
    body = request.read(most + 1)
    if len(body) > most:
        return None
    query = str(request.META.get("QUERY_STRING") or "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Delivery(headers, body, request.path + (f"?{query}" if query else ""))


def build_response(answer: Answer) -> HttpResponse:
    """The answer as a response of Django's."""
    content = answer.content() if answer.has_body else b""
    response = HttpResponse(
        content, status=answer.status, content_type=answer.content_type, headers=dict(answer.headers)
    )
    if not answer.has_body:
        del response["Content-Type"]
    return response
