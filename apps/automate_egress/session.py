"""HttpSession: requests with a guard at the socket, a deadline, a size cap, and credentials bound to their hosts."""

from __future__ import annotations

import contextlib
import json as jsonlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

import requests  # noqa: TID251 - this package is the way out that everything else goes through
from requests.structures import CaseInsensitiveDict  # noqa: TID251
from ssrfguard import SSRFGuardError, TooManyRedirectsError
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError  # noqa: TID251

from automate_egress.errors import (
    EgressBlockedError,
    EgressCancelledError,
    EgressConnectionError,
    EgressError,
    EgressInvalidAnswerError,
    EgressResponseTooLargeError,
    EgressTimeoutError,
    blocked_error,
    connection_error,
    untrusted_error,
)
from automate_egress.first_hop import Answer
from automate_egress.policy import (
    MAX_ADDRESSES,
    WEB_PORTS,
    ascii_host,
    is_listed_host,
    public_policy,
    shared_rules,
)
from automate_egress.retry_after import retry_after
from automate_egress.sockets import CONNECT_SECONDS
from automate_egress.transport import get_transport
from automate_plugins import text

TOTAL_SECONDS = 30.0  # where no deadline is given
MAX_BODY_BYTES = 5_000_000
_CHUNK = 65_536
# Of what Python can decode, what the web uses: some of the rest takes hours for an answer that is made for it.
_CHARSET = re.compile(
    r"utf-(8|16|16le|16be)|(us-)?ascii|latin-?1|iso-8859-([1-9]|1[0-13-6])|windows-125[0-8]|koi8-[ru]"
    r"|shift-jis|euc-(jp|kr)|gbk|gb2312|gb18030|big5"
)
_AMBIGUOUS = re.compile(r"[\\\x00-\x1f\x7f]")  # parsers disagree on what is the host of such a URL
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# What belongs to the connection, not to the caller (RFC 9110, section 7.6.1). Host is one: where many sites share an
# address, another Host takes the credentials to another site.
_CONNECTION_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"}
)


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A complete response. `url` is the one that answered, after redirects."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""

    @property
    def text(self) -> str:
        """The body as text, in the response's charset if it is a usual one, else UTF-8, with replacements."""
        content_type = self.headers.get("content-type", "")
        _, _, charset = content_type.partition("charset=")
        name = charset.split(";")[0].strip(' "').lower().replace("_", "-")
        return self.body.decode(name if _CHARSET.fullmatch(name) else "utf-8", "replace")

    @property
    def retry_after(self) -> float | None:
        """The seconds of Retry-After, as a number or a date; None without one."""
        return retry_after(self.headers)

    def json(self) -> Any:
        """Parse the body as JSON. Raises EgressInvalidAnswerError, which is a ValueError."""
        try:
            return jsonlib.loads(self.body)
        except ValueError as error:
            message = text("The response (HTTP %(status)s) is not JSON.", status=self.status)
            if self.url:
                message = text(
                    "The response from %(host)s (HTTP %(status)s) is not JSON.",
                    host=_host(self.url),
                    status=self.status,
                )
            raise EgressInvalidAnswerError(message) from error


@dataclass(frozen=True, slots=True)
class _Body:
    """Where the body of a good answer goes, and its largest size; None: into the response."""

    into: IO[bytes] | None
    max_bytes: int


class HttpSession:
    """One caller's way out.

    `internal_hosts` are the `host:port` pairs that may be on private addresses (http allowed there), `ports` those of
    public servers, `proxy` the URL of a proxy for requests to public servers ("" for none). `bound_hosts` are the host
    names that the caller's credentials belong to: when given, every hop must be one of them. `deadline` (seconds on
    `time.monotonic()`) ends all requests, however slowly an answer comes; `cancelled` is asked whenever something
    comes. `headers_for` gives further headers for a host and a port. Those of a request come before them, and a
    redirect to another origin drops them.
    """

    def __init__(
        self,
        *,
        internal_hosts: Iterable[str] = (),
        ports: Iterable[int] = WEB_PORTS,
        proxy: str = "",
        bound_hosts: Iterable[str] | None = None,
        deadline: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        max_body_bytes: int = MAX_BODY_BYTES,
        headers_for: Callable[[str, int], Mapping[str, str]] | None = None,
    ) -> None:
        self._rules = shared_rules(frozenset(internal_hosts), frozenset(ports), proxy)
        self._bound_hosts = None if bound_hosts is None else frozenset(map(ascii_host, bound_hosts))
        self._deadline = deadline
        self._started = time.monotonic()
        self._cancelled = cancelled
        self._max_body_bytes = max_body_bytes
        self._headers_for = headers_for

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, Any] | Iterable[bytes] | None = None,
        follow_redirects: bool = True,
        into: IO[bytes] | None = None,
        max_bytes: int | None = None,
    ) -> HttpResponse:
        """Send one request and read its answer, whatever its status. `data` may be an iterator: it is streamed.

        With `into`, the body of an answer below 400 is written there, up to `max_bytes`, and that of the response is
        empty.
        Raises EgressBlockedError, EgressTimeoutError, EgressConnectionError or EgressResponseTooLargeError.
        """
        try:
            return self._exchange(
                method.upper(),
                url,
                headers=dict(headers or {}),
                params=params,
                json=json,
                data=data,
                allow_redirects=follow_redirects,
                body=_Body(into, max_bytes if into is not None and max_bytes else self._max_body_bytes),
            )
        except EgressError:
            raise
        except (requests.RequestException, SSRFGuardError, HTTPError, OSError, ValueError) as error:
            raise self._egress_error(url, error) from error

    def _egress_error(self, url: str, error: Exception) -> EgressError:
        """Return our error for an exception of requests, urllib3, the guard or the system."""
        host = _host(url)
        match error:
            case TooManyRedirectsError() | requests.TooManyRedirects():
                return EgressBlockedError(text("%(host)s redirected too many times.", host=host))
            case SSRFGuardError():
                return _blocked_error(url, host, error)
            case _ if self._is_over() or isinstance(error, ReadTimeoutError | requests.ReadTimeout | TimeoutError):
                waited = time.monotonic() - self._started
                return EgressTimeoutError(
                    text("%(host)s did not respond within %(seconds)s s.", host=host, seconds=float(f"{waited:.3g}"))
                )
            case requests.exceptions.SSLError() if "certificate verify failed" in str(error):
                return untrusted_error(host, str(error))
            case requests.ConnectTimeout() | requests.ConnectionError() if _never_connected(error):
                return connection_error(host)
            case ValueError():  # requests' InvalidURL and its kin, unparsable hosts, headers HTTP cannot carry
                return EgressBlockedError(
                    text("Invalid request to %(url)s: %(reason)s", url=repr(url[:200]), reason=str(error))
                )
        return EgressConnectionError(text("The connection to %(place)s failed.", place=host))

    def _exchange(self, method: str, url: str, *, body: _Body, **options: Any) -> HttpResponse:
        if _AMBIGUOUS.search(url):
            raise ValueError(text("A URL cannot contain %(characters)s.", characters="\\, U+0000-U+001F, U+007F"))
        if urlsplit(url).port == 0:  # requests would take the scheme's own
            raise ValueError(text("Port %(port)s is not valid.", port=0))
        for name in options["headers"]:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(text("%(value)s is not a header name.", value=repr(name[:50])))
            if name.lower() in _CONNECTION_HEADERS or name.lower().startswith("proxy-"):
                raise ValueError(text("The header %(name)s is set automatically. Remove it.", name=name))
        if self._headers_for is not None:
            options["headers"] = self._with_further_headers(url, options["headers"])
        transport = get_transport(self._rules)
        self._started = time.monotonic()
        remaining = self._remaining()
        transport.bound_hosts, transport.remaining = self._bound_hosts, self._remaining
        transport.follows = options["allow_redirects"]
        connect = min(CONNECT_SECONDS, remaining / MAX_ADDRESSES)
        response = transport.request(method, url, stream=True, timeout=(connect, remaining), **options)
        try:
            return HttpResponse(
                status=response.status_code,
                headers=CaseInsensitiveDict(response.headers),
                body=self._read(response, url, body),
                url=response.url,
            )
        finally:
            response.close()

    def _with_further_headers(self, url: str, headers: dict[str, str]) -> dict[str, str]:
        parts = urlsplit(url)
        if self._headers_for is None or not parts.hostname:
            return headers
        port = parts.port or (80 if parts.scheme.lower() == "http" else 443)
        given = {name.lower() for name in headers}
        further = self._headers_for(parts.hostname, port)
        return headers | {name: value for name, value in further.items() if name.lower() not in given}

    def _read(self, response: requests.Response | Answer, url: str, body: _Body) -> bytes:
        into = body.into if response.status_code < 400 else None
        most = body.max_bytes if into is not None else self._max_body_bytes
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=True):
                size += len(chunk)
                if size > most:
                    raise EgressResponseTooLargeError(
                        text(
                            "The response from %(host)s is larger than %(count)s bytes.",
                            host=_host(url),
                            count=most,
                        )
                    )
                if into is None:
                    chunks.append(chunk)
                else:
                    into.write(chunk)
            return b"".join(chunks)
        finally:
            chunks.clear()  # an error's traceback holds this frame for as long as anyone holds the error

    def _remaining(self) -> float:
        if self._cancelled():
            raise EgressCancelledError(text("Cancelled."))
        remaining = self._end() - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def _end(self) -> float:
        return self._started + TOTAL_SECONDS if self._deadline is None else self._deadline

    def _is_over(self) -> bool:
        return time.monotonic() >= self._end()


def _never_connected(error: Exception) -> bool:
    """Return whether a connection was never made; refused and timed out look the same."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _host(url: str) -> str:
    """Return host and port of a URL, for messages."""
    try:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2] if parts.hostname else "(invalid URL)"
    except ValueError:
        return "(invalid URL)"


def check_written_url(url: str, *, internal_hosts: Iterable[str] = (), ports: Iterable[int] = WEB_PORTS) -> None:
    """Raise EgressBlockedError for a URL that no call can reach. No name is looked up."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
        if is_listed_host(parts.hostname or "", port, internal_hosts):
            return
    try:
        public_policy(ports=ports).check_url(url)
    except SSRFGuardError as error:
        raise _blocked_error(url, _host(url), error) from error


def _blocked_error(url: str, host: str, error: SSRFGuardError) -> EgressBlockedError:
    if url.startswith("http:"):
        return EgressBlockedError(
            text(
                "Blocked: %(host)s requires https, unless an administrator allows it in AUTOMATE_EGRESS_ALLOW.",
                host=host,
            )
        )
    return blocked_error(host, error)
