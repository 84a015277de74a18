"""What GitHub answers."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ISSUE = {
    "number": 7, "title": "Broken", "state": "open", "html_url": "https://github.com/o/r/issues/7",
    "labels": [{"name": "bug"}, "old"], "assignees": [{"login": "ann"}], "body": "long",
}  # fmt: skip


class Hooks:
    """The webhooks of repositories, as GitHub's API has them, on loopback. `hooks` are there now; `asked` are requests.

    `answer(method, path)` may give a status in place of an answer.
    """

    def __init__(self) -> None:
        self.hooks: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.answer: Callable[[str, str], int] = lambda method, path: 0
        self._numbers = itertools.count(101)
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path, _, _ = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                service.asked.append(f"{self.command} {path}")
                status = service.answer(self.command, path)
                status, found = (status, {"message": "No"}) if status else service.call(self.command, path, body)
                content = b"" if status == 204 else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            do_POST = do_DELETE = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def call(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """(status, document) of one request."""
        where, _, number = path.rpartition("/hooks")
        known = [hook for hook in self.hooks if hook["repository"] == where]
        match method:
            case "GET":
                return 200, known
            case "POST":
                made = {"id": next(self._numbers), "repository": where, **json.loads(body)}
                self.hooks.append(made)
                return 201, made
        found = [hook for hook in known if f"/{hook['id']}" == number]
        self.hooks = [hook for hook in self.hooks if hook not in found]
        return (204, None) if found else (404, {"message": "Not Found"})

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
