"""The HTTP session and network of a connector's context, under the site's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from automate_egress import EgressBlockedError, HttpSession, Network
from automate_egress.policy import WEB_PORTS, ascii_host, is_listed_host, is_proxy_url, split_host
from automate_egress.session import check_written_url
from automate_plugins.documentation import doc

INTERNAL = "internal"  #: the hosts of AUTOMATE_EGRESS_ALLOW
TRACEPARENT_HOSTS = (INTERNAL,)


def outbound_clients(
    *,
    bound_hosts: Iterable[str] | None = None,
    deadline: float | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    traceparent: Callable[[], str] | None = None,
) -> dict[str, Any]:
    """Return `http` and `network` of a connector's context.

    `bound_hosts` are the hosts that the connection's credentials may be sent to, `deadline` is in seconds on
    `time.monotonic()`, `cancelled` is called while waiting for the other side. `traceparent` is called for the header
    that places spans of other systems, for those that AUTOMATE_TRACEPARENT_HOSTS lists; empty for none.
    """
    hosts = None if bound_hosts is None else tuple(bound_hosts)
    return {
        "http": http_session(
            bound_hosts=hosts, deadline=deadline, cancelled=cancelled, headers_for=_trace_headers(traceparent)
        ),
        "network": Network(internal_hosts=_internal_hosts(), bound_hosts=hosts, deadline=deadline, cancelled=cancelled),
    }


def http_session(**options: Any) -> HttpSession:
    """Return an HttpSession with these options, under the site's settings."""
    return HttpSession(
        internal_hosts=_internal_hosts(),
        ports=getattr(settings, "AUTOMATE_EGRESS_PORTS", WEB_PORTS),
        proxy=getattr(settings, "AUTOMATE_EGRESS_PROXY", ""),
        **options,
    )


def blocked_reason(url: str) -> str:
    """Return why no call reaches a URL under the site's settings, judged by its text alone; empty if one may."""
    ports = getattr(settings, "AUTOMATE_EGRESS_PORTS", WEB_PORTS)
    try:
        check_written_url(url, internal_hosts=_internal_hosts(), ports=ports)
    except EgressBlockedError as error:
        return str(error)
    return ""


def _trace_headers(traceparent: Callable[[], str] | None) -> Callable[[str, int], dict[str, str]] | None:
    """Function from a host and a port to the trace headers for it; None if no host gets them."""
    hosts = getattr(settings, "AUTOMATE_TRACEPARENT_HOSTS", TRACEPARENT_HOSTS)
    if not hosts or traceparent is None:
        return None

    def headers_for(host: str, port: int) -> dict[str, str]:
        value = traceparent()
        return {"traceparent": value} if value and is_traced_host(host, port, hosts) else {}

    return headers_for


def is_traced_host(host: str, port: int, hosts: Iterable[str]) -> bool:
    """Return whether `hosts` lists a host: by name, by `*.domain`, by `*`, or by `internal` as an internal one."""
    name = ascii_host(host)
    for listed in hosts:
        if listed == INTERNAL:
            if is_listed_host(name, port, _internal_hosts()):
                return True
        elif (
            listed == "*"
            or ascii_host(listed) == name
            or (listed.startswith("*.") and name.endswith(ascii_host(listed[1:])))
        ):
            return True
    return False


def exporter_session(place: str, **options: Any) -> HttpSession:
    """Return an HttpSession for the site's own exports to `place`, a `host:port` that its settings name.

    It reaches that host, also on a private address, and no other; workflows may reach it no more than before. With
    AUTOMATE_EGRESS_PROXY, a host at port 443 is reached by the proxy, unless AUTOMATE_EGRESS_ALLOW lists it.
    """
    proxy = getattr(settings, "AUTOMATE_EGRESS_PROXY", "") if place.endswith(":443") else ""
    hosts = (*_internal_hosts(),) if proxy else (place,)
    return HttpSession(internal_hosts=hosts, proxy=proxy, bound_hosts=[split_host(place)[0]], **options)


def _internal_hosts() -> tuple[str, ...]:
    return tuple(getattr(settings, "AUTOMATE_EGRESS_ALLOW", ()))


def check_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E011 to E013: settings of the reachable hosts, ports and proxy are invalid."""
    return [Error(message, hint=f"See {doc('settings')}.", id=id_) for id_, message in _invalid_settings()]


def _listed(name: str) -> Iterable[Any]:
    """Return the items of a setting; none when it is not a list, which another check reports."""
    value = getattr(settings, name, ())
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def _is_host_and_port(pair: object) -> bool:
    """Whether an entry names a host and a port; a URL names no host, and would block silently."""
    if not isinstance(pair, str) or "/" in pair:
        return False
    try:
        split_host(pair)
    except ValueError:
        return False
    return True


def _invalid_settings() -> Iterator[tuple[str, str]]:
    for pair in _listed("AUTOMATE_EGRESS_ALLOW"):
        if not _is_host_and_port(pair):
            yield (
                "automate_connectors.E011",
                f"AUTOMATE_EGRESS_ALLOW must list host:port pairs such as db.internal:8080 (got {pair!r}).",
            )
    for port in _listed("AUTOMATE_EGRESS_PORTS"):
        if not isinstance(port, int) or not 1 <= port <= 65_535:
            yield "automate_connectors.E012", f"AUTOMATE_EGRESS_PORTS must list port numbers (got {port!r})."
    proxy = getattr(settings, "AUTOMATE_EGRESS_PROXY", "")
    if proxy and not (isinstance(proxy, str) and is_proxy_url(proxy)):
        yield "automate_connectors.E013", "AUTOMATE_EGRESS_PROXY must be a URL such as http://proxy.internal:4750."
