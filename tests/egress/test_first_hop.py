"""The first hop alone: what a pool is asked, which answers lead elsewhere, and which error stands for which."""

from __future__ import annotations

import pytest
import requests
from urllib3 import exceptions as lower
from urllib3.util import Timeout

from automate_egress import first_hop
from automate_egress.first_hop import Answer, prepare_request, send_request


class Adapter:
    """An adapter and its pool, which notes what it is asked, and answers or raises."""

    max_retries = "no retries"

    def __init__(self, outcome="raw"):
        self.outcome, self.pools, self.asked = outcome, [], []
        self.poolmanager = self

    def connection_from_host(self, *given, **options):
        self.pools.append((*given, options))
        return self

    def urlopen(self, **options):
        self.asked.append(options)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def send(adapter, url="https://example.com/a?b=1", method="POST", **content):
    prepared = prepare_request(method, url, headers={}, defaults={}, **content)
    return send_request(adapter, prepared, timeout=Timeout(5), authorities="/authorities.pem")


def test_a_pool_is_asked_for_one_hop_whose_body_is_left_to_the_caller():
    adapter = Adapter()
    answer = send(adapter, data=b"x")
    [asked] = adapter.asked
    assert (answer.raw, answer.url) == ("raw", "https://example.com/a?b=1")
    assert {name: value for name, value in asked.items() if name not in {"headers", "timeout"}} == {
        "method": "POST", "url": "/a?b=1", "body": b"x", "redirect": False, "assert_same_host": False,
        "preload_content": False, "decode_content": False, "retries": "no retries", "chunked": False,
    }  # fmt: skip
    assert asked["headers"]["Content-Length"] == "1"


@pytest.mark.parametrize(("content", "chunked"), [({}, False), ({"data": b"x"}, False), ({"data": iter([b"x"])}, True)])
def test_a_body_of_unknown_length_is_sent_in_pieces(content, chunked):
    adapter = Adapter()
    send(adapter, **content)
    assert adapter.asked[0]["chunked"] is chunked


VERIFIED = {"pool_kwargs": {"cert_reqs": "CERT_REQUIRED", "ca_certs": "/authorities.pem"}}


@pytest.mark.parametrize(
    ("url", "pool"),
    [
        ("https://example.com/", ("example.com", 443, "https", VERIFIED)),
        ("https://example.com:8443/", ("example.com", 8443, "https", VERIFIED)),
        ("http://127.0.0.1/", ("127.0.0.1", 80, "http", {"pool_kwargs": {}})),
        ("http://127.0.0.1:8000/", ("127.0.0.1", 8000, "http", {"pool_kwargs": {}})),
    ],
)
def test_each_origin_has_its_pool_and_https_is_verified(url, pool):
    adapter = Adapter()
    send(adapter, url)
    assert adapter.pools == [pool]


@pytest.mark.parametrize(
    ("path", "sent"), [("/a//b", "/a//b"), ("//evil.example/x", "/evil.example/x"), ("///x", "/x")]
)
def test_a_path_is_no_host(path, sent):
    adapter = Adapter()
    send(adapter, f"https://example.com{path}")
    assert adapter.asked[0]["url"] == sent


def retries(reason):
    return lower.MaxRetryError(None, "/", reason)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (lower.LocationValueError("x"), requests.exceptions.InvalidURL),
        (lower.ProtocolError("x"), requests.ConnectionError),
        (OSError("x"), requests.ConnectionError),
        (lower.ClosedPoolError(None, "x"), requests.ConnectionError),
        (retries(lower.ConnectTimeoutError()), requests.ConnectTimeout),
        (retries(lower.NewConnectionError(None, "x")), requests.ConnectionError),
        (retries(lower.SSLError("x")), requests.exceptions.SSLError),
        (retries(lower.ProtocolError("x")), requests.ConnectionError),
        (lower.SSLError("x"), requests.exceptions.SSLError),
        (lower.ReadTimeoutError(None, "/", "x"), requests.ReadTimeout),
        (lower.InvalidHeader("x"), requests.exceptions.InvalidHeader),
    ],
)
def test_errors_are_those_of_requests(raised, kind):
    with pytest.raises(requests.RequestException) as caught:
        send(Adapter(raised))
    assert type(caught.value) is kind and caught.value.__cause__ is raised


class Raw:
    """An answer of urllib3's."""

    def __init__(self, status, headers):
        self.status, self.headers, self.ended = status, headers, []

    def close(self):
        self.ended.append("closed")

    def release_conn(self):
        self.ended.append("released")


def test_five_statuses_with_a_location_are_redirects():
    found = [status for status in range(200, 600) if Answer(Raw(status, {"location": "/x"}), "u").is_redirect]
    assert found == [301, 302, 303, 307, 308]
    assert not any(Answer(Raw(status, {}), "u").is_redirect for status in found)
    raw = Raw(201, {"a": "b"})
    answer = Answer(raw, "u")
    answer.close()
    assert (answer.status_code, answer.headers, raw.ended) == (201, {"a": "b"}, ["closed", "released"])


def test_headers_come_before_the_defaults_and_none_takes_one_out():
    defaults = {"Accept": "*/*", "User-Agent": "ours"}
    made = prepare_request(
        "GET", "https://u:p@example.com/", headers={"accept": "a", "User-Agent": None}, defaults=defaults
    )
    assert dict(made.headers.lower_items()) == {"accept": "a", "authorization": "Basic dTpw"}
    made = prepare_request("GET", "https://example.com/?a=1", headers={}, defaults=defaults, params={"b": "2"})
    assert made.url == "https://example.com/?a=1&b=2" and "authorization" not in made.headers
    assert first_hop._prepared_url("https://EXAMPLE.com") == "https://example.com/"
