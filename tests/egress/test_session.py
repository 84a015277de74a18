"""The way out: what it refuses, what it caps, and that credentials stay with their hosts."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from automate_egress import (
    EgressBlockedError,
    EgressConnectionError,
    EgressError,
    EgressResponseTooLargeError,
    EgressTimeoutError,
    HttpSession,
)


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[dict[str, str]] = []
    sent = 0

    def do_GET(self):
        Server.seen.append(
            {
                "path": self.path,
                "peer": str(self.client_address[1]),
                **{name.lower(): value for name, value in self.headers.items()},
            }
        )
        match self.path.split("/")[1]:
            case "to":
                self._send(302, b"", {"Location": self.path.split("/", 2)[2]})
            case "loop":
                self._send(302, b"", {"Location": "/loop"})
            case "large":
                self._send(200, b"x" * 6_000_000)
            case "bomb":
                self._send(200, gzip.compress(b"0" * 50_000_000), {"Content-Encoding": "gzip"})
            case "away":  # a redirect whose own body has no end
                self.send_response(302)
                self.send_header("Location", "/end")
                self.send_header("Content-Length", "1000000000")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(200):
                        self.wfile.write(b"x" * 1_000_000)
                        Server.sent += 1_000_000
            case "headers":
                with contextlib.suppress(OSError):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    for _ in range(100):
                        self.wfile.write(b"x")
                        time.sleep(0.1)
            case "drip":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                for _ in range(100):
                    try:
                        self.wfile.write(b"x")
                    except OSError:
                        return
                    time.sleep(0.1)
            case "late":
                time.sleep(1)
                self._send(200, b"{}")
            case "cookie":
                self._send(200, b"{}", {"Set-Cookie": "session=1"})
            case _:
                self._send(200, b'{"ok": true}', {"Content-Type": "application/json"})

    def _send(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has had enough
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def servers():
    made = [ThreadingHTTPServer(("127.0.0.1", 0), Server) for _ in range(2)]
    for server in made:
        server.handle_error = lambda *args: None  # clients leave early on purpose
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"127.0.0.1:{server.server_port}" for server in made]
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def session(servers):
    Server.seen.clear()
    return HttpSession(internal_hosts=servers, deadline=time.monotonic() + 20)


REFUSED = """
http://example.com/
https://127.0.0.1/
https://127.1/
https://2130706433/
https://0x7f000001/
https://0177.0.0.1/
https://0/
https://[::1]/
https://[::ffff:127.0.0.1]/
https://[::ffff:7f00:1]/
https://[::ffff:0:127.0.0.1]/
https://[::127.0.0.1]/
https://[64:ff9b::7f00:1]/
https://[64:ff9b:1::7f00:1]/
https://[2002:7f00:1::]/
https://[fe80::1%25eth0]/
https://[fd00:ec2::254]/
https://10.0.0.1/
https://172.16.0.1/
https://192.168.1.1/
https://100.64.0.1/
https://100.100.100.200/
https://169.254.169.254/latest/meta-data/
https://169.254.170.2/
https://192.0.0.192/
https://168.63.129.16/metadata
https://198.18.0.1/
https://224.0.0.1/
https://255.255.255.255/
https://0.0.0.0/
https://localhost/
https://127.0.0.1.:443/
https://①②⑦.0.0.1/
https://127。0。0。1/
https://user:pass@example.com/
https://example.com@127.0.0.1/
https://127.0.0.1#@example.com/
https://example.com:22/
https://example.com:8080/
ftp://example.com/
file:///etc/passwd
gopher://127.0.0.1/
unix:///var/run/docker.sock
//127.0.0.1/
https://
https://[not-an-address/
https://exa mple.com/
javascript:alert(1)
""".strip().splitlines()


@pytest.mark.parametrize("url", REFUSED)
def test_refused(url):
    with pytest.raises(EgressBlockedError) as caught:
        HttpSession(deadline=time.monotonic() + 5).request("GET", url)
    assert not caught.value.retryable


def test_an_internal_host_is_reached_when_it_is_named(session, servers):
    response = session.request("GET", f"http://{servers[0]}/x", params={"a": 1})
    assert (response.status, response.json(), response.url) == (200, {"ok": True}, f"http://{servers[0]}/x?a=1")


def test_another_port_of_a_named_host_is_refused(servers):
    with pytest.raises(EgressBlockedError):
        HttpSession(internal_hosts=[servers[0]]).request("GET", f"http://{servers[1]}/")


@pytest.mark.parametrize(
    "target", ["https://127.0.0.1:9/", "http://169.254.169.254/", "file:///etc/passwd", "http://10.0.0.1/"]
)
def test_every_redirect_is_checked(session, servers, target):
    with pytest.raises(EgressBlockedError):
        session.request("GET", f"http://{servers[0]}/to/{target}")


def test_redirects_end(session, servers):
    with pytest.raises(EgressBlockedError, match="too often"):
        session.request("GET", f"http://{servers[0]}/loop")


def test_credentials_do_not_follow_to_another_origin(session, servers):
    headers = {"Authorization": "Bearer x", "X-Api-Key": "y", "Accept": "text/plain"}
    session.request("GET", f"http://{servers[0]}/to/http://{servers[1]}/end", headers=headers)
    first, second = Server.seen
    assert first["x-api-key"] == "y" and second["accept"] == "text/plain"
    assert "authorization" not in second and "x-api-key" not in second


def test_a_bound_session_goes_to_its_hosts_alone(servers):
    bound = HttpSession(internal_hosts=servers, bound_hosts=["api.example.com"])
    with pytest.raises(EgressBlockedError, match=r"may not be used for 127\.0\.0\.1"):
        bound.request("GET", f"http://{servers[0]}/")
    assert (
        HttpSession(internal_hosts=servers, bound_hosts=["127.0.0.1"]).request("GET", f"http://{servers[0]}/").status
        == 200
    )


@pytest.mark.parametrize("path", ["large", "bomb"])
def test_answers_are_capped_after_decoding(session, servers, path):
    with pytest.raises(EgressResponseTooLargeError):
        session.request("GET", f"http://{servers[0]}/{path}")


@pytest.mark.parametrize("path", ["drip", "headers"])
def test_the_deadline_ends_a_slow_drip(servers, path):
    started = time.monotonic()
    slow = HttpSession(internal_hosts=servers, deadline=time.monotonic() + 1)
    with pytest.raises(EgressTimeoutError, match=r"did not answer within 1(\.\d+)? seconds"):
        slow.request("GET", f"http://{servers[0]}/{path}")
    assert time.monotonic() - started < 2


def test_a_deadline_may_be_far(servers, monkeypatch):
    """A step that may take longer than most is given its time."""
    monkeypatch.setattr("automate_egress.session.TOTAL_SECONDS", 0.5)
    with pytest.raises(EgressTimeoutError):
        HttpSession(internal_hosts=servers).request("GET", f"http://{servers[0]}/late")
    patient = HttpSession(internal_hosts=servers, deadline=time.monotonic() + 20)
    assert patient.request("GET", f"http://{servers[0]}/late").status == 200


def test_the_body_of_a_redirect_is_not_read(session, servers):
    assert session.request("GET", f"http://{servers[0]}/away").json() == {"ok": True}
    assert Server.sent < 50_000_000
    unfollowed = session.request("GET", f"http://{servers[0]}/loop", follow_redirects=False)
    assert (unfollowed.status, unfollowed.headers["location"]) == (302, "/loop")


def test_connections_are_kept(session, servers):
    for _ in range(3):
        session.request("GET", f"http://{servers[0]}/end")
    assert len({request["peer"] for request in Server.seen}) == 1


def test_cancellation_is_noticed_between_chunks(servers):
    with pytest.raises(EgressError, match="cancelled"):
        HttpSession(internal_hosts=servers, cancelled=lambda: True).request("GET", f"http://{servers[0]}/")


def test_no_cookie_is_kept_and_no_proxy_is_used(session, servers, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    for _ in range(2):
        assert session.request("GET", f"http://{servers[0]}/cookie").status == 200
    assert all("cookie" not in request for request in Server.seen)


@pytest.mark.parametrize("headers", [{"X-A": "b\r\nX-B: c"}, {"X-A": "b\nc"}, {"X A": "b"}, {"X-A": "\u2603"}])
def test_headers_cannot_be_smuggled(session, servers, headers):
    with pytest.raises(EgressError):
        session.request("GET", f"http://{servers[0]}/", headers=headers)
    assert not Server.seen


def test_a_refused_connection_may_be_tried_again(servers):
    with pytest.raises(EgressConnectionError) as caught:
        HttpSession(internal_hosts=["127.0.0.1:1"]).request("GET", "http://127.0.0.1:1/")
    assert caught.value.retryable


def test_a_name_that_resolves_to_a_private_address_is_refused(monkeypatch):
    import socket

    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *args, **kwargs: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
    )
    with pytest.raises(EgressBlockedError):
        HttpSession().request("GET", "https://rebound.example.com/")


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    """A name that answers publicly first and privately then: only the first answer is ever used."""
    import socket

    answers = iter([("93.184.216.34", 443), ("127.0.0.1", 443)])
    asked = []

    def resolve(*args, **kwargs):
        asked.append(args[0])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", next(answers))]

    reached = []
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(
        socket.socket,
        "connect",
        lambda self, address: reached.append(address) or (_ for _ in ()).throw(OSError("no network here")),
    )
    with pytest.raises(EgressConnectionError):
        HttpSession().request("GET", "https://rebinding.example.com/")
    assert (reached, len(asked)) == ([("93.184.216.34", 443)], 1)
