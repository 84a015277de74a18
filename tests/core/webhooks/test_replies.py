"""Deliveries that wait for the reply of their run: under ASGI without a thread, under WSGI in a few."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from automate_core.models import ExecutionRun, StepRun
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.replies import reply_hub
from automate_core.replies.reply_hub import hub
from automate_core.replies.waiting import wait_for_reply, wait_for_reply_async
from automate_core.webhooks import endpoints
from automate_core.webhooks.application import WebhookApplication
from automate_core.webhooks.schemes.registry import GitHubScheme
from tests.conftest import SECRET

pytestmark = pytest.mark.django_db(transaction=True)

REPLY = """
  - kind: reply
    key: answer
    status: 201
    headers: {X-Order: '{{ event.payload.number }}'}
    body: {number: '{{ event.payload.number }}'}
"""


@pytest.fixture
def waiting(endpoint, owner):
    """The endpoint, which waits for replies."""

    def wait(seconds=10):
        kept = {"scheme": endpoint.scheme, "config": {}, "secret": None, "actor": owner}
        return endpoints.save_endpoint("github", **kept, reply_seconds=seconds)[0]

    wait()
    return wait


def sent_by_asgi(*numbers, path="/hooks/github/", leave_after=None, done=lambda: None):
    """Deliver under ASGI, all at once: (status, headers, body) of each; [] for a sender that left."""

    async def one(application, number):
        body = json.dumps({"number": number}).encode()
        signed = GitHubScheme({}).sign(SECRET, body, event_type="issues", delivery=f"d-{number}")
        headers = [(name.lower().encode(), value.encode()) for name, value in signed.items()]
        sent, messages = [], [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            if leave_after is None:
                await asyncio.Event().wait()
            await asyncio.sleep(leave_after)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await application({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
        done()
        if not sent:
            return []
        return sent[0]["status"], {n.decode(): v.decode() for n, v in sent[0]["headers"]}, sent[1]["body"]

    async def all_of_them():
        application = WebhookApplication()
        try:
            return await asyncio.gather(*[one(application, number) for number in numbers])
        finally:
            await application.close()

    return asyncio.run(asyncio.wait_for(all_of_them(), 60))


def run_ended(number):
    return ExecutionRun.objects.filter(event__payload__number=number, status="succeeded").exists()


# --- the answer -------------------------------------------------------------------------------------------------------


def test_the_reply_answers_the_delivery(publish, waiting, working):
    publish(REPLY)
    working()
    [(status, headers, body)] = sent_by_asgi(7)
    run = ExecutionRun.objects.get()
    assert (status, json.loads(body), headers["x-order"]) == (201, {"number": 7}, "7")
    assert headers["content-type"] == "application/json" and headers["content-length"] == str(len(body))
    assert headers["content-security-policy"] == "sandbox" and headers["x-content-type-options"] == "nosniff"
    assert headers["automate-event-id"] == str(run.event_id) and headers["automate-trace-id"] == run.trace_id


def test_the_view_gives_the_same_answer(publish, waiting, working, deliver):
    publish(REPLY.replace("status: 201", "status: 200\n    content_type: text/html"))
    working()
    answer = deliver({"number": 7})
    assert (answer.status_code, answer.content) == (200, b'{"number": 7}')
    assert answer["Content-Type"] == "text/html; charset=utf-8" and answer["X-Order"] == "7"
    assert answer["Content-Security-Policy"] == "sandbox" and answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies


def test_a_reply_without_a_body(publish, waiting, working, deliver):
    publish("  - {kind: reply, key: answer, status: 204}")
    working()
    [(status, headers, body)] = sent_by_asgi(7)
    assert (status, body) == (204, b"") and "content-length" not in headers and "content-type" not in headers
    answer = deliver({"number": 8})
    assert (answer.status_code, answer.content) == (204, b"") and "Content-Type" not in answer


def test_the_sender_has_its_answer_while_the_run_goes_on(publish, waiting, working):
    publish(f"{REPLY}  - {{kind: wait, key: pause, duration: 1h}}")
    working()
    [(status, _, _)] = sent_by_asgi(7)
    assert status == 201 and ExecutionRun.objects.get().status in {"running", "waiting"}


def test_a_large_reply_comes_whole(publish, waiting, working, settings):
    settings.AUTOMATE_DOCUMENT_BYTES = 100
    publish("  - {kind: reply, key: answer, body: '{{ event }}'}")
    working()
    [(status, _, body)] = sent_by_asgi(7)
    assert status == 200 and json.loads(body)["payload"] == {"number": 7}
    assert StepRun.objects.get(path="answer").output_file


@pytest.mark.extended
def test_many_senders_wait_at_once_with_one_connection(publish, waiting, working):
    publish(REPLY)
    started = threading.Timer(1.0, working)
    started.start()
    answers = sent_by_asgi(*range(40))
    started.join()
    assert sorted(json.loads(body)["number"] for _, _, body in answers) == list(range(40))


@pytest.mark.extended
def test_waiting_holds_no_connection_and_no_thread(publish, waiting):
    publish(REPLY)
    waiting(2)
    sent_by_asgi(1)  # starts the hub, and whatever threads a loop has
    threads, sessions, before = [], [], set(threading.enumerate())

    def look():
        time.sleep(1)
        threads.append(set(threading.enumerate()))
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%automate_core_runreply%'")
            sessions.append(cursor.fetchone()[0])
        connection.close()

    looking = threading.Thread(target=look)
    looking.start()
    sent_by_asgi(*range(2, 32))
    looking.join()
    assert sum("replies" in thread.name for thread in threads[0]) == 1 and len(threads[0] - before) < 20
    assert sessions[0] <= 2  # the hub's, and the one that asks


# --- no reply ---------------------------------------------------------------------------------------------------------


def test_after_the_limit_the_sender_is_told_of_the_run(publish, waiting, working, settings):
    publish(
        f"  - {{kind: wait, key: pause, duration: 1h}}\n{REPLY.lstrip()}".replace("- kind: reply", "  - kind: reply")
    )
    waiting(1)
    working()
    [(status, headers, body)] = sent_by_asgi(7)
    run = ExecutionRun.objects.get()
    assert status == 202 and "content-security-policy" not in headers
    assert json.loads(body) == {
        "trace_id": run.trace_id,
        "event_id": str(run.event_id),
        "run": str(run.pk),
        "status": "waiting",
        "url": f"{settings.AUTOMATE_SITE_URL}/admin/automate_core/executionrun/{run.pk}/change/",
    }


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("steps", "ended"),
    [
        ("  - {key: nothing, action: data.set}", "succeeded"),
        ("  - {kind: stop, key: no, outcome: failed}", "failed"),
        ("  - {kind: reply, key: answer, status: '{{ event.payload.number }}'}", "failed"),
    ],
)
def test_a_run_that_ends_without_a_reply_is_not_waited_for(publish, waiting, working, steps, ended):
    publish(steps)
    waiting(30)
    working()
    began = time.monotonic()
    [(status, _, body)] = sent_by_asgi(7)
    assert (status, json.loads(body)["status"]) == (202, ended)
    assert time.monotonic() - began < 10


def test_a_delivery_that_starts_nothing_is_answered(publish, waiting, working):
    publish(REPLY, triggers="[{endpoint: github, event: other}]")
    waiting(30)
    working()
    [(status, _, body)] = sent_by_asgi(7)
    assert status == 202 and set(json.loads(body)) == {"trace_id", "event_id"}


def test_without_the_setting_nobody_waits(publish, working):
    publish(REPLY)
    working()
    [(status, _, body)] = sent_by_asgi(7)
    assert status == 202 and set(json.loads(body)) == {"trace_id", "event_id"}


def test_a_rejected_delivery_does_not_wait(waiting, deliver):
    waiting(30)
    assert deliver({"number": 7}, secret="x" * 32).status_code == 401
    assert deliver(b"no JSON").status_code == 400


# --- duplicates, restarts, shutdown -----------------------------------------------------------------------------------


def test_a_duplicate_is_given_the_first_reply_again(publish, waiting, working):
    publish(REPLY)
    working()
    first, second = sent_by_asgi(7), sent_by_asgi(7)
    assert first == second and first[0][0] == 201
    assert ExecutionRun.objects.count() == 1


def test_a_duplicate_waits_for_the_run_that_goes_on(publish, waiting, working):
    publish(REPLY)
    threading.Timer(1.0, working).start()
    answers = sent_by_asgi(7, 7)
    assert [answer[0] for answer in answers] == [201, 201]
    assert ExecutionRun.objects.count() == 1


def test_a_reply_that_is_deleted_with_its_run_is_not_given_again(publish, waiting, working):
    publish(REPLY)
    working()
    assert sent_by_asgi(7)[0][0] == 201
    ExecutionRun.objects.get().delete()
    assert sent_by_asgi(7)[0][0] == 202


def test_the_reply_comes_after_the_worker_was_restarted(publish, waiting, working):
    publish(f"  - {{kind: wait, key: pause, duration: 1s}}{REPLY}")
    first = working()

    def restart():
        while not ExecutionRun.objects.filter(status="waiting").exists():
            time.sleep(0.05)
        connection.close()
        first.stop()
        working()

    restarting = threading.Thread(target=restart)
    restarting.start()
    [(status, _, body)] = sent_by_asgi(7)
    restarting.join()
    assert (status, json.loads(body)) == (201, {"number": 7})


def test_a_sender_that_leaves_is_not_waited_for(publish, waiting):
    publish(REPLY)
    waiting(30)
    began = time.monotonic()
    assert sent_by_asgi(7, leave_after=0.3) == [[]]
    assert time.monotonic() - began < 10
    assert not hub._watches


def test_a_server_that_stops_answers_who_waits(publish, waiting):
    publish(REPLY)
    waiting(30)
    threading.Timer(1.0, hub.end_waits).start()
    began = time.monotonic()
    [(status, _, _)] = sent_by_asgi(7)
    assert status == 202 and time.monotonic() - began < 10


@pytest.mark.extended
def test_where_too_many_wait_the_next_is_answered_at_once(publish, waiting, monkeypatch):
    monkeypatch.setattr(reply_hub, "MOST_WATCHES", 3)
    publish(REPLY)
    waiting(3)
    began, took = time.monotonic(), []
    answers = sent_by_asgi(*range(5), done=lambda: took.append(time.monotonic() - began))
    assert [status for status, _, _ in answers] == [202] * 5
    assert sorted(seconds > 2.5 for seconds in took) == [False, False, True, True, True], took


@pytest.mark.extended
def test_a_lost_connection_is_replaced_while_senders_wait(publish, waiting, working):
    publish(REPLY)

    def cut_off():
        time.sleep(0.7)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%automate_core_runreply%'"
                " AND pid <> pg_backend_pid()"
            )
        connection.close()
        working()

    cutting = threading.Thread(target=cut_off)
    cutting.start()
    [(status, _, _)] = sent_by_asgi(7)
    cutting.join()
    assert status == 201


# --- threads of a WSGI server -----------------------------------------------------------------------------------------


@pytest.mark.extended
def test_only_some_threads_wait_under_wsgi(publish, waiting, deliver, settings):
    settings.AUTOMATE_REPLY_THREADS = 1
    publish(REPLY)
    waiting(12)
    took = {}

    def post(number):
        began = time.monotonic()
        assert deliver({"number": number}).status_code == 202
        took[number] = time.monotonic() - began
        connection.close()

    threads = [threading.Thread(target=post, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(seconds > 11 for seconds in took.values()) == 1, took
    settings.AUTOMATE_REPLY_THREADS = 0
    began = time.monotonic()
    post(4)
    assert time.monotonic() - began < 11


def test_nobody_waits_inside_a_transaction(publish, waiting, deliver):
    publish(REPLY)
    waiting(30)
    began = time.monotonic()
    with transaction.atomic():
        assert deliver({"number": 1}).status_code == 202
        with pytest.raises(RuntimeError, match="inside a transaction"):
            wait_for_reply("019ac000-0000-7000-8000-000000000000", 30)
    assert time.monotonic() - began < 10


# --- the commands -----------------------------------------------------------------------------------------------------


def test_the_command_sets_the_limit(endpoint, owner):
    given = ["automate_endpoint", "github", "--scheme", "github", "--owner", "owner"]
    call_command(*given, "--reply-seconds", "5", stdout=StringIO())
    endpoint.refresh_from_db()
    assert endpoint.reply_seconds == 5
    call_command(*given, stdout=StringIO())
    endpoint.refresh_from_db()
    assert endpoint.reply_seconds == 5, "what is not given stays"
    for wrong in ("31", "-1"):
        with pytest.raises(CommandError) as refused:
            call_command(*given, f"--reply-seconds={wrong}", stdout=StringIO())
        assert refused.value.returncode == 2


# --- for other callers ------------------------------------------------------------------------------------------------


def test_a_wait_ends_with_the_run(publish, working):
    publish("  - {key: nothing, action: data.set}", triggers="[{kind: event, event: go}]")
    working()
    [ingested] = EventIngestor().ingest(NewEvent(source="app", type="go", payload="{}"))
    outcome = wait_for_reply(ingested.event_id, 20)
    run = ExecutionRun.objects.get()
    assert (outcome.reply, outcome.run_id, outcome.status, outcome.is_over) == (None, str(run.pk), "succeeded", True)


def test_a_wait_that_is_given_up_is_not_over(publish):
    publish(REPLY, triggers="[{kind: event, event: go}]")
    [ingested] = EventIngestor().ingest(NewEvent(source="app", type="go", payload="{}"))
    outcome = asyncio.run(wait_for_reply_async(ingested.event_id, 0.3))
    assert (outcome.reply, outcome.run_id, outcome.is_over) == (None, "", False)
    assert not hub._watches


def test_an_event_that_does_not_exist_has_no_reply():
    outcome = wait_for_reply("019ac000-0000-7000-8000-000000000000", 20)
    assert outcome.is_over and outcome.reply is None


def test_a_cancelled_wait_leaves_nothing_behind(publish):
    publish(REPLY, triggers="[{kind: event, event: go}]")
    [ingested] = EventIngestor().ingest(NewEvent(source="app", type="go", payload="{}"))

    async def give_up():
        task = asyncio.create_task(wait_for_reply_async(ingested.event_id, 20))
        await asyncio.sleep(0.2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert not hub._watches
