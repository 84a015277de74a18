"""What is believed of a request that came through a proxy, and of one that only says so."""

from __future__ import annotations

import asyncio

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from automate_core import asgi, wsgi
from automate_governance.people import origin
from tests.core.webhooks.doors import signed

TRUSTED = ["10.0.0.0/8", "2001:db8::/32"]
CLAIMS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "automate.example.com"}


def _seen(request):
    return origin.remote_address(request), request.scheme, request.META["HTTP_HOST"]


def by_asgi(peer, headers):
    seen = []

    async def application(scope, receive, send):
        seen.append(_seen(ASGIRequest(scope, None)))

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x/",
        "query_string": b"",
        "scheme": "http",
        "client": (peer, 4000) if peer else None,
        "headers": [(b"host", b"inner"), *((k.lower().encode(), v.encode()) for k, v in headers.items())],
    }
    asyncio.run(asgi.automate(application)(scope, None, None))
    return seen[0]


def by_wsgi(peer, headers):
    environ = RequestFactory().get("/x/", headers=headers, REMOTE_ADDR=peer, HTTP_HOST="inner").environ
    return wsgi.automate(lambda environ, start: _seen(WSGIRequest(environ)))(environ, None)


@pytest.fixture(params=[by_asgi, by_wsgi], ids=["asgi", "wsgi"])
def door(request, monkeypatch):
    monkeypatch.setattr("automate_governance.startup.prepare_process", lambda: None)
    return request.param


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),  # the first is what the sender claims to be
        ("10.0.0.1", "198.51.100.7, 10.0.0.2, 10.0.0.3", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "[2001:db9::1]:80", "2001:db9::1"),
        ("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "127.0.0.1' OR 1=1", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_sender_is_the_last_that_no_trusted_proxy_stands_for(door, settings, peer, said, address):
    settings.AUTOMATE_TRUSTED_PROXIES = TRUSTED
    assert door(peer, {"X-Forwarded-For": said, **CLAIMS}) == (address, "https", "automate.example.com")


@pytest.mark.parametrize("trusted", [[], TRUSTED, ["unix"]])
def test_nobody_else_is_believed(door, settings, trusted):
    settings.AUTOMATE_TRUSTED_PROXIES = trusted
    assert door("198.51.100.7", {"X-Forwarded-For": "10.0.0.1", **CLAIMS}) == ("198.51.100.7", "http", "inner")


def test_a_socket_file_may_be_trusted(door, settings):
    settings.AUTOMATE_TRUSTED_PROXIES = ["unix"]
    assert door("", {"X-Forwarded-For": "198.51.100.7"}) == ("198.51.100.7", "http", "inner")


def test_a_scheme_or_host_that_the_proxy_does_not_give_stays(door, settings):
    settings.AUTOMATE_TRUSTED_PROXIES = TRUSTED
    headers = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "gopher"}
    assert door("10.0.0.1", headers) == ("198.51.100.7", "http", "inner")


@pytest.mark.django_db(transaction=True)
def test_each_sender_behind_a_proxy_has_its_own_limit(endpoint, settings):
    settings.AUTOMATE_TRUSTED_PROXIES, settings.AUTOMATE_HOOK_RATE = TRUSTED, 1

    def statuses(*senders):
        async def deliver():
            application, given = asgi.automate(None), []
            for number, (peer, said) in enumerate(senders):
                path, headers = signed("github", b"{}", path="/hooks/github/", delivery=f"d-{number}")
                headers["X-Forwarded-For"] = said
                given.append(await _status(application, path, peer, headers))
            await _shut_down(application)
            return given

        return asyncio.run(asyncio.wait_for(deliver(), 60))

    behind = [("10.0.0.1", "198.51.100.7"), ("10.0.0.2", "198.51.100.8"), ("10.0.0.2", "1.1.1.1, 198.51.100.7")]
    assert statuses(*behind) == [202, 202, 429]
    assert statuses(("198.51.100.9", "1.1.1.1"), ("198.51.100.9", "1.1.1.2")) == [202, 429]


async def _status(application, path, peer, headers):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "client": (peer, 4000),
             "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()]}  # fmt: skip
    await application(scope, receive, send)
    return sent[0]["status"]


async def _shut_down(application):
    """As a server does: connections of a pool that are still being opened would keep the event loop from its end."""

    async def receive():
        return {"type": "lifespan.shutdown"}

    async def send(message):
        assert message["type"] == "lifespan.shutdown.complete"

    await application({"type": "lifespan"}, receive, send)
