"""Callbacks: signed single-use URLs that a step waits for, and the requests to them."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from automate_core.database import AutomateNow
from automate_core.engine import version_secrets
from automate_core.models import ExecutionRun, Wait
from automate_core.runs.waits import rejected_callbacks, resolution
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_core.webhooks import bodies, callback_signatures
from automate_core.webhooks.answers import (
    CONTENT_ENCODED,
    METHOD_NOT_ALLOWED,
    TOO_LARGE,
    UNAUTHORIZED,
    Answer,
    error_answer,
)
from automate_core.webhooks.bodies import BodyError
from automate_core.webhooks.callback_urls import read_callback_token
from automate_core.webhooks.schemes.signing import Delivery
from automate_core.webhooks.view import build_response, read_delivery
from automate_governance.people.origin import Source
from automate_governance.redaction.redactor import MIN_STRONG_LENGTH

UNKNOWN = Answer(404, {"error": "This callback does not exist."})
USED = Answer(409, {"error": "This callback was already used."})
OVER = Answer(410, {"error": "This callback has expired."})
EMPTY = Answer(400, {"error": "The body is empty. The callback is still open. Send JSON such as {}."})


def receive_callback(run_id: uuid.UUID, path: str, payload: Any) -> Answer:
    """Resolve the wait at `path` with a payload, even before the run reaches it. Only the first payload counts.

    The payload may repeat secrets that the step sent out: they are masked.
    """
    known = version_secrets.load_run_redactor(run_id)
    return _take(
        run_id,
        path,
        known.value({"outcome": "received", "payload": payload}, patterns=False, at_least=MIN_STRONG_LENGTH),
    )


@transaction.atomic
def _take(run_id: uuid.UUID, path: str, outcome: dict[str, Any]) -> Answer:
    run = resolution.lock_run(run_id)
    waits = Wait.objects.filter(run=run_id, path=path, kind=Wait.Kind.CALLBACK)
    if waits.filter(status=WaitStatus.RESOLVED, outcome__outcome="received").exists():
        return USED  # also when the run has ended
    if run is None or run.status in FINAL_RUN_STATES:
        return OVER
    wait = waits.order_by("id").last()
    if wait is None:
        _answer_ahead(run, path, outcome)
    elif wait.status == WaitStatus.OPEN:
        resolution.resolve_wait(wait, run, outcome)
    else:
        return OVER
    return Answer(202, {"trace_id": run.trace_id})


def _answer_ahead(run: ExecutionRun, path: str, outcome: dict[str, Any]) -> None:
    """Store the payload as a resolved wait before the run waits for it; a run about to park notices by `wakes`."""
    run.seq += 1
    run.save(update_fields=["seq"])
    Wait.objects.create(
        run=run, path=path, kind=Wait.Kind.CALLBACK, status=WaitStatus.RESOLVED,
        outcome=outcome, resolved_at=AutomateNow(), seq=run.seq,
    )  # fmt: skip
    resolution.wake_runs([run.pk])


@method_decorator(csrf_exempt, name="dispatch")
class CallbackView(View):
    """`POST /hooks/callback/<token>/`. The token is the credential, with a signature if the wait requires one.

    Neither cookies nor session are read.
    """

    audit_source = Source.WEBHOOK

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Respond 202 with the trace id; or 400, 401, 404, 409, 410, 413, 415 or 503 with a reason."""
        answer = self._answer(request, known := read_callback_token(token))
        if 400 <= answer.status < 500:
            rejected_callbacks.record_rejected_callback(
                answer.status, answer.body["error"], known[0] if known else None
            )
        return build_response(answer)

    def http_method_not_allowed(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Respond 405: a GET, such as a mail scanner's, does not use up the callback. A browser gets a page."""
        if "text/html" not in request.headers.get("Accept", ""):
            return build_response(METHOD_NOT_ALLOWED)
        page = render_to_string("automate_core/callback.html", {"title": _("This URL is for programs")})
        return HttpResponse(page, status=METHOD_NOT_ALLOWED.status, headers=METHOD_NOT_ALLOWED.headers)

    def _answer(self, request: HttpRequest, known: tuple[uuid.UUID, str] | None) -> Answer:
        if known is None:
            return UNKNOWN
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return CONTENT_ENCODED
        delivery = read_delivery(request)
        if delivery is None:
            return TOO_LARGE
        if not delivery.body.strip():
            return EMPTY
        try:
            return self._verified(delivery, *known)
        except BodyError as error:
            return Answer(error.status, {"error": str(error)})
        except Exception as error:  # noqa: BLE001 - for any error, the sender is asked to retry
            return error_answer(error)

    def _verified(self, delivery: Delivery, run_id: uuid.UUID, path: str) -> Answer:
        """Verify the signature if one is required. Raises BodyError, and errors that prevent the verification."""
        demand = callback_signatures.find_required_signature(run_id, path)
        if demand is None:
            return receive_callback(
                run_id, path, bodies.parse_json(delivery.body, delivery.headers.get("content-type", ""))
            )
        if not demand.is_signed_by(delivery):
            return UNAUTHORIZED
        content_type = delivery.headers.get("content-type", "")
        return receive_callback(
            run_id, path, bodies.read_document(delivery.body, content_type, json_field=demand.scheme.json_field).value
        )
