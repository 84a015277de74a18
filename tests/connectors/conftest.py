"""Connectors against real servers on loopback, over the real ways out."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.invocation import invoke
from automate_connectors.outbound import outbound_clients
from automate_testing.fakes import context


@dataclass
class Asked:
    """A request as it reached the server; headers in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A web server. `answer(asked)` gives (status, body, headers); a body that is no bytes is sent as JSON."""

    host: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], tuple[int, Any, dict[str, str]]] = lambda asked: (200, {"ok": True}, {})

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    """A server that the connectors may reach."""
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, parse_qs(parts.query), headers, body)
            made.asked.append(asked)
            status, content, more = made.answer(asked)
            kind = {} if isinstance(content, bytes) else {"Content-Type": "application/json"}
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**kind, "Content-Length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _any

        def log_message(self, *args: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.host = f"127.0.0.1:{web.server_port}"
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    web.shutdown()
    web.server_close()


@pytest.fixture
def call() -> Callable[..., Any]:
    """Call an action as the engine does: checked inputs, the real ways out, a JSON document back."""

    def make(
        adapter: ConnectorAdapter,
        action: str,
        params: dict[str, Any],
        connection: dict[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        given = real_context(connection, **more)
        return json.loads(invoke(adapter, adapter.action(action), params, given))

    return make


def real_context(connection: dict[str, Any] | None = None, *, seconds: float = 120, **more: Any) -> dict[str, Any]:
    """A context with the real ways out."""
    deadline = time.monotonic() + seconds
    hosts = more.pop("bound_hosts", None)
    ways = outbound_clients(bound_hosts=hosts, deadline=deadline)
    return {**context(None, connection), **ways, "deadline": deadline, **more}
