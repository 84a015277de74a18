"""The live stream of a run: exact by sequence, ends with the run, and asks the token's permissions again."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading

import pytest
from django.db import connection
from django.test import AsyncClient
from django.urls import reverse

from automate_api.tokens.issuing import revoke_token
from automate_api.v1.resources.runs import stream as run_stream
from automate_core.models import ExecutionRun
from automate_operations.queries import run_watch
from tests.support.processes import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

CALL = """
name: Call
slug: call
triggers: [{{endpoint: github}}]
steps: [{{key: call, action: http.request, inputs: {{method: POST, url: '{url}/x'}}}}]
"""
SAYS = """
name: Says
slug: says
triggers: [{endpoint: github}]
steps: [{key: say, action: data.log, inputs: {message: Hello}}]
"""


@contextlib.contextmanager
def _stream(site, run_id, client, last=None):
    talk = http.client.HTTPConnection(site.removeprefix("http://"), timeout=300)
    headers = {"Authorization": f"Bearer {client.plain}", **({"Last-Event-ID": str(last)} if last is not None else {})}
    talk.request("GET", f"/api/v1/runs/{run_id}/stream", headers=headers)
    try:
        yield talk.getresponse()
    finally:
        talk.close()


def _events(lines):
    """(id, event, data) of each event, to the end of the stream."""
    found, current = [], {}
    for raw in lines:
        line = raw.decode().rstrip("\n")
        if not line and "data" in current:
            found.append((current.get("id"), current["event"], json.loads(current["data"])))
        if not line:
            current = {}
        elif ": " in line:
            name, _, value = line.partition(": ")
            current[name] = value
    return found


@pytest.fixture
def held(workflow, sink, deliver, site):
    """A run whose step is running until the gate is opened."""
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(90), (200, {}, {}))[1]
    workflow(CALL.format(url=sink.url))
    deliver()
    yield wait_for(lambda: ExecutionRun.objects.filter(status="running").first()), gate
    gate.set()


@pytest.mark.extended
def test_a_run_is_followed_to_its_end(held, site, api, owner):
    run, gate = held
    client = api(owner)
    with _stream(site, run.pk, client) as response:
        assert (response.status, response.getheader("Content-Type")) == (200, "text/event-stream")
        threading.Timer(0.5, gate.set).start()
        found = _events(response)
    run.refresh_from_db()
    runs = [(identifier, data["status"]) for identifier, event, data in found if event == "run"]
    assert (runs[0][1], runs[-1]) == ("running", (str(run.seq), "succeeded"))
    assert [int(identifier) for identifier, _status in runs] == sorted({int(identifier) for identifier, _ in runs})
    steps = [data["status"] for _id, event, data in found if event == "step"]
    assert (steps[0], steps[-1]) == ("running", "succeeded")
    with _stream(site, run.pk, client, last=run.seq) as response:
        assert response.status == 204, "nothing is left: the client stops"


@pytest.mark.extended
def test_the_stream_ends_when_the_token_is_revoked(held, site, api, owner, settings):
    run, _gate = held
    client = api(owner)
    with _stream(site, run.pk, client) as response:
        assert response.readline()
        revoke_token(client.token, by=None)
        assert wait_for(lambda: _events(response) is not None)


def test_a_server_that_cannot_stream_answers_with_what_changed(api, owner, stranger, workflow, deliver, drain):
    made = workflow(SAYS)
    deliver()
    client = api(owner)
    drain()
    run = made.runs.get()
    first = client.get(f"runs/{run.pk}/stream")
    assert first.headers["Content-Type"] == "text/event-stream"
    found = _events(first.content.splitlines(keepends=True))
    assert [(event, data.get("message") or data["status"]) for _id, event, data in found] == [
        ("step", "succeeded"),
        ("log", "Hello"),
        ("run", "succeeded"),
    ]
    assert client.get(f"runs/{run.pk}/stream", last_event_id=str(run.seq)).status_code == 204
    assert client.get(f"runs/{run.pk}/stream", last_event_id="x").status_code == 422
    assert api(stranger).get(f"runs/{run.pk}/stream").status_code == 404
    blind = _events(api(owner, "workflow:view").get(f"runs/{run.pk}/stream").content.splitlines(keepends=True))
    assert [event for _id, event, _data in blind] == ["step", "run"], "log lines are payload"


def test_a_start_is_followed_before_a_worker_takes_it(api, owner, workflow):
    workflow("{name: Greet, slug: greet, triggers: [{kind: manual, key: hand}], steps: [{kind: stop, key: done}]}")
    client = api(owner)
    started = client.post("workflows/greet/runs").json()
    answer = client.get(f"{started['url']}/stream")
    assert (answer.status_code, _events(answer.content.splitlines(keepends=True))) == (200, [])


def test_an_idle_stream_holds_no_connection(sessions_end, api, owner, workflow, deliver, drain, monkeypatch):
    """Ten streams need the one connection of the reader, and a token has no more than so many."""
    made = workflow(
        "{name: W, slug: w, triggers: [{endpoint: github}], steps: [{kind: wait, key: later, duration: 2h}]}"
    )
    deliver()
    drain()
    run = made.runs.get()
    token = api(owner).token
    monkeypatch.setattr(run_stream, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(run_watch, "MOST_OF_ONE", 10)

    class Request:
        auth, user = token, owner

    async def follow():
        before = await asyncio.to_thread(_sessions)
        streams = [
            run_stream._stream(Request(), watch, run.seq, run_stream.Changes(run.seq, "", False))
            for watch in [run_watch.hub.reserve(run.pk, token) for _ in range(10)]
        ]
        for each in streams:
            assert await anext(each) == "retry: 1000\n\n"
        assert run_watch.hub.reserve(run.pk, token) is None
        beats = await asyncio.gather(*(anext(each) for each in streams))
        assert set(beats) == {": alive\n\n"}
        # A session that was closed is in the list for a moment
        await asyncio.to_thread(wait_for, lambda: _sessions() <= before + 1)
        for each in streams:
            await each.aclose()

    asyncio.run(follow())
    assert run_watch.hub.reserve(run.pk, token) is not None


def _sessions():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        found = cursor.fetchone()[0]
    connection.close()
    return found


def test_streams_that_begin_together_keep_to_the_limit(api, owner, workflow, deliver, drain):
    """Those of the API and pages alike; one that sent nothing is given back with its response."""
    made = workflow(
        "{name: W, slug: w, triggers: [{endpoint: github}], steps: [{kind: wait, key: later, duration: 2h}]}"
    )
    deliver()
    drain()
    run, plain = made.runs.get(), api(owner).plain
    most = run_watch.MOST_OF_ONE

    async def begin():
        client = AsyncClient()
        await client.aforce_login(owner)
        page = reverse("studio:run_stream", args=[run.pk])
        stream, token = f"/api/v1/runs/{run.pk}/stream", {"authorization": f"Bearer {plain}"}
        for headers, path in (({}, page), (token, stream)):
            for _again in range(2):
                answers = await asyncio.gather(*(client.get(path, headers=headers) for _ in range(most + 2)))
                assert sorted(each.status_code for each in answers) == [200] * most + [429] * 2
                for each in answers:
                    each.close()

    asyncio.run(begin())
