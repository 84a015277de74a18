"""An authorization server with an API behind it, over real HTTP: it checks what comes, and counts."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
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

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

CLIENT_ID, CLIENT_SECRET = "automate-client", "client-secret-canary-5f1c9a"


class Provider:
    """`asked` are the grants that came to the token endpoint, in order; `refusing` those that are refused.

    Codes and refresh tokens are good once; a refresh token that comes twice is written down in `replayed`, and accepted
    while there is `grace`. `key` is the public key that signs assertions, `ahead` how many seconds the clock is ahead.
    """

    def __init__(self) -> None:
        self.lifetime = 3600
        self.slow = 0.0  # seconds that the token endpoint takes, and
        self.api_slow = 0.0  # the API
        self.refusing: set[str] = set()
        self.status: int | None = None
        self.statuses: list[int] = []  # answers before others, one each
        self.refusal: dict[str, Any] | None = None  # an answer with `status`, or 400
        self.retry_after = ""
        self.nested: dict[str, Any] | None = None  # values beside the tokens, which then stand in `authed`
        self.extra: dict[str, Any] = {}  # values among the tokens
        self.grace = False
        self.ahead = 0.0
        self.key: Any = None
        self.before_answer: Any = None  # called when tokens were made and nobody has them yet
        self.forms: list[dict[str, str]] = []
        self.content_types: list[str] = []
        self.paths: list[str] = []
        self.claims: list[dict[str, Any]] = []
        self.headers: list[dict[str, Any]] = []
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
                kind = self.headers.get("Content-Type", "")
                if self.path in {"/token", "/refresh"}:
                    provider.paths.append(self.path)
                    provider.content_types.append(kind)
                    form = json.loads(body) if kind == "application/json" else dict(parse_qsl(body))
                    self._send(*provider._token(form, self.headers.get("Authorization", "")))
                elif self.path.startswith("/app/installations/"):
                    provider.paths.append(self.path)
                    self._send(*provider._installation(self.headers.get("Authorization", "")))
                else:
                    self._send(*provider._api(self.headers.get("Authorization", "")))

            def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                named = {"Content-Type": "application/json", **(headers or {})}
                if provider.retry_after:
                    named["Retry-After"] = provider.retry_after
                for name, value in named.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(time.time() + provider.ahead)

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
        assert asked.get("code_challenge_method", "S256") == "S256" and asked["state"], asked
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        grant = form.get("grant_type", "")
        with self._lock:
            self.asked.append(grant)
            self.forms.append(form)
            early = self.statuses.pop(0) if self.statuses else self.status
        time.sleep(self.slow)
        if self.refusal is not None:
            return early or 400, self.refusal
        if early is not None:
            return early, {}
        if not self._knows_client(form, authorization):
            return 401, {"error": "invalid_client"}
        with self._lock:
            reason = "invalid_grant" if grant in self.refusing else self._check(grant, form)
            if reason:
                return 400, {"error": reason, "error_description": 'It is "över": ask again'}
            answer = self._issue(with_refresh=grant in {"authorization_code", "refresh_token"})
        if self.before_answer is not None:
            self.before_answer()
        return 200, answer

    def _knows_client(self, form: dict[str, str], authorization: str) -> bool:
        if "assertion" in form:
            return "client_secret" not in form and not authorization
        if "client_assertion" in form:
            claims = self._verify(form["client_assertion"])
            return claims is not None and claims["iss"] == claims["sub"] == form["client_id"] == CLIENT_ID
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        return posted or authorization == f"Basic {expected}"

    def _check(self, grant: str, form: dict[str, str]) -> str:
        if grant.endswith("jwt-bearer"):
            return "" if self._verify(form["assertion"]) else "invalid_grant"
        return str(getattr(self, f"_{grant}")(form))

    def _installation(self, authorization: str) -> tuple[int, Any]:
        self.asked.append("installation")
        if self._verify(authorization.removeprefix("Bearer ")) is None:
            return 401, {"message": "A JSON web token could not be decoded", "status": "401"}
        token = self._issue(with_refresh=False)["access_token"]
        ends_at = dt.datetime.fromtimestamp(time.time() + self.ahead + self.lifetime, dt.UTC)
        return 201, {"token": token, "expires_at": f"{ends_at:%Y-%m-%dT%H:%M:%SZ}"}

    def _verify(self, assertion: str) -> dict[str, Any] | None:
        """The claims of an assertion that is signed with `key` and valid by this clock."""
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decode(part)) for part in signed.split("."))
        self.headers.append(header)
        self.claims.append(claims)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        try:
            self.key.verify(
                _decode(signature),
                signed.encode(),
                pss if header["alg"] == "PS256" else padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except InvalidSignature:
            return None
        return claims if claims["iat"] <= time.time() + self.ahead <= claims["exp"] <= claims["iat"] + 600 else None

    def _authorization_code(self, form: dict[str, str]) -> str:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return "invalid_grant"
        if "code_challenge" not in asked:
            return "" if "code_verifier" not in form else "invalid_grant"
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        given = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return "" if given == asked["code_challenge"] else "invalid_grant"

    def _refresh_token(self, form: dict[str, str]) -> str:
        token = form.get("refresh_token", "")
        if not self.refresh.get(token):
            if token in self.refresh:
                self.replayed.append(token)
                return "" if self.grace else "invalid_grant"
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
        answer |= self.extra
        return answer if self.nested is None else {"authed": answer, **self.nested}

    def _api(self, authorization: str) -> tuple[int, Any]:
        self.api_calls.append(authorization)
        time.sleep(self.api_slow)
        known = authorization.removeprefix("Bearer ") in self.access
        return (200, {"account": "octo"}) if known else (401, {"message": "bad credentials"})


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
