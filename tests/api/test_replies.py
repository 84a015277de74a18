"""Starts that wait for the reply of their run, under WSGI and under ASGI."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

from automate_core.models import ExecutionRun
from automate_core.worker.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = """
name: Asked
slug: asked
triggers: [{kind: manual, inputs: [{name: n, kind: number}]}]
steps:
  - {kind: reply, key: answer, status: 201, headers: {X-N: '{{ event.payload.n }}'}, body: {n: '{{ event.payload.n }}'}}
"""
SILENT = "{name: Asked, slug: asked, triggers: [{kind: manual}], steps: [{key: nothing, action: data.set}]}"


@pytest.fixture
def working():
    """A worker in a thread of this process."""
    worker = Worker(name="api", concurrency=4)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield worker
    worker.stop()
    thread.join(60)


@pytest.mark.parametrize("wait", [5, 30])
def test_the_reply_is_the_answer(api, workflow, owner, working, wait):
    workflow(ASKED)
    answer = api(owner).post(f"workflows/asked/runs?wait={wait}", {"inputs": {"n": 7}})
    run = ExecutionRun.objects.get()
    assert (answer.status_code, answer.json(), answer.headers["X-N"]) == (201, {"n": 7}, "7")
    assert answer.headers["Automate-Run-Id"] == str(run.pk)
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "RateLimit" in answer.headers and answer.headers["Cache-Control"] == "no-store"


def test_a_repeated_start_gets_the_same_reply(api, workflow, owner, working):
    workflow(ASKED)
    client = api(owner)
    answers = [client.post("workflows/asked/runs?wait=20", {"inputs": {"n": n}}, key="one") for n in (1, 1, 2)]
    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert answers[0].json() == answers[1].json() == {"n": 1}
    assert "Idempotency-Replayed" not in answers[0].headers and answers[1].headers["Idempotency-Replayed"] == "true"
    assert ExecutionRun.objects.count() == 1


def test_an_answer_can_always_be_the_run(api, workflow, owner, working):
    workflow(ASKED)
    answer = api(owner).post("workflows/asked/runs?wait=20&reply=run", {"inputs": {"n": 1}})
    run = ExecutionRun.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (202, str(run.pk))
    assert answer.json()["url"] == answer.headers["Location"]


def test_without_a_reply_the_answer_is_the_run(api, workflow, owner, working):
    workflow(SILENT)
    began = time.monotonic()
    answer = api(owner).post("workflows/asked/runs?wait=30", {})
    assert (answer.status_code, answer.json()["status"]) == (202, "succeeded")
    assert answer.json()["id"] == str(ExecutionRun.objects.get().pk) and "Automate-Run-Id" not in answer.headers
    assert time.monotonic() - began < 15


def test_the_limit_is_kept_and_checked(api, workflow, owner):
    workflow(ASKED)
    client = api(owner)
    began = time.monotonic()
    answer = client.post("workflows/asked/runs?wait=1", {"inputs": {"n": 7}})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert 0.9 < time.monotonic() - began < 10
    for wait in ("31", "-1", "soon", ""):
        refused = client.post(f"workflows/asked/runs?wait={wait}", {"inputs": {"n": 7}})
        assert (refused.status_code, refused.headers["Content-Type"]) == (422, "application/problem+json"), wait
    assert client.post("workflows/nothing/runs?wait=5", {"inputs": {}}).status_code == 404


async def _post_by_asgi(client, wait):
    """(status, document) of a start that waits, by the site's ASGI application."""
    body = json.dumps({"inputs": {"n": 7}}).encode()
    headers = [(b"authorization", f"Bearer {client.plain}".encode()), (b"content-type", b"application/json"),
               (b"host", b"testserver"), (b"content-length", str(len(body)).encode())]  # fmt: skip
    scope = {"type": "http", "method": "POST", "path": "/api/v1/workflows/asked/runs",
             "query_string": f"wait={wait}".encode(), "headers": headers, "client": ("127.0.0.1", 1),
             "server": ("testserver", 80), "scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"}}  # fmt: skip
    sent = ApplicationCommunicator(get_asgi_application(), scope)
    await sent.send_input({"type": "http.request", "body": body})
    start, content = await sent.receive_output(60), await sent.receive_output(60)
    await sent.wait(30)
    return start["status"], json.loads(content["body"])


def test_it_waits_under_asgi_as_well(api, workflow, owner, working):
    workflow(ASKED)
    assert asyncio.run(_post_by_asgi(api(owner), 20)) == (201, {"n": 7})


def test_only_some_starts_wait_under_asgi(api, workflow, owner, settings):
    """Django's middleware holds a thread of each: the others are answered before any worker is there."""
    settings.AUTOMATE_REPLY_THREADS = 1
    workflow(ASKED)
    client, worker = api(owner), Worker(name="late", concurrency=4)
    thread = threading.Thread(target=worker.run)

    async def post_three():
        waiting = {asyncio.create_task(_post_by_asgi(client, 30)) for _ in range(3)}
        answers = []
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            answers += [task.result() for task in done]
            if len(waiting) == 1 and not thread.is_alive():
                thread.start()
        return answers

    try:
        answers = asyncio.run(post_three())
    finally:
        worker.stop()
        thread.join(60)
    assert [(status, document.get("status")) for status, document in answers] == [
        (202, "queued"),
        (202, "queued"),
        (201, None),
    ]
