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
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from ninja.security import HttpBearer

from automate_api.models import ApiToken
from automate_api.tokens import use
from automate_api.v1 import problems, rate_limits
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
            token = await sync_to_async(_admit)(request)
            if not isinstance(token, ApiToken):
                return token
            with _signed_in(request, token):
                answered: Awaitable[HttpResponseBase] = view(request, *args, **kwargs)
                return _finished(await answered, token)

        wrapped: View = answer_async
    else:

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            token = _admit(request)
            if not isinstance(token, ApiToken):
                return token
            with _signed_in(request, token):
                return _finished(view(request, *args, **kwargs), token)

        wrapped = answer
    wrapped.audit_source = Source.API  # type: ignore[attr-defined]
    wrapped.csrf_exempt = True  # type: ignore[attr-defined]
    return transaction.non_atomic_requests(wrapped)


def _admit(request: HttpRequest) -> ApiToken | HttpResponse:
    """The token of a request that may go on, or the answer to one that may not."""
    try:
        return _authenticate(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, its answer is a problem document
        return problems.problem_of(request, error)


def _authenticate(request: HttpRequest) -> ApiToken | HttpResponse:
    if "\0" in request.path:
        return problems.not_found()
    kind, _, text = request.headers.get("Authorization", "").strip().partition(" ")
    token = use.authenticate(text.strip()) if kind.lower() == "bearer" else None
    if token is None:
        return problems.unauthorized()
    try:
        rate_limits.count_request(token)
    except rate_limits.RateLimitedError as error:
        return _finished(problems.problem_of(request, error), token)
    return token


@contextlib.contextmanager
def _signed_in(request: HttpRequest, token: ApiToken) -> Iterator[None]:
    request.user = token.owner
    request.auth = token  # type: ignore[attr-defined]
    with use.narrowed(token), request_credential(str(token)):
        yield


def _finished[R: HttpResponseBase](response: R, token: ApiToken) -> R | HttpResponse:
    answered: R | HttpResponse = response
    if isinstance(response, HttpResponseNotAllowed):
        answered = problems.method_not_allowed(response)
    rate_limits.set_headers(answered, token)
    answered.headers.setdefault("Cache-Control", "no-store")
    return answered
