"""Requests to one server: time-outs, retries, and a token that goes nowhere else."""

from __future__ import annotations

import json
import platform
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import requests
from requests.auth import AuthBase

from automate_cli.credentials import Token
from automate_cli.errors import RejectedError, UnreachableError
from automate_cli.servers import PREFIX, check_encrypted, is_local, is_plain

ATTEMPTS = 4
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
LONGEST_WAIT = 30.0  #: seconds that a server may ask for before it is asked again
_MAY_PASS = {429, 502, 503, 504}


class BearerAuth(AuthBase):
    """The token in its header. As an object of requests, so that no ~/.netrc replaces it."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request


class Transport:
    """Sends requests to the API of `server` with `token`. Raises NotAllowedError for an unencrypted network."""

    def __init__(
        self, server: str, token: Token | None, *, insecure: bool = False, attempts: int = ATTEMPTS,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:  # fmt: skip
        check_encrypted(server, insecure=insecure)
        self.server, self._attempts, self._timeout = server, attempts, timeout
        self._session = requests.Session()
        self._session.auth = BearerAuth(token) if token else None
        self._session.headers["User-Agent"] = user_agent()
        self._session.headers["Accept-Language"] = "en"  # the answers' messages stand beside our own words
        self._session.trust_env = not (
            is_plain(server) and is_local(server)
        )  # no proxy between this machine and itself

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        key: str | None = None,
        stream: bool = False,
        timeout: tuple[float, float] | None = None,
    ) -> requests.Response:
        """The answer, whose status is below 400. `body` is JSON, or text together with its Content-Type.

        GET is sent again after a failure that may pass, and so is POST: all its attempts have one Idempotency-Key,
        `key` or a new one. Raises RejectedError, UnreachableError.
        """
        own, data = _encoded(headers or {}, body)
        if method == "POST":
            own["Idempotency-Key"] = key or str(uuid.uuid4())
        for attempt in range(1, self._attempts + 1):
            final = attempt == self._attempts
            try:
                answer = self._session.request(
                    method, f"{self.server}{PREFIX}{path}", params=params, headers=own, data=data, stream=stream,
                    timeout=timeout or self._timeout, allow_redirects=False,
                )  # fmt: skip
            except requests.RequestException as error:
                if final or method not in {"GET", "POST"} or not _may_pass(error):
                    raise UnreachableError(f"{self.server} cannot be reached: {_reason(error)}") from None
                time.sleep(_backoff(attempt))
                continue
            wait = _asked_to_wait(answer, attempt)
            if wait is None or final or wait > LONGEST_WAIT:
                return self._accepted(answer, path)
            answer.close()
            time.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def lines(self, path: str, *, params: Mapping[str, Any], headers: Mapping[str, str], silence: float
    ) -> Iterator[str]:  # fmt: skip
        """The lines of a stream, none when it is over (204). Raises UnreachableError when nothing came for `silence`
        seconds, or when it broke off."""
        own = {"Accept": "text/event-stream", **headers}
        answer = self.send("GET", path, params=params, headers=own, stream=True, timeout=(CONNECT_SECONDS, silence))
        if answer.status_code == 204:
            return
        if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise _not_the_api(self.server)
        try:
            with answer:
                for line in answer.iter_lines(chunk_size=None if answer.raw.chunked else 1):
                    yield line.decode("utf-8", "replace")
        except requests.RequestException as error:
            raise UnreachableError(f"{self.server} ended the stream: {_reason(error)}") from None

    def _accepted(self, answer: requests.Response, path: str) -> requests.Response:
        if 300 <= answer.status_code < 400 and answer.status_code != 304:
            raise UnreachableError(
                f"{self.server} redirects to {answer.headers.get('Location', 'another address')}. "
                "Sign in to that address: the token is not forwarded."
            )
        if answer.status_code == 401:
            raise RejectedError(401, f"{self.server} rejected the token. It is wrong, expired or revoked.")
        if answer.status_code >= 400:
            raise RejectedError(answer.status_code, *_problem(answer))
        return answer


def user_agent() -> str:
    """Such as `automate/0.2.0 (Python 3.13.1; Linux)`."""
    return f"automate/{version()} (Python {platform.python_version()}; {platform.system()})"


def version() -> str:
    """The installed version of this program."""
    return metadata.version("django-automate-cli")


def json_of(answer: requests.Response, server: str) -> Any:
    """The JSON of an answer; None without content. Raises UnreachableError."""
    if answer.status_code == 204 or not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        raise _not_the_api(server) from None


def _encoded(headers: Mapping[str, str], body: Any) -> tuple[dict[str, str], bytes | None]:
    """The headers of a request, and its body as it is sent."""
    own = {"Accept": "application/json", **headers}
    if body is not None and "Content-Type" not in own:
        own["Content-Type"], body = "application/json", json.dumps(body)
    return own, body.encode() if isinstance(body, str) else body


def _problem(answer: requests.Response) -> tuple[str, str]:
    """(one line of a problem (RFC 9457), or of an answer that is none, its code)."""
    try:
        problem = answer.json()
    except (ValueError, requests.RequestException):
        problem = None
    if not isinstance(problem, dict):
        return f"The server answered {answer.status_code} {answer.reason or ''}".rstrip() + ".", ""
    text = str(problem.get("detail") or problem.get("title") or f"The server answered {answer.status_code}.")
    if answer.status_code in _MAY_PASS and (seconds := answer.headers.get("Retry-After", "")).isdecimal():
        text = f"{text} Retry after {seconds} seconds."
    errors = problem.get("errors")
    fields = [_field_error(each) for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    return " ".join([text, "; ".join(filter(None, fields))]).rstrip(), str(problem.get("code", ""))


def _field_error(error: Mapping[str, Any]) -> str:
    return ": ".join(str(error[name]) for name in ("field", "message") if error.get(name))


def _asked_to_wait(answer: requests.Response, attempt: int) -> float | None:
    """Seconds until the request may be sent again; None when it need not be.

    409 with Retry-After is the first attempt of the same key, still at work.
    """
    asked = answer.headers.get("Retry-After", "")
    if answer.request.method not in {"GET", "POST"} and answer.status_code != 429:
        return None
    if answer.status_code in _MAY_PASS or (answer.status_code == 409 and asked):
        return max(float(asked) if asked.isdecimal() else 0.0, _backoff(attempt))
    return None


def _backoff(attempt: int) -> float:
    """0.25 to 0.5 seconds before the second attempt, twice as many before each further one."""
    return float(0.25 * 2 ** (attempt - 1) * (1 + random.random()))  # noqa: S311 - spreads attempts


def _may_pass(error: requests.RequestException) -> bool:
    passing = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, passing) and not isinstance(
        error, (requests.exceptions.SSLError, requests.exceptions.ProxyError)
    )


def _reason(error: BaseException) -> str:
    """The innermost reason in words, without addresses of objects."""
    if isinstance(error, requests.Timeout):
        return "no answer in time."
    found = ""
    following: list[BaseException] = [error]
    while following:
        each = following.pop()
        found = getattr(each, "verify_message", "") or getattr(each, "strerror", "") or found
        inner = [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
        following += [one for one in inner if isinstance(one, BaseException)]
    return f"{found or type(error).__name__}."


def _not_the_api(server: str) -> UnreachableError:
    return UnreachableError(f"{server} does not answer like the API of Django Automate. Check the address.")
