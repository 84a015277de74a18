"""The caller of the MCP server: a token and its owner, and the thread in which the database is asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.db import connections
from django.http import HttpRequest
from django.utils import translation

from automate_api.models import ApiToken
from automate_api.tokens.use import narrowed
from automate_connectors.stored.freshness import stored_connectors
from automate_governance.people.origin import Source, request_credential, request_origin
from automate_governance.permissions import Person
from automate_governance.redaction.redactor import redactor_context

CALLER = "automate.caller"  #: name of the caller in the ASGI scope of a request
THREADS = 8  #: at most so many database connections of the server in a process

_threads = ThreadPoolExecutor(THREADS, "automate-mcp")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls: `token`, for its owner. `address` is the network address of the client."""

    token: ApiToken
    address: str

    @property
    def owner(self) -> Person:
        """The person or service account whose permissions count, as far as the token's scopes go."""
        owner: Person = self.token.owner
        return owner

    def has_scopes(self, *scopes: str) -> bool:
        """Whether the token has all of them."""
        return not set(scopes) - set(self.token.scopes)


async def call_in_thread[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what uses the database in one of the server's threads, on a connection that is closed afterwards."""

    def call() -> R:
        try:
            stored_connectors.refresh_if_due()
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.get_running_loop().run_in_executor(_threads, call)


async def call_as[**P, R](caller: Caller, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Like `call_in_thread`, with the permissions of the caller's token, and with the call as the origin of what is
    audited.
    """

    def call() -> R:
        with (
            translation.override(settings.LANGUAGE_CODE),
            redactor_context(),
            request_origin(_request_of(caller)),
            request_credential(str(caller.token)),
            narrowed(caller.token),
        ):
            return function(*args, **kwargs)

    return await call_in_thread(call)


def _request_of(caller: Caller) -> HttpRequest:
    """What the audit trail reads of a request."""
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = caller.address
    request.user = caller.owner
    view: Any = SimpleNamespace(audit_source=Source.API)
    request.resolver_match = SimpleNamespace(func=view)  # type: ignore[assignment]
    return request
