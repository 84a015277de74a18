"""A feed on loopback, of which tests say what is in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Feed:
    """`items` are the ids of its items, the oldest first. `asked` counts requests; `answer` may give another status."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.asked = 0
        self.answer: Callable[[int], tuple[int, dict[str, str]]] = lambda number: (200, {})
        feed = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                feed.asked += 1
                status, headers = feed.answer(feed.asked)
                content = feed.document() if status == 200 else b""
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/feed.xml"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def document(self) -> bytes:
        """The feed as RSS."""
        return feed_document(self.items)

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


def feed_document(ids: list[str]) -> bytes:
    """A feed as RSS with items of these ids, the oldest first."""
    items = "".join(f"<item><guid>{each}</guid><title>Item {each}</title></item>" for each in reversed(ids))
    return f"<rss><channel><title>News</title>{items}</channel></rss>".encode()
