"""HttpSession: requests with a guard at the socket, a deadline, a size cap, and credentials bound to their hosts."""

from __future__ import annotations

import json as jsonlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests  # noqa: TID251 - this package is the way out that everything else goes through
from requests.adapters import BaseAdapter  # noqa: TID251
from requests.structures import CaseInsensitiveDict  # noqa: TID251
from ssrfguard import Policy, SSRFGuardError, TooManyRedirectsError
from ssrfguard.requests import SafeAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError  # noqa: TID251

from automate_egress.answers import timed_answer
from automate_egress.errors import (
    EgressBlockedError,
    EgressConnectionError,
    EgressError,
    EgressResponseTooLargeError,
    EgressTimeoutError,
)
from automate_egress.policy import internal_policy, public_policy, split_host

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0  # where no deadline is given
MAX_BODY_BYTES = 5_000_000
_CHUNK = 65_536
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_KEPT_ACROSS_ORIGINS = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-length", "content-type", "user-agent"}
)


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """An answer, read to its end. `url` is the one that answered, after redirects."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""

    @property
    def text(self) -> str:
        """The body as text, by the charset the answer names, else UTF-8; undecodable bytes are replaced."""
        content_type = self.headers.get("content-type", "")
        _, _, charset = content_type.partition("charset=")
        try:
            return self.body.decode(charset.split(";")[0].strip(' "') or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body parsed as JSON. Raises ValueError."""
        return jsonlib.loads(self.body)


class HttpSession:
    """One caller's way out.

    `internal_hosts` are the `host:port` pairs that may be on private addresses (http allowed there). `bound_hosts`
    are the host names that the caller's credentials belong to: when given, every hop must be one of them.
    `deadline` (seconds on `time.monotonic()`) ends all requests, however slowly an answer comes; `cancelled` is asked
    whenever something comes.
    """

    def __init__(
        self,
        *,
        internal_hosts: Iterable[str] = (),
        bound_hosts: Iterable[str] | None = None,
        deadline: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._internal_hosts = frozenset(internal_hosts)
        self._bound_hosts = None if bound_hosts is None else frozenset(host.lower() for host in bound_hosts)
        self._deadline = deadline
        self._started = time.monotonic()
        self._cancelled = cancelled
        self._max_body_bytes = max_body_bytes

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, Any] | None = None,
        follow_redirects: bool = True,
    ) -> HttpResponse:
        """Send one request and read its answer, whatever its status.

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
            )
        except EgressError:
            raise
        except (TooManyRedirectsError, requests.TooManyRedirects) as error:
            raise EgressBlockedError(f"{_host(url)} redirected too often") from error
        except SSRFGuardError as error:
            raise EgressBlockedError(_refusal(url, error)) from error
        except (requests.Timeout, ReadTimeoutError, TimeoutError) as error:
            waited = time.monotonic() - self._started
            raise EgressTimeoutError(f"{_host(url)} did not answer within {waited:.3g} seconds") from error
        except ValueError as error:  # requests' InvalidURL and its kin, unparsable hosts, headers HTTP cannot carry
            raise EgressBlockedError(f"not a request that can be sent to {url[:200]!r}: {error}") from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise EgressConnectionError(f"the connection to {_host(url)} failed") from error

    def _exchange(self, method: str, url: str, **options: Any) -> HttpResponse:
        for name in options["headers"]:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name[:50]!r} is not the name of a header")
        transport = _transport(self._internal_hosts)
        self._started = time.monotonic()
        remaining = self._remaining()
        transport.bound_hosts, transport.remaining = self._bound_hosts, self._remaining
        transport.follows = options["allow_redirects"]
        response = transport.request(
            method, url, stream=True, timeout=(min(CONNECT_SECONDS, remaining), remaining), **options
        )
        try:
            return HttpResponse(
                status=response.status_code,
                headers=CaseInsensitiveDict(response.headers),
                body=self._read(response, url),
                url=response.url,
            )
        finally:
            response.close()

    def _read(self, response: requests.Response, url: str) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := response.raw.read(_CHUNK, decode_content=True):
                size += len(chunk)
                if size > self._max_body_bytes:
                    raise EgressResponseTooLargeError(f"{_host(url)} sent more than {self._max_body_bytes:,} bytes")
                chunks.append(chunk)
            return b"".join(chunks)
        finally:
            chunks.clear()  # an error's traceback holds this frame for as long as anyone holds the error

    def _remaining(self) -> float:
        if self._cancelled():
            raise EgressError("cancelled")
        if self._deadline is None:
            return READ_SECONDS
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


class _Transport(requests.Session):
    """A connection pool whose every hop, redirects included, passes the policy and the caller's bound hosts.

    `remaining` gives the seconds that the current request still has, or raises.
    """

    bound_hosts: frozenset[str] | None = None
    follows = True

    def __init__(self, internal_hosts: frozenset[str]) -> None:
        super().__init__()
        self.remaining: Callable[[], float] = lambda: READ_SECONDS
        self.trust_env = False
        self.headers["User-Agent"] = "django-automate"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._internal_pairs = frozenset(split_host(host) for host in internal_hosts)
        self._public = public_policy()
        self._public_adapter = self._adapter(self._public)
        self.max_redirects = self._public.max_redirects
        if internal_hosts:
            self._internal = internal_policy(internal_hosts)
            self._internal_adapter = self._adapter(self._internal)

    def _adapter(self, policy: Policy) -> SafeAdapter:
        adapter = SafeAdapter(policy=policy)
        answer = timed_answer(lambda: self.remaining())  # late: the next request brings its own
        for pool in adapter.poolmanager.pool_classes_by_scheme.values():
            pool.ConnectionCls.response_class = answer
        return adapter

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        """The adapter for one hop; requests asks for it once a hop. Raises EgressBlockedError, SSRFGuardError."""
        self.remaining()
        address = url.decode() if isinstance(url, bytes) else url
        host = (urlsplit(address).hostname or "").lower()
        if self.bound_hosts is not None and host not in self.bound_hosts:
            raise EgressBlockedError(f"this connection may not be used for {host or 'that address'}")
        if self._internal_pairs:
            try:
                target = self._internal.check_url(address)
            except SSRFGuardError:
                pass  # not one of the internal hosts: the public policy decides
            else:
                if (target.host, target.port) in self._internal_pairs:
                    return self._internal_adapter
        self._public.check_url(address)
        return self._public_adapter

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where a followed answer points to; the rest of that answer is never read."""
        target = super().get_redirect_target(resp) if self.follows else None
        if target is not None:
            resp.close()
            resp._content = b""
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Carry only harmless headers to another origin: an API key has no fixed name to strip."""
        if self.should_strip_auth(  # type: ignore[no-untyped-call]
            str(response.request.url), str(prepared_request.url)
        ):
            for name in [name for name in prepared_request.headers if name.lower() not in _KEPT_ACROSS_ORIGINS]:
                del prepared_request.headers[name]


_local = threading.local()


def _transport(internal_hosts: frozenset[str]) -> _Transport:
    """This thread's pool for that set of internal hosts: kept connections, no shared state between threads."""
    pools: dict[frozenset[str], _Transport] = _local.__dict__.setdefault("pools", {})
    if internal_hosts not in pools:
        pools[internal_hosts] = _Transport(internal_hosts)
    return pools[internal_hosts]


def _host(url: str) -> str:
    """Host and, where it is given, port of an address, for messages."""
    try:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2] if parts.hostname else "that address"
    except ValueError:
        return "that address"


def _refusal(url: str, error: SSRFGuardError) -> str:
    if url.startswith("http:"):
        return f"{_host(url)} may only be called over https, or be named in AUTOMATE_EGRESS_ALLOW ({error})"
    return f"{_host(url)} is not an address that workflows may reach ({error})"
