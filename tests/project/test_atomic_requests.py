"""A project with ATOMIC_REQUESTS: a run page and its stream, the API, and webhooks that reply."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection
from django.test import AsyncClient
from django.urls import URLPattern, get_resolver, reverse

from automate_core.models import ExecutionRun
from automate_core.webhooks import endpoints
from automate_core.worker.worker import Worker
from tests.studio.addresses import run_urls

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERING = """
name: Asked
slug: asked
triggers: [{endpoint: github}, {kind: manual, inputs: [{name: number, kind: number}]}]
steps: [{kind: reply, key: answer, status: 201, body: {n: '{{ event.payload.number }}'}}]
"""


@pytest.fixture(autouse=True)
def _atomic(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.fixture
def working():
    worker = Worker(name="atomic", concurrency=4)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield
    worker.stop()
    thread.join(60)


def views(patterns: Any) -> Iterator[Any]:
    for each in patterns:
        if isinstance(each, URLPattern):
            yield each.callback
        else:
            yield from views(each.url_patterns)


def test_no_asynchronous_view_is_atomic():
    """Django answers 500 for one that is."""
    found = [view for view in views(get_resolver().url_patterns) if inspect.iscoroutinefunction(view)]
    assert len(found) >= 2
    assert [view for view in found if DEFAULT_DB_ALIAS not in getattr(view, "_non_atomic_requests", ())] == []


def test_a_page_and_its_stream(workflow, deliver, drain, sign_in, owner):
    workflow("{name: A, slug: a, triggers: [{endpoint: github}], steps: [{key: one, action: data.set}]}")
    assert deliver().status_code == 202
    drain()
    run = ExecutionRun.objects.get()
    assert sign_in(owner).get(run_urls(run)["page"]).status_code == 200

    async def first() -> bytes:
        client = AsyncClient()
        await client.aforce_login(owner)
        answer = await client.get(reverse("studio:run_stream", args=[run.pk]), {"after": 0})
        assert answer.status_code == 200 and answer["Content-Type"] == "text/event-stream"
        return b"".join([part async for part in answer.streaming_content])

    assert b"event: patch" in asyncio.run(first())


def test_starts_and_deliveries_are_answered_by_their_run(workflow, endpoint, deliver, api, owner, working):
    """They commit before they wait, and what they wrote stays."""
    endpoints.save_endpoint("github", scheme=endpoint.scheme, config={}, secret=None, actor=owner, reply_seconds=20)
    workflow(ANSWERING)
    answer = api(owner).post("workflows/asked/runs?wait=20", {"inputs": {"number": 7}})
    assert (answer.status_code, answer.json()) == (201, {"n": 7})
    answer = deliver({"number": 8})
    assert (answer.status_code, answer.json()) == (201, {"n": 8})
    assert ExecutionRun.objects.count() == 2
