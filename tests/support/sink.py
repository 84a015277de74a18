"""The outside world of the tests: an HTTP server that writes down what reaches it and answers as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Sink:
    """`calls` are (path, idempotency key, body) in order, `headers` and `bodies` those of the calls. `answer(number, path)` gives (status, body, headers); a body of bytes is sent as it is."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answer: Callable[[int, str], tuple[int, Any, dict[str, str]]] = lambda number, path: (
            200,
            {"ok": True},
            {},
        )
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.calls.append((self.path, self.headers.get("Idempotency-Key", ""), json.loads(body or b"null")))
                sink.times.append(time.monotonic())
                sink.headers.append({name.lower(): value for name, value in self.headers.items()})
                sink.bodies.append(body)
                status, answer, headers = sink.answer(len(sink.calls), self.path)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(content)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):  # the caller may be dead: that is what some tests are about
                    self.wfile.write(content)

            do_GET = do_POST

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # a caller that was killed between two calls
                    super().handle()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """A sink that workflows may call."""
    made = Sink()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    yield made
    made.close()
