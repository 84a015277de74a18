"""The event stream: exact by sequence, ends with its run, and asks the same permission as the page."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone, translation
from guardian.shortcuts import assign_perm, remove_perm

from automate_core.models import ExecutionRun
from automate_governance.people import locale
from automate_operations.queries import run_watch
from automate_studio.runs.page import live_hub, patches
from tests.support.processes import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

CALL = """
name: Call
slug: call
triggers: [{{endpoint: github}}]
steps: [{{key: call, action: http.request, inputs: {{method: POST, url: '{url}/x'}}}}]
"""


@contextlib.contextmanager
def stream(site, run, user, after=0):
    """The answer to a request for a run's stream."""
    client = Client()
    if user is not None:
        client.force_login(user)
    connection = http.client.HTTPConnection(site.removeprefix("http://"), timeout=300)
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    path = reverse("studio:run_stream", args=[run.pk])
    connection.request("GET", f"{path}?after={after}", headers={"Cookie": cookies} if cookies else {})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


@contextlib.contextmanager
def api_stream(site, run, token):
    """The answer to a request for a run's stream in the API."""
    connection = http.client.HTTPConnection(site.removeprefix("http://"), timeout=60)
    connection.request("GET", f"/api/v1/runs/{run.pk}/stream", headers={"Authorization": f"Bearer {token}"})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def events(response):
    """(id, event) of each event, to the end of the stream."""
    found, current = [], {}
    for raw in response:
        line = raw.decode().rstrip("\n")
        if not line and current:
            found.append((current.get("id"), current.get("event")))
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


def test_changes_come_by_sequence_and_the_stream_ends_with_the_run(held, site, owner):
    run, gate = held
    with stream(site, run, owner) as response:
        assert (response.status, response.getheader("Content-Type")) == (200, "text/event-stream")
        assert response.getheader("Cache-Control") == "no-cache, no-transform"
        threading.Timer(0.5, gate.set).start()
        patches = [identifier for identifier, event in events(response) if event == "patch"]
    assert patches == [str(seq) for seq in sorted({int(seq) for seq in patches})], "in order, none twice"
    run.refresh_from_db()
    assert (patches[-1], run.status) == (str(run.seq), "succeeded")


@pytest.mark.extended
def test_what_was_seen_is_not_sent_again(held, site, owner):
    """The page has all of the latest sequence but one; what follows is only what differs from that."""
    run, gate = held
    run.refresh_from_db()
    found = {}
    seq = 0
    with stream(site, run, owner, after=run.seq - 1) as response:
        for raw in response:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                seq = int(line.removeprefix("id: "))
            elif line.startswith("data: "):
                found.setdefault(seq, set()).update(re.findall(r'\bid="([^"]+)"', line))
            elif not line and seq in found:
                gate.set()
    run.refresh_from_db()
    (first, whole), *later = found.items()
    assert {"run-state", "flow", "card-trigger", "card-call", "timeline", "row-call"} <= whole
    assert later and later[-1][0] == run.seq
    shown = first
    for seq, ids in later:
        missed_some = seq > shown + 1  # on a busy machine several changes come at once, and the page gets all
        assert {"run-state", "axis"} <= ids and (missed_some or not {"flow", "timeline", "card-trigger"} & ids)
        shown = seq
    assert {"card-call", "row-call", "ln-end"} <= set.union(*(ids for _, ids in later))


def test_a_stream_asks_for_the_permission(held, site, owner, colleague, stranger):
    run, gate = held
    gate.set()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
    assign_perm("view_workflow", colleague, run.workflow)
    statuses = {}
    for name, person in {"owner": owner, "colleague": colleague, "stranger": stranger, "nobody": None}.items():
        with stream(site, run, person) as response:
            statuses[name] = response.status
    assert statuses == {"owner": 200, "colleague": 200, "stranger": 404, "nobody": 404}


def test_a_run_that_cannot_be_shown_does_not_stop_the_others(workflow, owner, monkeypatch, caplog):
    made = workflow(CALL.format(url="http://127.0.0.1:1"))
    broken, sound = (
        ExecutionRun.objects.create(workflow=made, version=made.published, trace_id=digit * 32, status="waiting", seq=5)
        for digit in "01"
    )
    render = patches.whole_patch

    def whole(page):
        assert page.run.pk != broken.pk, "this one cannot be rendered"
        return render(page)

    monkeypatch.setattr(live_hub, "whole_patch", whole)

    async def first_patch():
        client = AsyncClient()
        await client.aforce_login(owner)
        unseen, seen = [await client.get(reverse("studio:run_stream", args=[run.pk])) for run in (broken, sound)]
        waiting = asyncio.ensure_future(to_the_end(unseen.streaming_content))
        async with asyncio.timeout(60):
            async for part in seen.streaming_content:
                if b"event: patch" in part:
                    break
        waiting.cancel()
        return part

    async def to_the_end(parts):
        return [part async for part in parts]

    assert asyncio.run(first_patch()).startswith(b"id: 5")
    [told] = [record.getMessage() for record in caplog.records if "cannot be rendered" in record.getMessage()]
    assert str(broken.pk) in told, "once, though it is tried again"


@pytest.mark.parametrize("how", ["withdrawn", "account closed"])
def test_a_stream_ends_once_the_permission_is_gone(workflow, colleague, monkeypatch, how):
    """It is asked again at each heartbeat."""
    monkeypatch.setattr(live_hub, "HEARTBEAT_SECONDS", 0.3)
    made = workflow(CALL.format(url="http://127.0.0.1:1"))
    run = ExecutionRun.objects.create(workflow=made, version=made.published, trace_id="0" * 32, status="waiting", seq=5)
    assign_perm("view_workflow", colleague, made)

    def take_away():
        if how == "withdrawn":
            remove_perm("view_workflow", colleague, made)
        else:
            User.objects.filter(pk=colleague.pk).update(is_active=False)

    async def watch():
        client = AsyncClient()
        await client.aforce_login(colleague)
        answer = await client.get(reverse("studio:run_stream", args=[run.pk]))
        heard = []
        async with asyncio.timeout(60):
            async for part in answer.streaming_content:
                heard.append(part)
                if heard.count(b": alive\n\n") == 2:
                    await sync_to_async(take_away)()
        return heard

    heard = asyncio.run(watch())
    assert heard.count(b": alive\n\n") == 2, "and not another one"
    assert any(b"event: patch" in part for part in heard)


@pytest.mark.extended
def test_many_viewers_cost_one_reader(sessions_end, held, site, owner, colleague, api):
    """Ten pages and a stream of the API hold one connection for reading. Nobody has more than so many."""
    from django.db import connection

    run, gate = held
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            assert stack.enter_context(stream(site, run, owner)).status == 200
        followed = stack.enter_context(api_stream(site, run, api(owner).plain))
        assert followed.status == 200 and followed.readline().startswith(b"retry")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()",
                ["SELECT id, seq FROM automate_core_executionrun%"],
            )
            assert cursor.fetchone()[0] == 1
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            assert cursor.fetchone()[0] < 12
        for _ in range(run_watch.MOST_OF_ONE - 10):
            assert stack.enter_context(stream(site, run, owner)).status == 200
        wait_for(lambda: stack.enter_context(stream(site, run, owner)).status == 429)
        assign_perm("view_workflow", colleague, run.workflow)
        assert stack.enter_context(stream(site, run, colleague)).status == 200
        gate.set()


def test_viewers_get_their_language_and_time_zone(workflow, owner, monkeypatch):
    """The rendering is shared only by viewers with the same language and time zone."""
    made = workflow(CALL.format(url="http://127.0.0.1:1"))
    run = ExecutionRun.objects.create(workflow=made, version=made.published, trace_id="0" * 32, status="waiting", seq=5)
    renderings = []

    def render(page):
        renderings.append(f"<p>{translation.get_language()} {timezone.get_current_timezone_name()}</p>")
        return renderings[-1]

    monkeypatch.setattr(live_hub, "whole_patch", render)
    loaded = []
    load = live_hub.load_page
    monkeypatch.setattr(live_hub, "load_page", lambda *given: loaded.append(translation.get_language()) or load(*given))

    async def first_patch(language, zone):
        client = AsyncClient()
        await client.aforce_login(owner)
        session = await client.asession()
        await session.aset(locale.SESSION_KEY, [language, zone])
        await session.asave()
        answer = await client.get(reverse("studio:run_stream", args=[run.pk]))
        async with asyncio.timeout(60):
            async for part in answer.streaming_content:
                if b"event: patch" in part:
                    return part.decode()

    async def watch_all():
        places = [("de", "Asia/Tokyo"), ("en", "Europe/Berlin"), ("de", "Asia/Tokyo"), ("en", "America/New_York")]
        return await asyncio.gather(*(first_patch(*place) for place in places))

    german, english, again, american = asyncio.run(watch_all())
    assert "<p>de Asia/Tokyo</p>" in german and "<p>en Europe/Berlin</p>" in english and again == german
    assert "<p>en America/New_York</p>" in american
    assert len(set(renderings)) == 3 and set(loaded) == {"de", "en"}


@pytest.mark.parametrize("page", ["studio:runs_export", "studio:audit_export"])
def test_an_export_is_sent_while_it_is_read_under_asgi(workflow, admin, page):
    workflow(CALL.format(url="http://127.0.0.1:1"))

    async def export():
        client = AsyncClient()
        await client.aforce_login(admin)
        answer = await client.post(reverse(page), {"format": "csv"})
        assert answer.is_async
        return b"".join([part async for part in answer.streaming_content])

    assert asyncio.run(export()).count(b",") > 5, "its columns"
