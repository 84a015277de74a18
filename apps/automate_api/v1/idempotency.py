"""`Idempotency-Key` on every POST: a repeated request gets the first answer, and its effect happens once.

The answer is a row that is inserted in the transaction of the effect, before it: a concurrent request with the same key
waits for that transaction, then replays its answer or, after a failure, makes its own attempt. Failures are not kept.

Operations whose effect is outside of the database, such as the test of a connection, are marked `outside_effect`: their
row is committed first, and a concurrent request gets 409.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from automate_api.models import IdempotentAnswer
from automate_api.pruning import KEPT
from automate_api.v1 import problems
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import NotFoundError, not_found
from automate_core.models import ExecutionRun, Workflow
from automate_governance.permissions import permitted
from automate_governance.sharing import verbs_of

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
ABANDONED = dt.timedelta(minutes=10)  # an answer that never came: its process has ended
MOST_KEY_LENGTH = 128
_MOST_WAIT = "10s"  # for the transaction of a concurrent request
_OUTSIDE, _UNREPEATABLE = "automate_outside_effect", "automate_unrepeatable"

type Run = Callable[..., Any]


def outside_effect[F: Callable[..., Any]](operation: F) -> F:
    """Mark an operation whose effect no transaction can undo, or that needs transactions of its own."""
    setattr(operation, _OUTSIDE, True)
    return operation


def unrepeatable[F: Callable[..., Any]](operation: F) -> F:
    """Mark an operation whose answer holds a secret. It is not stored: a repeated request gets 409, and no effect."""
    setattr(operation, _UNREPEATABLE, True)
    return operation


def check_key(key: object) -> str:
    """Why a client's key is not valid, as a sentence; empty for a valid one."""
    if isinstance(key, str) and 1 <= len(key) <= MOST_KEY_LENGTH and key.isascii() and key.isprintable():
        return ""
    return _("The Idempotency-Key must have 1 to %(length)s ASCII characters.") % {"length": MOST_KEY_LENGTH}


def idempotent(run: Run) -> Run:
    """Wrap the `run` of an operation of Django Ninja, as its decorators of the mode "view" do."""
    operation: Any = inspect.unwrap(run).__self__
    is_outside = operation.is_async or getattr(operation.view_func, _OUTSIDE, False)
    keeps_body = not getattr(operation.view_func, _UNREPEATABLE, False)

    @wraps(run)
    def answer(request: TokenRequest, **kwargs: Any) -> HttpResponseBase:
        key = _key_of(request)
        if not isinstance(key, str):
            return key or run(request, **kwargs)
        if is_outside:
            begun = _begin(request, key)
            return begun if isinstance(begun, HttpResponse) else _end(begun, run(request, **kwargs), keeps_body)
        return _answer_in_transaction(request, key, lambda: run(request, **kwargs), keeps_body)

    @wraps(run)
    async def answer_async(request: TokenRequest, **kwargs: Any) -> HttpResponseBase:
        key = _key_of(request)
        if not isinstance(key, str):
            return key or await run(request, **kwargs)
        begun = await sync_to_async(_begin)(request, key)
        if isinstance(begun, HttpResponse):
            return begun
        return await sync_to_async(_end)(begun, await run(request, **kwargs), keeps_body)

    return answer_async if operation.is_async else answer


def _key_of(request: TokenRequest) -> str | HttpResponse | None:
    """The key of a POST request, the answer to a bad one, or None for a request without."""
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    reason = check_key(key)
    return problems.problem(400, reason, code="idempotency_key_invalid") if reason else key


def _answer_in_transaction(
    request: TokenRequest, key: str, run: Callable[[], HttpResponseBase], keeps_body: bool
) -> HttpResponseBase:
    try:
        with transaction.atomic():
            row, is_new = _insert(request, key)
            if not is_new:
                return _replay(row, request)
            response = run()
            if response.status_code >= 400 or not isinstance(response, HttpResponse):
                transaction.set_rollback(response.status_code >= 400)
                return response
            return _end(row, response, keeps_body)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return _in_flight()


def _insert(request: TokenRequest, key: str) -> tuple[IdempotentAnswer, bool]:
    """(the row of the key, whether this request made it). Waits for a concurrent transaction with the same key."""
    token, fingerprint = request.auth, _fingerprint(request)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)", [_MOST_WAIT])
        before = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO automate_api_idempotentanswer (token_id, key, fingerprint, content_type, location, body)"
            " VALUES (%s, %s, %s, '', '', '') ON CONFLICT (token_id, key) DO NOTHING RETURNING id",
            [token.pk, key, fingerprint],
        )
        made = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
    row = IdempotentAnswer.objects.get(token=token, key=key)
    if made is None and row.created_at < timezone.now() - (KEPT if row.status else ABANDONED):
        IdempotentAnswer.objects.filter(pk=row.pk).delete()
        return _insert(request, key)
    return row, made is not None


def _begin(request: TokenRequest, key: str) -> IdempotentAnswer | HttpResponse:
    with transaction.atomic():
        row, is_new = _insert(request, key)
    return row if is_new else _replay(row, request)


def _end[R: HttpResponseBase](row: IdempotentAnswer, response: R, keeps_body: bool) -> R:
    if response.status_code >= 400 or not isinstance(response, HttpResponse):
        IdempotentAnswer.objects.filter(pk=row.pk).delete()
        return response
    row.status = response.status_code
    row.content_type = response.headers.get("Content-Type", "")
    row.location = response.headers.get("Location", "")
    row.body = response.content.decode() if keeps_body else ""
    row.save(update_fields=["status", "content_type", "location", "body"])
    return response


def _replay(row: IdempotentAnswer, request: TokenRequest) -> HttpResponse:
    if row.fingerprint != _fingerprint(request):
        detail = _("This Idempotency-Key was used for another request. Use a new key.")
        return problems.problem(422, detail, code="idempotency_key_reused")
    if row.status is None:
        return _in_flight()
    if hidden := _hidden(request):
        return problems.problem_of(request, hidden)
    if not row.body and row.status != 204:
        detail = _("This request was answered with a secret, which is shown once.")
        return problems.problem(409, detail, code="secret_shown_once")
    response = HttpResponse(row.body, status=row.status, content_type=row.content_type)
    response.headers[REPLAYED] = "true"
    if row.location:
        response.headers["Location"] = row.location
    return response


def _hidden(request: TokenRequest) -> NotFoundError | None:
    """The error for the workflow of the path, or for its run, once the owner has no permission on it any more."""
    named = request.resolver_match.kwargs if request.resolver_match else {}
    if "run_id" in named:
        found, error = Workflow.objects.filter(runs=named["run_id"]), not_found(ExecutionRun, named["run_id"])
    elif "slug" in named and request.resolver_match and "workflows/" in request.resolver_match.route:
        found, error = Workflow.objects.filter(slug=named["slug"]), not_found(Workflow, named["slug"])
    else:
        return None
    is_known = any(permitted(request.user, verb, found).exists() for verb in verbs_of(Workflow))
    return error if not is_known and found.exists() else None


def _in_flight() -> HttpResponse:
    detail = _("A request with this Idempotency-Key is still in progress. Send it again later.")
    response = problems.problem(409, detail, code="idempotency_in_progress")
    response.headers["Retry-After"] = "1"
    return response


def _fingerprint(request: TokenRequest) -> str:
    """Keyed, so that what a body says cannot be guessed from it."""
    start = f"{request.method} {request.get_full_path()}\n".encode()
    return salted_hmac("automate_api.idempotency", start + request.body, algorithm="sha256").hexdigest()
