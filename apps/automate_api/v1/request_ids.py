"""The ID of a request: `X-Request-Id` of the client where it is one, else a new one.

Answers, problems and logs name it.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

from django.http import HttpRequest

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,99}")
_current: ContextVar[str] = ContextVar("automate_api_request_id", default="")


def current_request_id() -> str:
    """The ID of the request that is being answered; empty outside of one."""
    return _current.get()


@contextlib.contextmanager
def request_id(request: HttpRequest) -> Iterator[str]:
    """Name the request in the block."""
    given = request.headers.get(HEADER, "")
    found = given if _SANE.fullmatch(given) else uuid.uuid4().hex
    token = _current.set(found)
    try:
        yield found
    finally:
        _current.reset(token)
