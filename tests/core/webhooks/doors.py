"""The two doors that deliveries come in by, asked alike."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from django.test import Client

from automate_core.webhooks.application import WebhookApplication
from automate_core.webhooks.schemes.registry import scheme_for
from tests.conftest import SECRET


@dataclass
class Answered:
    """What came back."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def json(self):
        return json.loads(self.content)


def by_view(path, body, headers, address="127.0.0.1"):
    """Django's view, as under WSGI."""
    named = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    answer = Client().generic(
        "POST", path, body, content_type=kind, headers=named, REMOTE_ADDR=address, CONTENT_TYPE=kind
    )
    return Answered(answer.status_code, answer.content, {name.lower(): value for name, value in answer.items()})


def by_asgi(path, body, headers, address="127.0.0.1"):
    """The application in front of Django's."""

    async def ask():
        application, sent = WebhookApplication(), []
        target, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": "POST",
            "path": target,
            "query_string": query.encode(),
            "client": (address, 4000),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        }

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        try:
            await application(scope, receive, send)
        finally:
            await application.close()
        return sent

    start, rest = asyncio.run(asyncio.wait_for(ask(), 20))
    return Answered(start["status"], rest["body"], {name.decode(): value.decode() for name, value in start["headers"]})


DOORS = [
    pytest.param(by_view, id="view", marks=pytest.mark.django_db),
    pytest.param(by_asgi, id="asgi", marks=pytest.mark.django_db(transaction=True)),  # it has connections of its own
]


def signed(scheme, body, *, secret=SECRET, path, content_type="application/json", event="", delivery="", config=None):
    """(path, headers) of a delivery as the scheme's sender would make it."""
    rules = scheme_for(scheme, config or {})
    base = "http://127.0.0.1:8000"
    url = rules.address(base + path, body, content_type)
    headers = rules.sign(secret, body, event_type=event, delivery=delivery, url=url, content_type=content_type)
    return url.removeprefix(base), {"Content-Type": content_type, **headers}
