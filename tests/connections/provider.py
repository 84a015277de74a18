"""An authorization server with an API behind it, over real HTTP: it checks what comes, and counts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "automate-client", "client-secret-canary-5f1c9a"


class Provider:
    """`asked` are the grants that came to the token endpoint, in order; `refusing` those that are refused.

    Codes and refresh tokens are good once; a refresh token that comes twice is written down in `replayed`.
    """

    def __init__(self) -> None:
        self.lifetime = 3600
        self.slow = 0.0  # seconds that the token endpoint takes, and
        self.api_slow = 0.0  # the API
        self.refusing: set[str] = set()
        self.status: int | None = None
        self.asked: list[str] = []
        self.api_calls: list[str] = []
        self.replayed: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.access: set[str] = set()
        self.refresh: dict[str, bool] = {}
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/authorize":
                    self._send(302, {}, {"Location": provider._authorize(dict(parse_qsl(parts.query)))})
                else:
                    self._send(*provider._api(self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                if self.path == "/token":
                    self._send(*provider._token(dict(parse_qsl(body)), self.headers.get("Authorization", "")))
                else:
                    self._send(*provider._api(self.headers.get("Authorization", "")))

            def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def consent(self, address: str) -> dict[str, str]:
        """What the person's browser brings back after it was sent to `address` and the person agreed."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args: Any, **kwargs: Any) -> None:
                return None

        try:
            urllib.request.build_opener(Stay).open(address)
        except urllib.error.HTTPError as answer:
            location = answer.headers["Location"]
            answer.close()
            return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        raise AssertionError("the provider did not send anybody back")

    def revoke(self) -> None:
        """Access tokens are over before their time."""
        self.access.clear()

    def count(self, grant: str) -> int:
        return self.asked.count(grant)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _authorize(self, asked: dict[str, str]) -> str:
        assert asked["client_id"] == CLIENT_ID and asked["response_type"] == "code", asked
        assert asked["code_challenge_method"] == "S256" and asked["state"], asked
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        grant = form.get("grant_type", "")
        with self._lock:
            self.asked.append(grant)
        time.sleep(self.slow)
        if self.status is not None:
            return self.status, {}
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        with self._lock:
            reason = "invalid_grant" if grant in self.refusing else getattr(self, f"_{grant}")(form)
            if reason:
                return 400, {"error": reason, "error_description": 'It is "över": ask again'}
            return 200, self._issue(with_refresh=grant != "client_credentials")

    def _authorization_code(self, form: dict[str, str]) -> str:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return "invalid_grant"
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        given = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return "" if given == asked["code_challenge"] else "invalid_grant"

    def _refresh_token(self, form: dict[str, str]) -> str:
        token = form.get("refresh_token", "")
        if not self.refresh.get(token):
            if token in self.refresh:
                self.replayed.append(token)
            return "invalid_grant"
        self.refresh[token] = False
        return ""

    def _client_credentials(self, form: dict[str, str]) -> str:
        return ""

    def _issue(self, *, with_refresh: bool) -> dict[str, Any]:
        access = f"access-canary-{secrets.token_hex(12)}"
        self.access.add(access)
        answer: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": self.lifetime}
        if with_refresh:
            answer["refresh_token"] = f"refresh-canary-{secrets.token_hex(12)}"
            self.refresh[answer["refresh_token"]] = True
        return answer

    def _api(self, authorization: str) -> tuple[int, Any]:
        self.api_calls.append(authorization)
        time.sleep(self.api_slow)
        known = authorization.removeprefix("Bearer ") in self.access
        return (200, {"account": "octo"}) if known else (401, {"message": "bad credentials"})
