"""The ID of a request: `X-Request-Id` of the client where it is one, else a new one.

Answers, problems and logs name it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from django.http import HttpRequest

from automate_core.refusals import REQUEST_ID, request_id_of

_current: ContextVar[str] = ContextVar("automate_api_request_id", default="")


def current_request_id() -> str:
    """The ID of the request that is being answered; empty outside of one."""
    return _current.get()


@contextlib.contextmanager
def request_id(request: HttpRequest) -> Iterator[str]:
    """Name the request in the block."""
    found = request_id_of(request.headers.get(REQUEST_ID, ""))
    token = _current.set(found)
    try:
        yield found
    finally:
        _current.reset(token)
