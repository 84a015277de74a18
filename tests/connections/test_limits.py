"""Rate limits of connections: never exceeded by any number of workers, fair, survived by crashes, and shown."""

from __future__ import annotations

import os
import signal
import time
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automate_connectors.adapters.base import ConnectorError, RateLimit
from automate_connectors.adapters.http import HttpConnector
from automate_connectors.limits import calls
from automate_connectors.limits.calls import CallSlot, find_usage
from automate_connectors.limits.limit import Limit, limit_of
from automate_connectors.limits.requests import count_requests
from automate_connectors.models import Connection, ConnectionCall
from automate_core.database import now
from automate_core.models import ExecutionRun, PollState, ServiceWebhook, Wait
from automate_core.triggers import polling
from automate_governance.models import AuditEntry
from automate_testing.fakes import ScriptedHttp
from tests.support.connections import CONNECTION_ADD, connection_form, form_errors
from tests.support.pages import Page
from tests.support.processes import process, wait_for
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = "  - {key: call, action: http.request, connection: limited, timeout: 30, inputs: {method: POST, url: /call}}"


@pytest.fixture
def limited(owner, sink, settings):
    settings.AUTOMATE_EGRESS_ALLOW = (sink.host,)

    def make(**limits):
        made = Connection(name="Limited", slug="limited", connector="http", config={"base_url": sink.url}, **limits)
        made.owner = owner
        made.full_clean()
        made.save()
        return made

    return make


@pytest.fixture
def flows(workflow):
    def make(*slugs):
        return [
            workflow(f"name: {slug}\nslug: {slug}\ntriggers: [{{endpoint: github}}]\nsteps:\n{STEPS}") for slug in slugs
        ]

    return make


@pytest.mark.extended
def test_no_interval_has_more_calls_than_the_limit_with_several_workers(
    limited, flows, deliver, sink, manage, environment
):
    limited(limit_requests=5, limit_seconds=1, limit_concurrent=3)
    flows("one", "two")
    running, most = [], []

    def answer(number, path):
        running.append(number)
        most.append(len(running))
        time.sleep(0.05)
        running.remove(number)
        return 200, {"ok": True}, {}

    sink.answer = answer
    for _ in range(6):
        assert deliver({}).status_code == 202
    worker = [*manage, "automate_worker", "--concurrency", "8"]
    environment = {**environment, "AUTOMATE_EGRESS_ALLOW": sink.host}
    with process(worker, environment), process(worker, environment):
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 12)
    times = sorted(sink.times)
    assert len(times) == 12 and max(most) <= 3
    crowded = [(first, last) for first, last in zip(times, times[5:], strict=False) if last - first < 1]
    assert not crowded, "six calls within one second"
    assert Wait.objects.filter(kind="limit").exists(), "steps were put back"
    assert not Wait.objects.filter(status="open").exists()


@pytest.mark.extended
def test_a_killed_worker_gives_its_slot_back(limited, flows, deliver, sink, manage, environment):
    limited(limit_concurrent=1)
    [flow] = flows("one")
    sink.answer = lambda number, path: (time.sleep(3 if number == 1 else 0), (200, {}, {}))[1]
    deliver({})
    environment = {**environment, "AUTOMATE_EGRESS_ALLOW": sink.host, "AUTOMATE_LEASE_SECONDS": "4"}
    with process([*manage, "automate_worker"], environment) as worker:
        wait_for(lambda: sink.calls)
        os.kill(worker.pid, signal.SIGKILL)
    assert ConnectionCall.objects.get().started_at
    with process([*manage, "automate_worker"], environment):
        wait_for(lambda: flow.runs.filter(status="succeeded").exists())
    assert len(sink.calls) == 2
    # another step does not wait longer than the lease of a call that nobody ends
    ConnectionCall.objects.all().delete()
    lost = CallSlot(uuid.uuid4(), "a", "one", -calls.GRACE_SECONDS - 1)
    lost.acquire(Connection.objects.get())
    CallSlot(uuid.uuid4(), "b", "one", 30).acquire(Connection.objects.get())


def test_turns_are_fair_between_workflows(limited):
    connection = limited(limit_concurrent=1)
    first = CallSlot(uuid.uuid4(), "a", "busy", 30)
    first.acquire(connection)
    slots = [CallSlot(uuid.uuid4(), "a", "busy", 30) for _ in range(5)] + [CallSlot(uuid.uuid4(), "a", "other", 30)]
    for slot in slots:
        with pytest.raises(ConnectorError) as caught:
            slot.acquire(connection)
        assert caught.value.code == calls.WAITS_FOR_LIMIT and caught.value.retry_after > 0
    assert find_usage(connection).waiting == 6
    heard = []

    def hear(sender, calls, **_):
        heard.extend(calls)

    calls.admitted.connect(hear)
    try:
        first.release()
    finally:
        calls.admitted.disconnect(hear)
    assert [call.run for call in heard] == [slots[5].run], (
        "the first of the other comes before a second of the busy one"
    )


@pytest.mark.extended
def test_a_waiting_step_is_shown_and_goes_on(limited, flows, deliver, drain, sink, owner, sign_in, settings):
    connection = limited(limit_requests=1, limit_seconds=3_600)
    [flow] = flows("one")
    for _ in range(2):
        deliver({})
    settle(drain)
    waiting, done = flow.runs.get(status="waiting"), flow.runs.get(status="succeeded")
    assert done.pk and len(sink.calls) == 1
    client = sign_in(owner)
    page = client.get(reverse("admin:automate_connectors_connection_change", args=[connection.pk])).content.decode()
    assert "Rate limit: 1 of 1 calls used in 3600 s." in page.replace("3,600", "3600") and "1 step waits" in page
    shown = client.get(reverse("admin:automate_core_executionrun_change", args=[waiting.pk])).content.decode()
    assert "Waits for the rate limit of limited" in shown
    assert (
        "rate limit of a connection"
        in client.get(reverse("admin:automate_core_executionrun_changelist")).content.decode()
    )
    # the interval is over: the maintenance task admits the call, and the same attempt goes on
    ConnectionCall.objects.filter(finished_at__isnull=False).delete()
    calls.admit_all()
    settle(drain)
    waiting.refresh_from_db()
    assert waiting.status == "succeeded" and waiting.steps.get().attempt == 1 and len(sink.calls) == 2
    # a run that was cancelled while it waited keeps no slot
    deliver({})
    settle(drain)
    ExecutionRun.objects.filter(status="waiting").update(status="cancelled")
    ConnectionCall.objects.filter(finished_at__isnull=False).delete()
    calls.admit_all()
    assert not ConnectionCall.objects.exists()


PAGES = (
    "  - {key: call, action: http.request, connection: limited, timeout: 60, retry: {attempts: 1},"
    " inputs: {method: GET, url: /call, pagination: page, max_pages: 3}}"
)


def test_each_page_of_a_step_counts_as_a_request(limited, workflow, deliver, drain, sink):
    connection = limited(limit_requests=4, limit_seconds=3_600)
    flow = workflow(f"name: pages\nslug: pages\ntriggers: [{{endpoint: github}}]\nsteps:\n{PAGES}")
    sink.answer = lambda number, path: (200, [number], {})
    deliver({})
    settle(drain)
    assert flow.runs.get().status == "succeeded" and len(sink.calls) == 3
    assert find_usage(connection).in_window == 3
    # the next run finds room for one page: the others would be over the limit
    deliver({})
    settle(drain)
    failed = flow.runs.latest("created_at")
    assert failed.status == "failed" and len(sink.calls) == 4
    assert failed.error["code"] == "rate_limited"


def test_a_further_request_waits_for_room_and_stops_with_its_run(limited):
    connection = limited(limit_requests=1, limit_seconds=1)
    cancelled = []
    with CallSlot(uuid.uuid4(), "steps.call", "one", 30) as slot:
        slot.acquire(connection)
        http = count_requests(ScriptedHttp(), slot, time.monotonic() + 600, lambda: bool(cancelled))
        for _ in range(2):
            http.request("GET", "https://api.example.com")
        assert len(http.http.requests) == 2
        cancelled.append(True)
        http.limit = Limit(1, 3_600, 0)
        with pytest.raises(ConnectorError, match="Cancelled"):
            http.request("GET", "https://api.example.com")
    with CallSlot(uuid.uuid4(), "steps.call", "one", 30) as free:
        free.acquire(Connection(connector="http", slug="free"))
        assert not free.limits_requests


def test_limits_come_from_the_connection_or_its_connector(limited, monkeypatch, django_assert_num_queries):
    connection = limited()
    with django_assert_num_queries(0):
        CallSlot(uuid.uuid4(), "a", "one", 30).acquire(connection)
        assert find_usage(connection) is None
    monkeypatch.setattr(HttpConnector, "rate_limit", RateLimit(requests=7, seconds=10, concurrent=2))
    assert find_usage(connection).limit == calls.Limit(7, 10, 2)
    connection.limit_requests, connection.limit_seconds = 3, 5
    assert find_usage(connection).limit == calls.Limit(3, 5, 2)
    connection.limit_seconds = None
    with pytest.raises(ValidationError) as caught:
        connection.full_clean()
    assert "limit_seconds" in caught.value.message_dict


@pytest.mark.extended
def test_limits_are_set_in_the_form_and_audited(probe, sign_in, owner):
    client = sign_in(owner)
    client.post(reverse(CONNECTION_ADD), connection_form())
    connection = Connection.objects.get()
    page = reverse("admin:automate_connectors_connection_change", args=[connection.pk])
    answer = client.post(page, connection_form(limit_requests="5"))
    assert form_errors(answer) == {"limit_seconds": ["Enter both the number of calls and the seconds, or neither."]}
    page_of_errors = Page(answer)
    assert "Not saved. Fix these fields: Interval in seconds: Enter both" in page_of_errors.text
    assert page_of_errors.all(href="#id_limit_seconds") and page_of_errors.all(**{"class": "da-fold", "open": ""})
    limits = {"limit_requests": "5", "limit_seconds": "60", "limit_concurrent": "2"}
    answer = client.post(page, connection_form(**limits))
    assert answer.status_code == 302, form_errors(answer)
    connection.refresh_from_db()
    assert limit_of(connection) == Limit(5, 60, 2)
    changes = AuditEntry.objects.filter(verb="connection.changed").latest("pk").changes
    assert changes["limit_requests"] == {"from": None, "to": 5}
    assert "Rate limit: 0 of 5 calls used in 60 s." in client.get(page).content.decode()


POLLED = """
name: Polled
slug: polled
triggers: [{kind: poll, key: bugs, poll: github.new_issue, connection: hub, every: 5m, inputs: {repository: o/r}}]
steps: [{key: note, action: data.set}]
"""
PUSHED = """
name: Pushed
slug: pushed
triggers: [{kind: service, key: push, webhook: github.push, connection: hub, inputs: {repository: o/r}}]
steps: [{key: note, action: data.set}]
"""


@pytest.fixture
def hub(owner, sink, settings, monkeypatch):
    settings.AUTOMATE_EGRESS_ALLOW = (sink.host,)
    monkeypatch.setenv("AUTOMATE_SECRET_HUB", "ghp_of_a_test")
    sink.answer = lambda number, path: (200, [], {})

    def make(**limits):
        config = {"token": "env:HUB", "base_url": sink.url}
        return Connection.objects.create(
            name="Hub", slug="hub", connector="github", config=config, owner=owner, **limits
        )

    return make


def test_requests_of_polls_count_and_a_poll_over_the_limit_is_put_back(hub, workflow, drain, sink):
    connection = hub(limit_requests=1, limit_seconds=3_600)
    workflow(POLLED)
    drain()
    state = PollState.objects.get()
    assert (state.has_baseline, len(sink.calls), find_usage(connection).in_window) == (True, 1, 1)
    polled_at = state.polled_at
    PollState.objects.update(next_at=now())
    drain()
    state.refresh_from_db()
    assert (state.failures, state.error, state.lease_until) == (0, "", None), "it waits, and has not failed"
    assert state.polled_at == polled_at and (state.next_at - now()).total_seconds() > 600 and len(sink.calls) == 1
    ConnectionCall.objects.all().delete()
    PollState.objects.update(next_at=now())
    drain()
    assert len(sink.calls) == 2 and not ConnectionCall.objects.filter(finished_at=None).exists()


def test_each_request_of_a_registration_counts(hub, workflow, drain, sink):
    connection = hub(limit_requests=10, limit_seconds=3_600, limit_concurrent=1)
    sink.answer = lambda number, path: (200, [], {}) if number == 1 else (201, {"id": 7}, {})
    workflow(PUSHED)
    drain()
    assert ServiceWebhook.objects.get().state == "registered" and len(sink.calls) == 2
    assert find_usage(connection).in_window == 2 and find_usage(connection).active == 0
    with CallSlot(uuid.uuid4(), "steps.call", "one", 30) as slot:
        slot.acquire(connection)
        with pytest.raises(ConnectorError) as caught:
            CallSlot(uuid.uuid4(), "poll", "other", 30).take(connection)
        assert caught.value.code == calls.WAITS_FOR_LIMIT
    CallSlot(uuid.uuid4(), "poll", "other", 30).take(connection)


def test_a_poll_of_a_connection_without_limits_runs_no_statement_about_them(hub, workflow, drain, sink):
    hub()
    workflow(POLLED)
    [lease] = polling.lease_due(1)
    with CaptureQueriesContext(database) as captured:
        polling.run_poll(lease)
    assert len(sink.calls) == 1 and PollState.objects.get().has_baseline
    assert [each["sql"] for each in captured if "connectioncall" in each["sql"] or "advisory" in each["sql"]] == []
