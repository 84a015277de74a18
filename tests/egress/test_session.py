"""The way out: what it refuses, what it caps, and that credentials stay with their hosts."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from automate_egress import (
    EgressBlockedError,
    EgressConnectionError,
    EgressError,
    EgressResponseTooLargeError,
    EgressTimeoutError,
    EgressUntrustedError,
    HttpResponse,
    HttpSession,
    first_hop,
)
from automate_egress.answers import timed_file
from automate_egress.sockets import forget_lookups
from tests.support.certificates import Authority
from tests.support.costs import at_most


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[dict[str, str]] = []
    sent = 0
    ended = 0  # answers that took a minute

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
                    for _ in range(600):
                        self.wfile.write(b"x")
                        time.sleep(0.1)
                    Server.ended += 1
            case "drip":
                self.send_response(200)
                self.send_header("Content-Length", "600")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(600):
                        self.wfile.write(b"x")
                        time.sleep(0.1)
                    Server.ended += 1
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
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
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
        HttpSession(deadline=time.monotonic() + 30).request("GET", url)
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
    with pytest.raises(EgressBlockedError, match="too many times"):
        session.request("GET", f"http://{servers[0]}/loop")


def test_credentials_do_not_follow_to_another_origin(session, servers):
    headers = {"Authorization": "Bearer x", "X-Api-Key": "y", "Accept": "text/plain"}
    session.request("GET", f"http://{servers[0]}/to/http://{servers[1]}/end", headers=headers)
    first, second = Server.seen
    assert first["x-api-key"] == "y" and second["accept"] == "text/plain"
    assert "authorization" not in second and "x-api-key" not in second


def test_a_bound_session_goes_to_its_hosts_alone(servers):
    bound = HttpSession(internal_hosts=servers, bound_hosts=["api.example.com"])
    with pytest.raises(EgressBlockedError, match=r"cannot be used for 127\.0\.0\.1"):
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
    slow = HttpSession(internal_hosts=servers, deadline=time.monotonic() + 1)
    with pytest.raises(EgressTimeoutError, match=r"did not respond within \d+(\.\d+)? s"):
        slow.request("GET", f"http://{servers[0]}/{path}")
    assert Server.ended == 0, "it goes on for a minute"


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
    with pytest.raises(EgressError, match="Cancelled"):
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
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *args, **kwargs: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
    )
    with pytest.raises(EgressBlockedError):
        HttpSession().request("GET", "https://rebound.example.com/")


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    """A name that answers publicly first and privately then: only the first answer is ever used."""
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


def test_a_name_is_looked_up_once_and_its_answer_checked_each_time(monkeypatch):
    """The answer serves for every connection of the next seconds, and is refused to whoever may not use it."""
    asked, reached = [], []

    def resolve(*args, **kwargs):
        asked.append(args[0])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]

    def connect(self, address):
        reached.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    for _ in range(2):
        with pytest.raises(EgressConnectionError):
            HttpSession(internal_hosts=["inside.example.com:443"]).request("GET", "https://inside.example.com/")
    with pytest.raises(EgressBlockedError):
        HttpSession().request("GET", "https://inside.example.com/")
    assert (asked, reached) == (["inside.example.com"], [("10.0.0.7", 443)] * 2)
    forget_lookups()
    with pytest.raises(EgressBlockedError):
        HttpSession().request("GET", "https://inside.example.com/")
    assert len(asked) == 2


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"json": {"a": [1, None, "ä"]}},
        {"json": []},
        {"data": {"a": "1", "b": ["x", "y"]}},
        {"data": [("a", "1"), ("a", "2")]},
        {"data": "täxt"},
        {"data": b"\x00\xff", "headers": {"content-type": "image/png"}},
        {"params": {"q": "a b", "n": [1, 2], "none": None}},
        {"params": [("q", "1"), ("q", "2")], "headers": {"accept": "text/plain", "X-B": b"bytes"}},
        {"headers": {"User-Agent": None, "user-agent-x": "1", "Cookie": "a=b"}},
        {"url": "https://ada:s%20cret@bücher.example:443/a b/%7Euser?q=ü#part"},
        {"url": "HTTPS://Example.COM", "method": "GET"},
        {"url": "https://example.com//two/slashes"},
    ],
)
def test_a_request_is_the_one_that_requests_would_send(given):
    method, url = given.pop("method", "POST"), given.pop("url", "https://example.com/path")
    plain = requests.Session()
    plain.trust_env = False
    wanted = plain.prepare_request(requests.Request(method, url, **given))
    headers = given.pop("headers", {})
    made = first_hop.prepare_request(method, url, headers=headers, defaults=dict(plain.headers), **given)
    assert (made.method, made.url, made.body) == (wanted.method, wanted.url, wanted.body)
    assert dict(made.headers.lower_items()) == dict(wanted.headers.lower_items())


@pytest.mark.parametrize("headers", [{"X-A": "a\r\nb"}, {"X-A": " a"}, {"X-A": 1}])
def test_headers_that_http_cannot_carry_are_refused(session, servers, headers):
    with pytest.raises(EgressBlockedError):
        session.request("GET", f"http://{servers[0]}/", headers=headers)
    assert Server.seen == []


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Proxy-Authorization"])
def test_headers_of_the_connection_are_not_the_callers(session, servers, name):
    with pytest.raises(EgressBlockedError, match="is set automatically"):
        session.request("GET", f"http://{servers[0]}/", headers={name: "x"})
    assert not Server.seen


@pytest.fixture(scope="module")
def uploads():
    """A server that reads what is uploaded: /fast at once, /slow a piece a second, /none not at all, and so on."""
    got, done = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            match self.path:
                case "/away":
                    self._end(307, {"Location": "/fast"})
                case "/none":
                    done.wait(60)
                    self.close_connection = True
                case _:
                    got.append((self.headers.get("Transfer-Encoding"), self._body()))
                    self._end(200, {})

        def _body(self):
            if length := self.headers.get("Content-Length"):
                return len(self.rfile.read(int(length)))
            size = 0
            while piece := int(self.rfile.readline(), 16):
                size += len(self.rfile.read(piece))
                self.rfile.readline()
            self.rfile.readline()
            return size

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(b"12345")
                done.wait(60)

        def _end(self, status, headers):
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", got
    done.set()
    server.shutdown()
    server.server_close()


def test_uploads_are_streamed(uploads):
    host, got = uploads
    made = []

    def pieces():
        for number in range(50):
            made.append(number)
            yield b"x" * 100_000

    session = HttpSession(internal_hosts=[host], deadline=time.monotonic() + 20)
    assert session.request("POST", f"http://{host}/fast", data=pieces()).status == 200
    assert got[-1] == ("chunked", 5_000_000) and len(made) == 50
    assert session.request("POST", f"http://{host}/fast", data=b"y" * 3_000_000).status == 200
    assert got[-1] == (None, 3_000_000)


def test_a_redirected_stream_is_refused_with_advice(uploads):
    host, _ = uploads
    with pytest.raises(EgressBlockedError, match="Use the URL of the redirect target"):
        HttpSession(internal_hosts=[host]).request("POST", f"http://{host}/away", data=iter([b"x"]))


def test_the_deadline_ends_an_upload_that_nobody_reads(uploads):
    host, _ = uploads
    slow = HttpSession(internal_hosts=[host], deadline=time.monotonic() + 1)
    with pytest.raises(EgressTimeoutError):
        slow.request("POST", f"http://{host}/none", data=b"x" * 50_000_000)


def test_an_answer_that_falls_silent_is_given_up(uploads, monkeypatch):
    host, _ = uploads
    monkeypatch.setattr("automate_egress.answers.MAX_PAUSE_SECONDS", 0.3)
    until = time.monotonic() + 60
    with pytest.raises(EgressTimeoutError):
        HttpSession(internal_hosts=[host], deadline=until).request("GET", f"http://{host}/")
    assert time.monotonic() < until - 20, "long before its time was over"


def test_an_encrypted_record_may_come_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("automate_egress.answers.POLL_SECONDS", 0.01)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = Authority()
    context.load_cert_chain(*authority.files(tmp_path, "server.example.com"))
    ours, theirs = socket.socketpair()
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    served = context.wrap_bio(received, sent, server_side=True)

    def serve():
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                served.do_handshake()
                break
            theirs.sendall(sent.read())
            received.write(theirs.recv(65_536))
        served.write(b"x" * 1_000)
        record = sent.read()
        for start in range(0, len(record), 300):
            time.sleep(0.05)
            theirs.sendall(record[start : start + 300])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    trusting = ssl.create_default_context(cadata=authority.pem)
    client = trusting.wrap_socket(ours, server_hostname="server.example.com")
    with theirs, client, timed_file(client, lambda: 30.0) as file:
        assert file.read(1_000) == b"x" * 1_000
    thread.join()


# --- names, ports, proxies, certificates ------------------------------------------------------------------------------


def test_a_name_server_that_does_not_answer_is_given_up(monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: answers.wait(60) and [])
    with pytest.raises((EgressConnectionError, EgressTimeoutError)):
        HttpSession(deadline=time.monotonic() + 0.5).request("GET", "https://stalled.example.com/")
    answers.set()


def test_refused_unanswered_and_unknown_look_alike(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", _raising(None))
    said = set()
    for resolved, error in (
        ("93.184.216.34", ConnectionRefusedError()),
        ("93.184.216.34", TimeoutError()),
        ("93.184.216.34", OSError(113, "No route to host")),
        (None, None),
    ):
        monkeypatch.setattr(socket, "getaddrinfo", _resolving(resolved))
        monkeypatch.setattr(socket.socket, "connect", _raising(error))
        with pytest.raises(EgressConnectionError) as caught:
            HttpSession().request("GET", "https://scanned.example.com/")
        said.add((type(caught.value), str(caught.value)))
    assert len(said) == 1


def _raising(error):
    def connect(self, address):
        raise error

    return connect


def _resolving(address):
    forget_lookups()

    def resolve(*args, **kwargs):
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    return resolve


def test_more_ports_are_a_setting(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", _resolving("93.184.216.34"))
    monkeypatch.setattr(socket.socket, "connect", _raising(ConnectionRefusedError()))
    with pytest.raises(EgressBlockedError, match=r"the port of public\.example\.com:8443"):
        HttpSession().request("GET", "https://public.example.com:8443/")
    with pytest.raises(EgressConnectionError):
        HttpSession(ports=[443, 8443]).request("GET", "https://public.example.com:8443/")


@pytest.fixture
def proxy():
    """A web proxy that writes down what it is asked for and lets nothing through."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append((self.command, self.path))
            self.send_error(403, "not through here")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_a_configured_proxy_is_used_for_public_servers_alone(proxy, servers, session):
    url, asked = proxy
    through = HttpSession(internal_hosts=servers, proxy=url, deadline=time.monotonic() + 10)
    with pytest.raises(EgressConnectionError):
        through.request("GET", "https://anything.example.com/path")
    assert asked == [("CONNECT", "anything.example.com:443")]
    assert through.request("GET", f"http://{servers[0]}/x").status == 200
    for refused in ("https://127.0.0.1/", "http://public.example.com/", "https://public.example.com:22/"):
        with pytest.raises(EgressBlockedError):
            through.request("GET", refused)
    assert len(asked) == 1


def test_a_proxy_of_the_environment_is_never_used(proxy, monkeypatch, servers):
    url, asked = proxy
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, url)
    monkeypatch.setattr(socket, "getaddrinfo", _resolving("10.0.0.7"))
    with pytest.raises(EgressBlockedError):
        HttpSession().request("GET", "https://public.example.com/")
    assert not asked


def test_a_certificate_that_proves_nothing_is_told(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Authority().files(tmp_path, "127.0.0.1"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *args: None
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(EgressUntrustedError, match="is not trusted") as caught:
            HttpSession(internal_hosts=[host]).request("GET", f"https://{host}/")
        assert not caught.value.retryable
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("latin-1", b"caf\xe9", "café"),
        ('"UTF-8"; q=1', "café".encode(), "café"),
        ("punycode", b"x" * 400_000, "x" * 400_000),
        ("idna", b"\xff", "\ufffd"),
        ("rot13", b"abc", "abc"),
    ],
)
def test_an_answer_is_decoded_as_the_web_does(charset, body, text):
    """Some of Python's codecs take hours for an answer that is made for them, or raise."""
    answer = HttpResponse(status=200, headers={"content-type": f"text/plain; charset={charset}"}, body=body)
    with at_most(100):
        assert answer.text == text
