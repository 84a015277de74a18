"""What happens to every request before and after its operation: `front_door` wraps each view of the API.

The token is checked and counted, and the owner's permissions are narrowed to it until the view returns.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from ninja.security import HttpBearer

from automate_api.models import ApiToken
from automate_api.tokens import use
from automate_api.v1 import problems, rate_limits, request_ids
from automate_core.refusals import REQUEST_ID
from automate_governance.people.locale import usable_zone
from automate_governance.people.origin import Source, request_credential
from automate_governance.permissions import Person

type View = Callable[..., Any]


class TokenRequest(HttpRequest):
    """A request of the API: `user` is the owner of the token `auth`."""

    auth: ApiToken
    user: Person


class BearerToken(HttpBearer):
    """The authentication of every operation. `front_door` has checked the token already."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        found: ApiToken | None = getattr(request, "auth", None)
        return found


def front_door(view: View) -> View:
    """Wrap a view of Django Ninja, synchronous or not."""
    if inspect.iscoroutinefunction(view):

        @wraps(view)
        async def answer_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with _as_get(request), request_ids.request_id(request) as request_id:
                token = await sync_to_async(_admit)(request)
                if not isinstance(token, ApiToken):
                    return _named(token, request_id)
                with _signed_in(request, token):
                    answered: Awaitable[HttpResponseBase] = view(request, *args, **kwargs)
                    return _named(_finished(request, await answered, token), request_id)

        wrapped: View = answer_async
    else:

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with _as_get(request), request_ids.request_id(request) as request_id:
                token = _admit(request)
                if not isinstance(token, ApiToken):
                    return _named(token, request_id)
                with _signed_in(request, token):
                    return _named(_finished(request, view(request, *args, **kwargs), token), request_id)

        wrapped = answer
    wrapped.audit_source = Source.API  # type: ignore[attr-defined]
    wrapped.csrf_exempt = True  # type: ignore[attr-defined]
    return transaction.non_atomic_requests(wrapped)


def _admit(request: HttpRequest) -> ApiToken | HttpResponseBase:
    """The token of a request that may go on, or the answer to one that may not."""
    try:
        return _authenticate(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, its answer is a problem document
        return problems.problem_of(request, error)


def _authenticate(request: HttpRequest) -> ApiToken | HttpResponseBase:
    if "\0" in request.path:
        return problems.no_such_path(request)
    kind, _, text = request.headers.get("Authorization", "").strip().partition(" ")
    token = use.authenticate(text.strip()) if kind.lower() == "bearer" else None
    if token is None:
        return problems.unauthorized()
    try:
        rate_limits.count_request(token)
    except rate_limits.RateLimitedError as error:
        return _finished(request, problems.problem_of(request, error), token)
    return token


@contextlib.contextmanager
def _signed_in(request: HttpRequest, token: ApiToken) -> Iterator[None]:
    request.user = token.owner
    request.auth = token  # type: ignore[attr-defined]
    zone = usable_zone(token.owner_zone)
    with use.narrowed(token), request_credential(str(token)), timezone.override(zone):
        yield


@contextlib.contextmanager
def _as_get(request: HttpRequest) -> Iterator[None]:
    """Let a HEAD request be answered as GET is. `_finished` and the server leave its content out."""
    method = request.method
    if method == "HEAD":
        request.method = "GET"
    try:
        yield
    finally:
        request.method = method


def _finished(request: HttpRequest, response: HttpResponseBase, token: ApiToken) -> HttpResponseBase:
    if isinstance(response, HttpResponseNotAllowed):
        response = _other_method(request, response)
    if request.method == "GET" and "If-None-Match" in request.headers and "ETag" in response.headers:
        etag = response.headers["ETag"]
        response = get_conditional_response(request, etag=etag, response=response) or response  # type: ignore[arg-type]
    if request.META.get("REQUEST_METHOD") == "HEAD":
        response = _without_content(response)
    rate_limits.set_headers(response, token)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _other_method(request: HttpRequest, response: HttpResponseNotAllowed) -> HttpResponse:
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": problems.allowed_methods(response)})
    return problems.method_not_allowed(response)


def _without_content(response: HttpResponseBase) -> HttpResponseBase:
    """The answer to a HEAD request: a stream or a file is closed, other content has its length said."""
    if isinstance(response, HttpResponse):
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
        return response
    headers = dict(response.headers)
    if isinstance(response, StreamingHttpResponse):
        response.close()
    return HttpResponse(status=response.status_code, headers=headers)


def _named(response: HttpResponseBase, request_id: str) -> HttpResponseBase:
    response.headers[REQUEST_ID] = request_id
    return response
