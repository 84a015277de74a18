"""The notification channels of Google Drive and Google Calendar, as their documentation describes them, on loopback.

Source: https://developers.google.com/workspace/drive/api/guides/push, .../guides/manage-changes and
https://developers.google.com/workspace/calendar/api/guides/push, .../guides/sync, read on 2026-12-01. Nothing of it was
tried at the services themselves.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client

PAGE = 2  #: changes on one page


class Google:
    """`channels` are open now, `changes` all that happened; `asked` are "METHOD path" of the requests.

    `answer(method, path)` may give a status in place of an answer. Sync tokens older than `oldest` are gone.
    """

    def __init__(self) -> None:
        self.channels: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.oldest = 0
        self.lasts_seconds = 7 * 86_400.0
        self.answer: Callable[[str, str], int] = lambda method, path: 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                where = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(where.query).items()}
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                service.asked.append(f"{self.command} {where.path}")
                status = service.answer(self.command, where.path)
                found: Any = {"error": {"code": status, "message": "No", "errors": [{"reason": "no"}]}}
                if not status:
                    status, found = service.call(self.command, where.path, query, body)
                content = b"" if status == 204 else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def call(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """(status, document) of one request."""
        if path.endswith("/watch"):
            return self._watch(path, body)
        if path.endswith("/channels/stop"):
            known = [
                each for each in self.channels if (each["id"], each["resourceId"]) == (body["id"], body["resourceId"])
            ]
            self.channels = [each for each in self.channels if each not in known]
            return (204, None) if known else (404, {"error": {"code": 404, "message": "Channel not found"}})
        if path.endswith("/changes/startPageToken"):
            return 200, {"startPageToken": str(len(self.changes))}
        if path.endswith("/changes"):
            return 200, self._page(int(query["pageToken"]), "changes", "newStartPageToken")
        if "syncToken" not in query:
            return 200, {"nextSyncToken": f"s{len(self.changes)}"}
        since = int((query.get("pageToken") or query["syncToken"])[1:])
        if since < self.oldest:
            return 410, {
                "error": {
                    "code": 410,
                    "message": "Sync token is no longer valid",
                    "errors": [{"reason": "fullSyncRequired"}],
                }
            }
        return 200, self._page(since, "items", "nextSyncToken", "s")

    def _watch(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        assert body["type"] == "web_hook"
        made = {
            "kind": "api#channel", "id": body["id"], "resourceId": f"r{len(self.channels)}", "token": body["token"],
            "expiration": str(int((time.time() + self.lasts_seconds) * 1_000)),
        }  # fmt: skip
        self.channels.append({**made, "address": body["address"], "path": path})
        return 200, made

    def _page(self, since: int, name: str, last: str, mark: str = "") -> dict[str, Any]:
        until = since + PAGE
        following = "nextPageToken" if until < len(self.changes) else last
        return {name: self.changes[since:until], following: f"{mark}{min(until, len(self.changes))}"}

    def notify(self, channel: dict[str, Any], state: str = "change", token: str = "") -> Any:
        """Send a notification of a channel, and return the answer."""
        headers = {
            "X-Goog-Channel-ID": channel["id"], "X-Goog-Channel-Token": token or channel["token"],
            "X-Goog-Resource-ID": channel["resourceId"], "X-Goog-Resource-State": state, "X-Goog-Message-Number": "1",
        }  # fmt: skip
        path = "/hooks/" + channel["address"].rpartition("/hooks/")[2]
        return Client().post(path, b"", content_type="application/octet-stream", headers=headers)

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
