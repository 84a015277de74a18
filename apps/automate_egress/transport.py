"""Transport: a requests session whose every hop is checked by the policy and the caller's bound hosts."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests  # noqa: TID251 - this package is the way out that everything else goes through
from requests.adapters import BaseAdapter, HTTPAdapter  # noqa: TID251
from requests.cookies import RequestsCookieJar  # noqa: TID251
from requests.hooks import default_hooks  # noqa: TID251
from ssrfguard import Policy, SSRFGuardError
from ssrfguard.requests import SafeAdapter
from urllib3.util import Timeout  # noqa: TID251

from automate_egress.errors import EgressBlockedError
from automate_egress.first_hop import KEPT_URLS, Answer, prepare_request, send_request
from automate_egress.policy import Rules, ascii_host, internal_policy, public_policy
from automate_egress.sockets import timed_lookup, timed_pools
from automate_egress.tls import PUBLIC_AUTHORITIES
from automate_plugins import text

_HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-length", "content-type", "user-agent"}
)


class Transport(requests.Session):
    """One thread's session under one set of rules.

    `remaining` returns the seconds that the current request still has, or raises.
    """

    bound_hosts: frozenset[str] | None = None
    follows = True

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.remaining: Callable[[], float] = float
        self.trust_env = False  # no proxy, netrc or certificate bundle from the environment
        self.verify = PUBLIC_AUTHORITIES
        self.headers["User-Agent"] = "django-automate"
        self._defaults = {name: str(value) for name, value in self.headers.items()}
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._public = public_policy(ports=rules.ports)
        self._public_adapter = _ProxyAdapter(rules.proxy, self._left) if rules.proxy else self._guarded(self._public)
        self.max_redirects = self._public.max_redirects
        self._internal_pairs = rules.internal_pairs
        if self._internal_pairs:
            self._internal = internal_policy(self._internal_pairs)
            self._internal_adapter = self._guarded(self._internal)
        self._adapter_of = functools.lru_cache(KEPT_URLS)(self._find_adapter)  # the policies never change

    def request(  # type: ignore[override] # the part that HttpSession uses
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        allow_redirects: bool = True,
        stream: bool = True,
        **content: Any,
    ) -> requests.Response | Answer:
        """Send a request and follow redirects; the body is still to be read.

        `content` are `params`, `json` and `data`. Raises what requests raises, EgressBlockedError and SSRFGuardError.
        """
        prepared = prepare_request(method, url, headers=headers, defaults=self._defaults, **content)
        adapter = self.get_adapter(str(prepared.url))
        if not isinstance(adapter, SafeAdapter):
            _complete(prepared)
            return self.send(prepared, timeout=timeout, allow_redirects=allow_redirects, stream=stream)
        connect, read = timeout
        answer = send_request(
            adapter, prepared, timeout=Timeout(connect=connect, read=read), authorities=str(self.verify)
        )
        if not (allow_redirects and answer.is_redirect):
            return answer
        _complete(prepared)
        first = adapter.build_response(prepared, answer.raw)
        options: dict[str, Any] = {"timeout": timeout, "stream": stream, "verify": self.verify, "proxies": {}}
        last: requests.Response = [first, *self.resolve_redirects(first, prepared, **options)][-1]
        return last

    def _left(self) -> float:
        return self.remaining()  # late: the next request brings its own

    def _guarded(self, policy: Policy) -> SafeAdapter:
        adapter = SafeAdapter(policy=policy, resolver=timed_lookup(self._left))
        manager = adapter.poolmanager
        manager.pool_classes_by_scheme = timed_pools(manager.pool_classes_by_scheme, self._left)
        return adapter

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        """Return the adapter for one hop; requests calls it once a hop. Raises EgressBlockedError, SSRFGuardError."""
        self.remaining()
        address = url.decode() if isinstance(url, bytes) else url
        host = ascii_host(urlsplit(address).hostname or "")
        if self.bound_hosts is not None and host not in self.bound_hosts:
            raise EgressBlockedError(
                text("This connection cannot be used for %(host)s. Add the host to the connection.", host=host)
                if host
                else text("The URL has no host.")
            )
        return self._adapter_of(address)

    def _find_adapter(self, address: str) -> BaseAdapter:
        """The adapter for a URL, by the policies. Raises SSRFGuardError."""
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
        """Return the target of a followed redirect; the rest of that response is never read."""
        target = super().get_redirect_target(resp) if self.follows else None
        if target is not None:
            resp.close()
            if resp.status_code in {307, 308} and not isinstance(resp.request.body, bytes | str | None):
                raise EgressBlockedError(text("The server redirected an upload. Use the URL of the redirect target."))
            resp._content = b""
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Keep only harmless headers for another origin: an API key has no fixed name to strip."""
        if self.should_strip_auth(  # type: ignore[no-untyped-call]
            str(response.request.url), str(prepared_request.url)
        ):
            for name in [name for name in prepared_request.headers if name.lower() not in _HARMLESS_HEADERS]:
                del prepared_request.headers[name]


def _complete(prepared: requests.PreparedRequest) -> None:
    """Add what the session of requests expects of a request that it sends."""
    prepared.prepare_cookies(RequestsCookieJar())
    prepared.hooks = default_hooks()


class _ProxyAdapter(HTTPAdapter):
    """Sends every request through the site's proxy, which resolves and checks the names."""

    def __init__(self, proxy: str, remaining: Callable[[], float]) -> None:
        self._through = {"http": proxy, "https": proxy}
        self._remaining = remaining
        super().__init__()

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """The proxy's pool manager, made once, with connections that keep to the deadline."""
        made = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not made:
            manager.pool_classes_by_scheme = timed_pools(manager.pool_classes_by_scheme, self._remaining)
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send by the proxy. Raises what requests raises."""
        return super().send(request, *args, **{**options, "proxies": self._through})


_local = threading.local()


def get_transport(rules: Rules) -> Transport:
    """Return this thread's transport for those rules: kept connections, no state shared between threads."""
    made: dict[Rules, Transport] = _local.__dict__.setdefault("made", {})
    if rules not in made:
        made[rules] = Transport(rules)
    return made[rules]
