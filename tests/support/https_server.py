"""A public server with TLS, as far as the site can tell: a web proxy on loopback answers in its place."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

type Answer = tuple[int, dict[str, str], Any]


@dataclass
class PublicServer:
    """`proxy` is the URL of the proxy; `asked` has what reached it. `answers` are (status, headers, JSON) by path."""

    proxy: str
    answers: Mapping[str, Answer]
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def public_server(certificate: str, key: str, answers: Mapping[str, Answer]) -> Iterator[PublicServer]:
    """A server that shows this certificate, whatever the name is that it is called by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            made.asked.append(f"CONNECT {self.path}")
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

        def do_GET(self) -> None:
            made.asked.append(f"GET {self.path}")
            status, headers, document = made.answers.get(self.path, (404, {}, {}))
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # a client that does not trust it hangs up
    made = PublicServer(f"http://127.0.0.1:{server.server_port}", answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
