"""The table of attacks: nothing in it is connected to, and without the defence it would be."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from ssrfguard import AddressTable

from automate_egress import EgressBlockedError, EgressConnectionError, HttpSession, Network, policy, transport
from automate_egress.sockets import forget_lookups
from tests.egress import attacks


@pytest.fixture
def wire(monkeypatch):
    """The network: names resolve as the table says, numbers as the system would, and connecting is only written down."""
    reached = []

    def resolve(host, port, family=0, kind=0, proto=0, flags=0):
        name = host.decode() if isinstance(host, bytes) else host
        found = attacks.NAMES.get(name.rstrip(".").lower()) or _numbers(name)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    def connect(self, address):
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(transport, "_local", threading.local())  # what other tests kept
    return reached


def _numbers(name):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return [socket.inet_ntop(family, socket.inet_pton(family, name.strip("[]")))]
        except (OSError, ValueError):
            continue
    try:
        return [socket.inet_ntoa(socket.inet_aton(name))]  # every spelling that the C library takes
    except (OSError, ValueError):
        return []


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in attacks.addresses() + attacks.shapes()}))
def test_nothing_of_the_table_is_connected_to(wire, kind):
    misses = []
    for url in (url for row, url in attacks.addresses() + attacks.shapes() if row == kind):
        try:
            HttpSession(deadline=time.monotonic() + 30).request("GET", url)
        except EgressBlockedError as error:
            misses += [url] if error.retryable else []
        except EgressConnectionError as error:
            misses.append((url, error))
        else:
            misses.append(url)
    assert misses == [] and wire == []


@pytest.mark.parametrize("url", attacks.ALLOWED)
def test_what_is_public_is_connected_to(wire, url):
    with pytest.raises(EgressConnectionError):
        HttpSession(deadline=time.monotonic() + 30).request("GET", url)
    assert wire


def test_the_table_is_large_and_has_every_class():
    rows = attacks.addresses() + attacks.shapes()
    assert len(rows) > 190 and len({kind for kind, _ in rows}) == 36


@pytest.mark.parametrize("kind", attacks.ADDRESSES)
def test_without_the_address_table_every_such_row_gets_through(wire, monkeypatch, kind):
    """The table can fail: what refuses these rows is the list of addresses and nothing before it."""
    open_table = AddressTable((), snapshot="none")
    monkeypatch.setattr(policy, "DENIED", open_table)
    monkeypatch.setattr(policy.AddressPolicy, "check_address", lambda self, address: None)
    for row, url in attacks.addresses():
        if row == kind:
            wire.clear()
            with pytest.raises(EgressConnectionError):
                HttpSession(deadline=time.monotonic() + 30).request("GET", url)
            assert wire, url


def test_without_any_policy_the_spellings_get_through(wire, monkeypatch):
    """What a plain client does with the same rows: it connects to loopback."""
    monkeypatch.setattr(transport, "Transport", _Plain)
    kinds = set()
    for kind, url in attacks.shapes():
        wire.clear()
        with pytest.raises(Exception):  # noqa: B017 - whatever a plain client says
            HttpSession(deadline=time.monotonic() + 30).request("GET", url)
        kinds |= {kind} if wire else set()
    assert {
        "decimal", "octal", "hexadecimal", "short and padded", "user information",
        "fragments and queries", "schemes", "ports",
    } <= kinds  # fmt: skip


class _Plain(requests.Session):
    def __init__(self, rules):
        super().__init__()
        self.trust_env = False


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redirector():
    """A server that answers /CODE/TARGET with that redirect."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            seen.append(self.path)
            _, status, target = self.path.split("/", 2)
            self.send_response(int(status))
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


TARGETS = [
    "https://127.0.0.1/",
    "https://169.254.169.254/latest/",
    "https://[::ffff:169.254.169.254]/",
    "https://10.0.0.1/",
    "https://2130706433/",
    "https://user@127.0.0.1/",
    "http://example.com/",
    "//10.0.0.1/",
    "\\\\10.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "https://168.63.129.16/",
    "https://example.com:22/",
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", TARGETS)
def test_every_hop_is_checked(redirector, status, target):
    host, seen = redirector
    seen.clear()
    session = HttpSession(internal_hosts=[host], deadline=time.monotonic() + 30)
    if target.startswith("\\"):  # a path, as browsers and we read it differently: it stays on this server
        with pytest.raises((EgressBlockedError, EgressConnectionError)):
            session.request("POST", f"http://{host}/{status}/{target}", data=b"x")
        return
    with pytest.raises(EgressBlockedError):
        session.request("POST", f"http://{host}/{status}/{target}", data=b"x")
    assert len(seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_relative_redirects_are_followed_and_counted(redirector, status):
    host, seen = redirector
    seen.clear()
    with pytest.raises(EgressBlockedError, match="too many times"):
        HttpSession(internal_hosts=[host]).request("GET", f"http://{host}/{status}/{status}/{status}")
    assert len(seen) == 6


# --- other protocols --------------------------------------------------------------------------------------------------


def test_other_protocols_are_checked_alike(wire):
    misses = []
    for _, url in attacks.addresses():
        host = url.removeprefix("https://").partition("/")[0].strip("[]")
        with contextlib.suppress(EgressBlockedError):
            misses.append(Network(deadline=time.monotonic() + 30).connect(host, 587, ports={587}))
        with contextlib.suppress(EgressBlockedError):
            misses.append(Network(deadline=time.monotonic() + 30).addresses(host, 5432, ports={5432}))
    assert misses == [] and wire == []


@pytest.mark.parametrize(
    "host", ["", "a/b", "a@b", "public.test:80", "public.test/x", "/var/run", "public.test,10.0.0.1", "a b", "2130706433", "127.1"]
)  # fmt: skip
def test_what_is_not_a_host_alone_is_refused(wire, host):
    with pytest.raises(EgressBlockedError):
        Network(deadline=time.monotonic() + 30).connect(host, 5432, ports={5432})
    assert wire == []


def test_other_protocols_reach_what_is_public_on_their_ports(wire):
    with pytest.raises(EgressConnectionError):
        Network().connect("public.test", 587, ports={587})
    assert wire == ["93.184.216.34"]
    assert Network().addresses("public.test", 5432, ports={5432}) == ["93.184.216.34"]
    with pytest.raises(EgressBlockedError, match=r"the port of public\.test:22"):
        Network().connect("public.test", 22, ports={587})
    with pytest.raises(EgressBlockedError, match=r"cannot be used for public\.test"):
        Network(bound_hosts=["mail.test"]).connect("public.test", 587, ports={587})


def test_an_internal_host_is_reached_on_its_port_alone(wire):
    network = Network(internal_hosts=["private.test:5432", "metadata.test:5432"])
    assert network.addresses("private.test", 5432, ports={5432}) == ["10.0.0.7"]
    assert network.is_internal("PRIVATE.test", 5432) and not network.is_internal("private.test", 5433)
    with pytest.raises(EgressBlockedError):
        network.addresses("private.test", 6432, ports={5432, 6432})
    with pytest.raises(EgressBlockedError):  # naming a host does not open the metadata service
        network.addresses("metadata.test", 5432, ports={5432})


def test_naming_a_host_does_not_open_amazons_metadata_service(wire, monkeypatch):
    monkeypatch.setitem(attacks.NAMES, "private.test", ["fd00:ec2::254"])
    with pytest.raises(EgressBlockedError):
        Network(internal_hosts=["private.test:5432"]).addresses("private.test", 5432, ports={5432})
    monkeypatch.setitem(attacks.NAMES, "private.test", ["fd12::7"])
    forget_lookups()
    assert Network(internal_hosts=["private.test:5432"]).addresses("private.test", 5432, ports={5432}) == ["fd12::7"]


def test_a_refusal_does_not_say_what_a_name_resolves_to(wire):
    for url in ("https://private.test/", "https://metadata.test/"):
        with pytest.raises(EgressBlockedError) as caught:
            HttpSession().request("GET", url)
        assert "10.0" not in str(caught.value) and "169.254" not in str(caught.value)
        assert "AUTOMATE_EGRESS_ALLOW" in str(caught.value)
