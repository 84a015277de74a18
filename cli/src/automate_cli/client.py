"""The API of one server as values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from automate_cli.credentials import Token
from automate_cli.errors import UnreachableError

if TYPE_CHECKING:
    from automate_cli.transport import Transport

PAGE = 100  #: objects in one request, which is the most that the API gives


class Client:
    """Reads and changes what the owner of the token may. All methods raise RejectedError and UnreachableError."""

    def __init__(self, server: str, token: Token | None, **options: Any) -> None:
        """`options` are those of `Transport`."""
        self.server = server
        self._token = token
        self._options = options

    @cached_property
    def transport(self) -> Transport:
        """Imported when the first request is sent: help and mistakes in arguments need no network library."""
        from automate_cli.transport import Transport

        return Transport(self.server, self._token, **self._options)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a resource."""
        return self._json("GET", path, params=_given(params))

    def text(self, path: str, accept: str, **params: Any) -> tuple[str, str]:
        """A resource as text, and its ETag."""
        answer = self.transport.send("GET", path, params=_given(params), headers={"Accept": accept})
        return answer.content.decode("utf-8", "replace"), answer.headers.get("ETag", "")

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        """Send JSON, once however many attempts it takes; `key` names the operation among those of the token."""
        return self._json("POST", path, body={} if body is None else body, key=key, headers=headers)

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Any other request, with the JSON of its answer."""
        return self._json(method, path, body=body, headers=headers)

    def items(self, path: str, *, limit: int | None = None, **params: Any) -> list[dict[str, Any]]:
        """The first `limit` objects of a list, or all, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self.get(path, **params, limit=size, cursor=cursor)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise UnreachableError(f"{self.server} does not answer like the API of Django Automate.")
            found += page["items"]
            before, cursor = cursor, page.get("next")
            if not cursor or cursor == before:
                break
        return found[:limit]

    def _json(self, method: str, path: str, **options: Any) -> Any:
        from automate_cli.transport import json_of

        return json_of(self.transport.send(method, path, **options), self.server)


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was asked for, as a query string has it."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in params.items()
        if value is not None and value != ()
    }
