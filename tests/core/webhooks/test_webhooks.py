"""Deliveries: what is accepted, what is refused and how, and that a delivery counts once."""

from __future__ import annotations

import json

import psycopg
import pytest

from automate_core.models import Event, OutboxJob, WebhookEndpoint
from automate_core.outbox.ingest import EventIngestor
from automate_core.webhooks import endpoints
from tests.conftest import SECRET

pytestmark = pytest.mark.django_db

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_accepted_means_event_and_job_together(endpoint, deliver):
    answer = deliver({"a": 1})
    assert answer.status_code == 202
    assert set(answer.json()) == {"trace_id", "event_id"}
    event = Event.objects.get()
    assert OutboxJob.objects.get().event == event
    assert event.headers["x-github-event"] == "issues"
    assert not any("signature" in name for name in event.headers)


def test_a_duplicate_is_answered_with_the_first_trace(endpoint, deliver):
    first = deliver({"a": 1}, delivery="d-1")
    again = deliver({"a": 1}, delivery="d-1")
    assert (again.status_code, again.json()) == (202, first.json())
    assert Event.objects.count() == OutboxJob.objects.count() == 1


def test_traceparent_is_honoured(endpoint, deliver):
    answer = deliver(headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert answer.json()["trace_id"] == TRACE


@pytest.mark.parametrize(
    "bad", ["", "00-xyz-1-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01"]
)
def test_a_bad_traceparent_gives_a_new_trace(endpoint, deliver, bad):
    trace = deliver(headers={"traceparent": bad}).json()["trace_id"]
    assert len(trace) == 32 and trace != TRACE and int(trace, 16)


def test_every_signature_failure_looks_the_same(endpoint, deliver):
    disabled, _ = endpoints.save_endpoint("off", scheme="github", config={}, secret=SECRET, actor=endpoint.owner)
    WebhookEndpoint.objects.filter(pk=disabled.pk).update(enabled=False)
    answers = [
        deliver(secret="another-secret-of-32-characters!!"),
        deliver(headers={"X-Hub-Signature-256": ""}),
        deliver(headers={"X-Hub-Signature-256": "sha256=ééé"}),
        deliver(headers={"X-Hub-Signature-256": "sha1=abc"}),
        deliver(path="/hooks/unknown/"),
        deliver(path="/hooks/off/"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert not Event.objects.exists()


BODIES = {
    "not JSON": (b"{", 400, "not JSON"),
    "NaN": (b'{"a": NaN}', 400, "not JSON"),
    "huge float": (b'{"a": 1e400}', 400, "not JSON"),
    "lone surrogate": (b'{"a": "\\ud800"}', 400, "not JSON"),
    "broken UTF-8": (b'{"a": "\xff"}', 400, "not JSON"),
    "BOM": (b"\xef\xbb\xbf{}", 400, "not JSON"),
    "NUL": (b'{"a": "\\u0000"}', 400, "NUL"),
    "NUL in a name": (b'{"\\u0000": 1}', 400, "NUL"),
    "long name": (b'{"' + b"k" * 1001 + b'": 1}', 400, "longer than 1000"),
    "deep": (b"[" * 80 + b"]" * 80, 400, "nested"),
    "very deep": (b"[" * 100_000 + b"]" * 100_000, 400, "nested"),
    "many values": (b"[" + b"1," * 100_000 + b"1]", 400, "values"),
    "empty": (b"", 400, "body is empty"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_with_a_reason(endpoint, deliver, name):
    body, status, reason = BODIES[name]
    answer = deliver(body)
    assert (answer.status_code, reason in answer.json()["error"]) == (status, True), answer.content
    assert not Event.objects.exists()


@pytest.mark.parametrize("value", [2**63 + 1, 10**40, "€ 👍", [], {}, None, True, 1.5, {"a": {"b": [1, {"c": None}]}}])
def test_any_json_value_is_kept_exactly(endpoint, deliver, value):
    assert deliver(value if value is not None else b"null").status_code == 202
    assert Event.objects.get().payload == value


def test_too_large_is_413_even_when_it_is_signed(endpoint, deliver, settings):
    settings.AUTOMATE_HOOK_BODY_BYTES = 100
    assert deliver({"a": "x" * 200}).status_code == 413
    assert deliver({"a": "x" * 20}).status_code == 202


def test_other_content_types_and_encodings_are_415(endpoint, deliver, client):
    assert deliver(headers={"Content-Encoding": "gzip"}).status_code == 415
    answer = deliver(headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415 and "application/json" in answer.json()["error"]
    assert deliver(headers={"Content-Type": "application/cloudevents+json; charset=utf-8"}).status_code == 202


def test_only_post_is_taken(endpoint, client):
    answer = client.get("/hooks/github/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_a_secret_that_went_missing_refuses_everything(endpoint, deliver):
    WebhookEndpoint.objects.update(secret="database:gone")
    assert deliver().status_code == 401


def test_unsigned_is_an_explicit_choice(owner, client):
    endpoints.save_endpoint("open", scheme="unsigned", config={}, secret=None, actor=owner)
    answer = client.post("/hooks/open/", b"{}", content_type="application/json")
    assert answer.status_code == 202
    assert Event.objects.get().delivery_key is None


def test_the_database_being_away_is_503(endpoint, deliver, monkeypatch):
    def away(self, *events):
        raise psycopg.OperationalError("server closed the connection")

    monkeypatch.setattr(EventIngestor, "ingest", away)
    answer = deliver()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_ingest_rolls_back_with_the_caller(endpoint, db):
    from django.db import transaction

    from automate_core.outbox.ingest import NewEvent

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        EventIngestor().ingest(NewEvent(source="api:host", type="order.paid", payload='{"order": 1}'))
        raise ZeroDivisionError
    assert not Event.objects.exists() and not OutboxJob.objects.exists()


def test_ingest_takes_many_at_once_and_answers_each(db):
    from automate_core.outbox.ingest import NewEvent

    events = [NewEvent(source="api:host", type="n", payload=json.dumps(n), delivery_key=str(n % 3)) for n in range(9)]
    answers = EventIngestor().ingest(*events)
    assert Event.objects.count() == OutboxJob.objects.count() == 3
    assert [answer.duplicate for answer in answers] == [False] * 3 + [True] * 6
    assert {answer.trace_id for answer in answers} == set(Event.objects.values_list("trace_id", flat=True))


def test_a_delivery_costs_few_queries(endpoint, deliver, django_assert_num_queries):
    deliver()  # now and then, one delivery notes that the secret was used
    with django_assert_num_queries(2):  # the endpoint, its secret; the insert runs below Django's counting
        deliver()


@pytest.mark.parametrize("body", [b'{"a": 1e-20000}', b'{"a": 0.' + b"0" * 17_000 + b"1}"])
def test_a_number_that_no_database_holds_is_the_senders_fault(endpoint, deliver, body):
    answer = deliver(body)
    assert (answer.status_code, answer.json()) == (400, {"error": "The body contains a number that cannot be stored."})


@pytest.mark.parametrize("slug", ["%00", "a%00b", "x" * 101, "a.b"])
def test_a_slug_that_no_endpoint_can_have_is_an_unknown_one(endpoint, slug):
    from django.test import Client

    assert Client().post(f"/hooks/{slug}/", b"{}", content_type="application/json").status_code in {401, 404}


def test_a_vault_that_is_away_is_no_bad_signature(endpoint, deliver, monkeypatch):
    from automate_governance.secrets.resolver import backends

    class Vault:
        def get_secret(self, key):
            raise ConnectionError("sealed")

    monkeypatch.setitem(backends._usable, "vault", Vault())
    endpoint.secret = "vault:x"
    endpoint.save()
    answer = deliver()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
