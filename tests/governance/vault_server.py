"""A stand-in for a Vault or OpenBao server: the documented HTTP API of AppRole and KV v2, as far as we speak it.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle
https://developer.hashicorp.com/vault/api-docs#http-status-codes
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class VaultStandIn:
    """`secrets` are KV v2 secrets by (namespace, mount, path); `policies` say which paths a token may read.

    `requests` are (method, path, headers) in order.
    """

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.deleted: set[tuple[str, str, str]] = set()
        self.tokens: dict[str, float] = {}
        self.roles: dict[str, str] = {}
        self.denied: set[str] = set()
        self.token_seconds = 3600.0
        self.sealed = self.initialised = False
        self.initialised = True
        self.answer: tuple[int, bytes, dict[str, str]] | None = None
        self.delay = 0.0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _serve(self, body: bytes) -> None:
                standin.requests.append((self.command, self.path, dict(self.headers)))
                time.sleep(standin.delay)
                status, content, headers = standin._respond(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(content)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, *, mount: str = "secret", namespace: str = "", **fields: Any) -> None:
        """Store a KV v2 secret."""
        self.secrets[namespace, mount, path] = fields

    def token(self) -> str:
        """A token that is valid from now on."""
        made = f"hvs.token-{len(self.tokens)}-{'x' * 20}"
        self.tokens[made] = time.monotonic() + self.token_seconds
        return made

    @property
    def reads(self) -> list[str]:
        """The paths of the secrets that were asked for."""
        return [path for method, path, _ in self.requests if method == "GET"]

    def _respond(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if self.answer is not None:
            return self.answer
        if not self.initialised:
            return _errors(501, "Vault is not initialized")
        if self.sealed:
            return _errors(503, "Vault is sealed")
        path = urllib.parse.unquote(path.partition("?")[0].removeprefix("/v1/"))
        if method == "POST" and path.startswith("auth/"):
            return self._login(path, body)
        if self.tokens.get(headers.get("X-Vault-Token", ""), 0.0) <= time.monotonic():
            return _errors(403, "permission denied")
        return self._read(headers.get("X-Vault-Namespace", ""), path)

    def _login(self, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if path != "auth/approle/login":
            return _errors(404, f"no handler for route {path!r}. route entry not found.")
        sent = json.loads(body)
        if self.roles.get(sent["role_id"]) != sent["secret_id"]:
            return _errors(400, "invalid role or secret ID")
        auth = {
            "client_token": self.token(),
            "lease_duration": self.token_seconds,
            "renewable": True,
            "policies": ["x"],
        }
        return 200, json.dumps({"auth": auth, "data": None}).encode(), {}

    def _read(self, namespace: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        mount, _, rest = path.partition("/data/")
        if mount not in {known for _, known, _ in self.secrets}:
            return _errors(404, f"no handler for route {path!r}. route entry not found.")
        if path in self.denied:
            return _errors(403, "1 error occurred:\n\t* permission denied\n\n")
        where = (namespace, mount, rest)
        if where in self.deleted:
            metadata = {"deletion_time": "2026-11-25T10:00:00Z", "destroyed": False, "version": 1}
            return 404, json.dumps({"data": {"data": None, "metadata": metadata}}).encode(), {}
        if where not in self.secrets:
            return _errors(404)
        metadata = {"created_time": "2026-11-25T09:00:00Z", "deletion_time": "", "destroyed": False, "version": 1}
        answer = {"request_id": "x", "lease_duration": 0, "data": {"data": self.secrets[where], "metadata": metadata}}
        return 200, json.dumps(answer).encode(), {}


def _errors(status: int, *errors: str) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps({"errors": list(errors)}).encode(), {}
