"""Other ASGI applications in front of Django's: their paths, their hosts, their limits and their lifespans."""

from __future__ import annotations

import asyncio

import pytest
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from django.urls import clear_url_caches, resolvers

from automate_core.asgi import automate

pytestmark = pytest.mark.django_db(transaction=True)


class Echo:
    """An application that says where it was asked, and keeps what happened to it."""

    def __init__(self, *, refuses=False):
        self.refuses = refuses
        self.happened = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        body = f"{scope['root_path']} {scope['path']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def live(self, receive, send):
        while True:
            message = await receive()
            self.happened.append(message["type"])
            if self.refuses:
                await send({"type": "lifespan.startup.failed", "message": "no keys"})
                return
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


class Plain(Echo):
    """An application without a lifespan."""

    async def live(self, receive, send):
        raise AssertionError("only requests are answered here")


def answer(application, path, *, host="testserver", body=b"", **scope):
    """(status, body) of one request."""
    sent = []
    told = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return told.pop() if told else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    asked = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", host.encode())],
             "query_string": b"", "client": ("::1", 1)} | scope  # fmt: skip
    asyncio.run(asyncio.wait_for(application(asked, receive, send), 20))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def live(application):
    """Start and stop: the types of the answers."""

    async def through():
        told, said = asyncio.Queue(), []
        told.put_nowait({"type": "lifespan.startup"})

        async def send(message):
            said.append(message)
            if message["type"] == "lifespan.startup.complete":
                told.put_nowait({"type": "lifespan.shutdown"})

        await asyncio.wait_for(application({"type": "lifespan"}, told.get, send), 20)
        return said

    return asyncio.run(through())


@pytest.mark.parametrize("path", ["/mcp/", "/mcp", "/mcp/below"])
def test_a_mount_answers_its_path_with_and_without_the_slash(path):
    application = automate(get_asgi_application(), mounts={"/mcp/": Echo()})
    assert answer(application, path) == (200, f"/mcp {path}".encode())


@pytest.mark.parametrize("path", ["/mcpx", "/", "/x/mcp/", "/admin/login/"])
def test_django_answers_every_other_path(path):
    _status, body = answer(automate(get_asgi_application(), mounts={"/mcp/": Echo()}), path)
    assert not body.startswith(b"/mcp")


def test_a_mount_below_a_root_path_is_found():
    application = automate(get_asgi_application(), mounts={"/mcp/": Echo()})
    assert answer(application, "/flows/mcp/", root_path="/flows") == (200, b"/flows/mcp /flows/mcp/")


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (["flows.example.com"], "flows.example.com:8443", 200),
        ([".example.com"], "a.example.com", 200),
        (["flows.example.com"], "evil.example.com", 421),
        (["flows.example.com"], "", 421),
        ([], "localhost", 421),
    ],
)
def test_a_mount_answers_the_hosts_of_the_site_alone(settings, allowed, host, status):
    settings.ALLOWED_HOSTS = allowed
    assert answer(automate(get_asgi_application(), mounts={"/mcp/": Echo()}), "/mcp/", host=host)[0] == status


def test_the_limit_of_a_request_counts_for_a_mount(settings):
    settings.AUTOMATE_REQUEST_BYTES = 100
    application = automate(get_asgi_application(), mounts={"/mcp/": Echo()})
    assert answer(application, "/mcp/", body=b"x" * 101)[0] == 413


def test_no_delivery_waits_for_the_url_configuration():
    clear_url_caches()
    live(automate(get_asgi_application()))
    assert resolvers._get_cached_resolver.cache_info().currsize, "a start resolves the URLs, not the first delivery"


def test_lifespans_are_entered_and_left():
    mounted = Echo()
    said = live(automate(get_asgi_application(), mounts={"/mcp/": mounted, "/plain/": Plain()}))
    assert [message["type"] for message in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert mounted.happened == ["lifespan.startup", "lifespan.shutdown"]


def test_a_mount_that_cannot_start_refuses_the_start():
    [said] = live(automate(get_asgi_application(), mounts={"/mcp/": Echo(refuses=True)}))
    assert (said["type"], said["message"]) == ("lifespan.startup.failed", "/mcp/ cannot start: no keys")


@pytest.mark.parametrize("path", ["mcp", "/mcp", "/", "//", ""])
def test_a_path_that_no_request_could_have_is_refused(path):
    with pytest.raises(ImproperlyConfigured):
        automate(get_asgi_application(), mounts={path: Echo()})
