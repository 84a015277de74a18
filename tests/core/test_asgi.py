"""Deliveries answered in front of Django, where those that arrive together share a statement."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.db import connection
from django.http import StreamingHttpResponse
from django.urls import include
from django.urls import path as url

from automate_api.v1.error_codes import code_of_status
from automate_api.v1.problems import problem
from automate_core import database
from automate_core.asgi import automate
from automate_core.models import Event
from automate_core.webhooks import endpoints
from automate_core.webhooks.application import GroupIngestor, WebhookApplication
from automate_core.webhooks.schemes.registry import GitHubScheme
from tests.conftest import SECRET

pytestmark = pytest.mark.django_db(transaction=True)


def post(*bodies, path="/hooks/github/"):
    """Deliver all of them at once: (status, answer) of each."""

    async def one(application, body, number):
        signed = GitHubScheme({}).sign(SECRET, body, event_type="issues", delivery=f"d-{number}")
        headers = [(name.lower().encode(), value.encode()) for name, value in signed.items()]
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await application({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    async def all_of_them():
        application = WebhookApplication()
        try:
            return await asyncio.gather(*[one(application, body, number) for number, body in enumerate(bodies)])
        finally:
            await application.close()

    return asyncio.run(asyncio.wait_for(all_of_them(), 20))


def test_a_bad_delivery_harms_none_that_came_with_it(endpoint):
    answers = post(b'{"n": 1}', b'{"n": 1e-20000}', b'{"n": 2}', b"not JSON")
    assert [status for status, _ in answers] == [202, 400, 202, 400]
    assert sorted(Event.objects.values_list("payload__n", flat=True)) == [1, 2]


def test_half_a_delivery_is_none(owner):
    """A sender that breaks off and comes again must not find its delivery taken, without its body."""
    endpoints.save_endpoint("cloud", scheme="bearer", config={}, secret=SECRET, actor=owner)
    cloud = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "paid"}
    headers = {"authorization": f"Bearer {SECRET}"} | {f"ce-{name}": value for name, value in cloud.items()}
    pieces = iter([{"type": "http.request", "body": b'{"n"', "more_body": True}, {"type": "http.disconnect"}])
    sent = []

    async def deliver():
        async def receive():
            return next(pieces)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/hooks/cloud/",
                 "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}  # fmt: skip
        await WebhookApplication()(scope, receive, send)

    asyncio.run(deliver())
    assert not sent and not Event.objects.exists()


def test_a_slug_with_a_nul_is_an_unknown_endpoint(endpoint):
    [(status, answer)] = post(b"{}", path="/hooks/\0/")
    assert (status, answer) == (401, {"error": "The signature is missing or does not match."})


def test_whatever_breaks_the_writer_every_sender_is_told_to_come_again(endpoint, monkeypatch):
    async def broken(self, events):
        raise KeyError("the first delivery was pruned meanwhile")

    monkeypatch.setattr(GroupIngestor, "_write", broken)
    assert [status for status, _ in post(b"{}", b"{}")] == [503, 503]


# --- the writer's connection ------------------------------------------------------------------------------------------


def signed(number):
    """The body and the headers of a delivery."""
    body = json.dumps({"n": number}).encode()
    headers = GitHubScheme({}).sign(SECRET, body, event_type="issues", delivery=f"d-{number}")
    return body, [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def one_after_the_other(count, between):
    """The statuses of deliveries to one application. `between` runs before all but the first."""
    application, sent = WebhookApplication(), []

    async def send(message):
        sent.append(message)

    for number in range(count):
        if number:
            await asyncio.to_thread(between)
        body, headers = signed(number)

        async def receive(body=body):
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/hooks/github/", "headers": headers}
        await application(scope, receive, send)
    await application.close()
    return [message["status"] for message in sent if message["type"] == "http.response.start"]


def end_the_writer():
    """PostgreSQL ends the connection, as it does when it stops."""
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE query LIKE '%WITH incoming AS (%' AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchall() == [(True,)]


def test_a_connection_that_ended_meanwhile_costs_no_delivery(endpoint):
    """Senders that do not come again would lose it, though the database has long been back."""
    assert asyncio.run(one_after_the_other(3, end_the_writer)) == [202, 202, 202]
    assert Event.objects.count() == 3


def test_deliveries_are_accepted_as_soon_as_the_database_is_back(endpoint, monkeypatch):
    """After a long time away as after a short one. Attempts that come ever more seldom would be late."""
    right, is_away, wanted = database.parameters, True, iter([False, True])

    def parameters(options):
        return right(options) | ({"host": "/nowhere"} if is_away else {})

    def back_or_away():
        nonlocal is_away
        is_away = next(wanted)

    monkeypatch.setattr(database, "parameters", parameters)
    monkeypatch.setattr("automate_core.webhooks.kept_connection.PATIENCE_SECONDS", 0.3)
    started = time.monotonic()
    assert asyncio.run(one_after_the_other(2, back_or_away)) == [503, 202]
    assert time.monotonic() - started < 10


# --- bodies that stop coming ------------------------------------------------------------------------------------------


def arriving(pieces, *, path):
    """Send a request whose body comes as `pieces` gives it: the status of the answer, and whether it closes."""
    start, _body = answer_to(pieces, path=path)
    return start["status"], (b"connection", b"close") in start["headers"]


def answer_to(pieces, *, path, headers=()):
    """Send a request whose body comes as `pieces` gives it: the beginning of the answer, and its body."""
    sent = []

    async def receive():
        try:
            return await anext(pieces)
        except StopAsyncIteration:
            return await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "client": ("::1", 1)}
    application = automate(get_asgi_application())
    asyncio.run(asyncio.wait_for(application({**scope, "headers": [*headers]}, receive, send), 60))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0], sent[1]["body"]


@pytest.mark.parametrize("path", ["/hooks/github/", "/hooks/github/some-callback/", "/admin/login/"])
def test_a_body_that_stops_coming_is_answered_with_408(endpoint, settings, path):
    settings.AUTOMATE_REQUEST_SECONDS = 0.2

    async def pieces():
        while True:
            yield {"type": "http.request", "body": b"x", "more_body": True}
            await asyncio.sleep(0.01)

    assert arriving(pieces(), path=path) == (408, True)
    assert not Event.objects.exists()


def test_a_large_body_has_the_time_that_it_needs(endpoint, settings):
    settings.AUTOMATE_REQUEST_SECONDS = 0.2

    async def pieces():
        yield {"type": "http.request", "body": b"x" * 500_000, "more_body": True}
        await asyncio.sleep(0.5)
        yield {"type": "http.request", "body": b"x", "more_body": False}

    assert arriving(pieces(), path="/hooks/github/") == (401, False)


def test_a_body_without_end_is_answered_with_413(settings):
    settings.AUTOMATE_REQUEST_BYTES = 100_000
    sent = []

    async def pieces():
        while True:
            sent.append(10_000)
            yield {"type": "http.request", "body": b"x" * 10_000, "more_body": True}

    assert arriving(pieces(), path="/admin/login/") == (413, True)
    assert sum(sent) == 110_000, "not one piece more is taken"


@pytest.mark.parametrize(("given", "said"), [(b"nightly-4711", "nightly-4711"), (b"a b", None)])
@pytest.mark.parametrize(("setting", "most", "status"), [("BYTES", 10, 413), ("SECONDS", 0.1, 408)])
def test_a_refusal_is_a_problem_document_as_the_api_has_them(settings, setting, most, status, given, said):
    setattr(settings, f"AUTOMATE_REQUEST_{setting}", most)

    async def pieces():
        if setting == "BYTES":
            yield {"type": "http.request", "body": b"x" * 11, "more_body": True}

    start, body = answer_to(pieces(), path="/api/v1/workflows", headers=[(b"x-request-id", given)])
    headers, document = dict(start["headers"]), json.loads(body)
    assert (start["status"], headers[b"content-type"]) == (status, b"application/problem+json")
    assert headers[b"x-request-id"].decode() == document["request_id"]
    assert document["request_id"] == said or (said is None and len(document["request_id"]) == 32)
    assert document.keys() == json.loads(problem(status, "Why").content).keys() | {"request_id"}
    assert (document["status"], document["code"]) == (status, code_of_status(status))
    assert str(most) in document["detail"] or status == 408


# --- requests that are left -------------------------------------------------------------------------------------------

LEFT_URL = "tests.core.test_asgi"


async def slow_page(request):
    """A page that a middleware without async support wraps, as Unfold's and most others are."""
    await sync_to_async(time.sleep)(0.2)
    return StreamingHttpResponse(endless_lines())


async def endless_lines():
    while True:
        yield b"line\n"
        await asyncio.sleep(0.01)


def sync_middleware(get_response):
    return get_response


urlpatterns = [url("slow/", slow_page), url("", include("automate_site.urls"))]


def test_a_request_that_is_left_before_its_response_ends_quietly(settings, caplog):
    """A cancelled view would leave Django with the executor of a thread that has quit, and a traceback in the log."""
    settings.ROOT_URLCONF = LEFT_URL
    settings.MIDDLEWARE = [f"{LEFT_URL}.sync_middleware"]
    body = iter([{"type": "http.request", "body": b"", "more_body": False}])
    sent, contexts = [], []

    async def receive():
        if (message := next(body, None)) is None:
            await asyncio.sleep(0.1)  # the view is running
            return {"type": "http.disconnect"}
        return message

    async def send(message):
        sent.append(message["type"])

    async def leave():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: contexts.append(context))
        scope = {"type": "http", "method": "GET", "path": "/slow/", "query_string": b"", "client": ("::1", 1),
                 "headers": [(b"host", b"testserver")]}  # fmt: skip
        await asyncio.wait_for(automate(get_asgi_application())(scope, receive, send), 10)

    asyncio.run(leave())
    assert not contexts and not [each for each in caplog.records if each.levelname == "ERROR"]
    assert sent[0] == "http.response.start", "the view ended by itself"
    assert len(sent) < 20, "the stream ended at once"


@pytest.fixture
def two_at_once(settings):
    settings.AUTOMATE_ANONYMOUS_REQUESTS = 2


def test_requests_without_credentials_take_turns(two_at_once):
    """A crowd of them is answered two at a time, so that the worker beside them keeps its share of the process."""
    inside, most, go_on = [], [], asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        inside.append(scope["path"])
        most.append(len(inside))
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        inside.remove(scope["path"])

    async def request(serve, path, headers=(), body=()):
        pieces = iter([*body, {"type": "http.request", "body": b"", "more_body": False}])

        async def receive():
            piece = next(pieces)
            await (piece.pop("wait")() if "wait" in piece else asyncio.sleep(0))
            return piece

        async def send(message):
            pass

        scope = {"type": "http", "method": "GET", "path": path, "headers": list(headers), "client": ("10.0.0.1", 1)}
        await serve(scope, receive, send)

    async def crowd():
        serve = automate(application)
        slow = {"type": "http.request", "body": b"", "more_body": True, "wait": lambda: asyncio.sleep(3_600)}
        sent_slowly = asyncio.create_task(request(serve, "/slow", body=[slow]))
        strangers = [asyncio.create_task(request(serve, f"/stranger/{number}")) for number in range(5)]
        await asyncio.sleep(0.2)
        assert sorted(inside) == ["/stranger/0", "/stranger/1"]
        known = [(b"cookie", b"sessionid=a"), (b"authorization", b"Bearer b")]
        signed_in = [asyncio.create_task(request(serve, f"/known/{each[0]}", [each])) for each in known]
        await asyncio.sleep(0.2)
        assert len(inside) == 4, "those with credentials wait for no stranger"
        go_on.set()
        await asyncio.wait_for(asyncio.gather(*strangers, *signed_in), 20)
        sent_slowly.cancel()

    asyncio.run(crowd())
    assert len(most) == 7 and max(most) == 4


class Crowd:
    """Requests to an application that answers none of them before `go_on`."""

    def __init__(self):
        self.began, self.answers, self._tasks = [], {}, []
        self._go_on = asyncio.Event()
        self._serve = automate(self._application)

    async def _application(self, scope, receive, send):
        if (await receive())["type"] == "http.disconnect":
            return
        self.began.append(scope["path"])
        await self._go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(self, path, address="10.0.0.1", headers=()):
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                self.answers[path] = message["status"]

        scope = {"type": "http", "method": "GET", "path": path, "headers": list(headers), "client": (address, 1)}
        self._tasks.append(asyncio.create_task(self._serve(scope, receive, send)))
        await asyncio.sleep(0)

    async def end(self):
        self._go_on.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 20)


async def settle():
    await asyncio.sleep(0.1)


def test_a_crowd_of_one_address_delays_another_by_one_request(two_at_once):
    async def crowd():
        asked = Crowd()
        for number in range(20):
            await asked.ask(f"/crowd/{number}")
        await asked.ask("/guest", "10.0.0.2")
        await settle()
        await asked.end()
        return asked.began

    assert asyncio.run(crowd()).index("/guest") == 3, "after the two that were answered, and the next of the crowd"


@pytest.mark.parametrize("probe", ["/livez/", "/readyz/", "/healthz/"])
def test_probes_wait_for_no_crowd(two_at_once, probe):
    async def crowd():
        asked = Crowd()
        for number in range(20):
            await asked.ask(f"/crowd/{number}")
        await asked.ask(probe)
        await settle()
        began = list(asked.began)
        await asked.end()
        return began

    assert probe in asyncio.run(crowd())


def test_too_many_of_one_address_are_refused(two_at_once):
    async def crowd():
        asked = Crowd()
        for number in range(103):
            await asked.ask(f"/crowd/{number}")
        await settle()
        refused = dict(asked.answers)
        await asked.end()
        return refused, asked.answers

    refused, answers = asyncio.run(crowd())
    assert refused == {"/crowd/102": 503}, "two run, a hundred wait"
    assert list(answers.values()).count(200) == 102


@pytest.mark.parametrize("path", ["/forms/claim/", "/admin/login/"])
def test_credentials_that_a_page_does_not_ask_for_pass_nobody(two_at_once, path):
    async def crowd():
        asked = Crowd()
        for number in range(5):
            await asked.ask(path, headers=[(b"authorization", b"x"), (b"cookie", b"sessionid=%d" % number)])
        await settle()
        began = len(asked.began)
        await asked.end()
        return began

    assert asyncio.run(crowd()) == 2


def test_a_host_project_has_no_limit_by_itself(settings):
    del settings.AUTOMATE_ANONYMOUS_REQUESTS

    async def crowd():
        asked = Crowd()
        for number in range(20):
            await asked.ask(f"/shop/{number}")
        await settle()
        began = len(asked.began)
        await asked.end()
        return began

    assert asyncio.run(crowd()) == 20


def test_a_turn_ends_with_a_request_that_fails(two_at_once):
    async def application(scope, receive, send):
        await receive()
        raise RuntimeError(scope["path"])

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    async def many():
        serve = automate(application)
        for _ in range(5):
            with pytest.raises(RuntimeError):
                await serve(
                    {"type": "http", "method": "GET", "path": "/", "headers": [], "client": None}, receive, send
                )

    asyncio.run(asyncio.wait_for(many(), 20))
