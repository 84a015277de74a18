"""Clients of the API: `api(person)` sends requests with a token of that person's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client


class ApiClient:
    """Requests under /api/v1/ with one token; answers are Django's test responses."""

    def __init__(self, plain: str, token: Any = None) -> None:
        self.plain, self.token = plain, token
        self._client = Client(raise_request_exception=False)

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self._client.get(self._path(path), query, headers=self._headers(headers))

    def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        return self._send("post", path, body, headers | ({"Idempotency-Key": key} if key else {}))

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("put", path, body, headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("patch", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self._send("delete", path, None, headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = body if isinstance(body, bytes | str) else json.dumps({} if body is None else body)
        send = getattr(self._client, method)
        return send(self._path(path), data, content_type="application/json", headers=self._headers(headers))

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ({"Authorization": f"Bearer {self.plain}"} if self.plain else {}) | named

    @staticmethod
    def _path(path: str) -> str:
        return path if path.startswith("/api/") else f"/api/v1/{path.lstrip('/')}"


@pytest.fixture
def api() -> Callable[..., ApiClient]:
    """Make a client: `api(person, "workflow:view", workflows=[...])`; without scopes, with all of them."""
    from automate_api.tokens.issuing import create_token
    from automate_api.tokens.scopes import all_scopes

    def make(person: Any, *scopes: str, workflows: Any = None) -> ApiClient:
        if person is None:
            return ApiClient("")
        token, plain = create_token(person, by=None, name="test", scopes=scopes or all_scopes(), workflows=workflows)
        return ApiClient(plain, token)

    return make
