"""A host's code starts workflows, once for each key, and may wait for the end."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection, transaction

from automate_core import api
from automate_core.models import Event, ExecutionRun, Workflow
from automate_core.worker.worker import Worker
from automate_governance.models import AuditEntry
from automate_testing import run_workflow

REFUND = """
name: Refund
slug: refund
triggers: [{kind: manual, inputs: [{name: order, kind: number, required: true}]}]
steps: [{key: note, action: data.set, inputs: {order: '{{ event.payload.order }}'}}]
"""


@pytest.fixture
def working():
    """A worker in a thread beside the test."""
    worker = Worker(concurrency=2, name="beside")
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield worker
    worker.stop()
    thread.join(60)


@pytest.mark.django_db
def test_code_of_the_host_needs_no_person(workflow):
    workflow(REFUND)
    started = api.start("refund", {"order": 17})
    assert Event.objects.get(pk=started.event_id).headers == {}
    entry = AuditEntry.objects.get(verb="workflow.run_started")
    assert (entry.actor, entry.trace_id) == ("system", started.trace_id)


@pytest.mark.django_db
def test_a_second_start_with_the_key_gets_the_result_of_the_first(workflow, owner):
    workflow(REFUND)
    first = api.start("refund", {"order": 17}, by=owner, idempotency_key="order-17")
    again = api.start("refund", {"order": 18}, by=owner, idempotency_key="order-17")
    assert (again.event_id, again.trace_id) == (first.event_id, first.trace_id)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert Event.objects.get().delivery_key == "api:host:order-17"
    assert AuditEntry.objects.filter(verb="workflow.run_started").count() == 1


@pytest.mark.django_db
def test_the_key_outlives_what_would_prevent_a_start_today(workflow, owner, stranger):
    workflow(REFUND)
    first = api.start("refund", {"order": 17}, by=owner, idempotency_key="a")
    Workflow.objects.update(status="archived")
    assert api.start("refund", {}, by=owner, idempotency_key="a").event_id == first.event_id
    with pytest.raises(api.NotPermittedError):
        api.start("refund", {"order": 17}, by=stranger, idempotency_key="a")


@pytest.mark.django_db
def test_keys_belong_to_one_workflow(workflow, owner):
    workflow(REFUND)
    workflow(REFUND.replace("slug: refund", "slug: refund-2"))
    first = api.start("refund", {"order": 17}, by=owner, idempotency_key="a")
    other = api.start("refund-2", {"order": 17}, by=owner, idempotency_key="a")
    assert first.event_id != other.event_id and not other.duplicate


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "k" * 151, "a\0b"])
def test_a_key_that_cannot_be_stored_is_refused(workflow, key):
    workflow(REFUND)
    with pytest.raises(ValueError, match="of 1 to 150 characters"):
        api.start("refund", {"order": 17}, idempotency_key=key)
    assert api.start("refund", {"order": 17}, idempotency_key="k" * 150)


PAYLOADS = [
    [1],
    "text",
    {"x": float("nan")},
    {"x": [{"y": float("inf")}]},
    {"x": Decimal("NaN")},
    {"x": "a\0b"},
    {"a\0b": 1},
    {"x": "\ud800"},
    {"x": object()},
]


@pytest.mark.matrix
@pytest.mark.django_db
@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_json_cannot_hold_is_refused(workflow, payload):
    workflow(REFUND.replace(", inputs: [{name: order, kind: number, required: true}]", ""))
    with pytest.raises(TypeError):
        api.start("refund", payload)
    with pytest.raises(TypeError):
        api.emit("order.paid", payload)
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong", [object(), float("nan"), "a\0b", Decimal("Infinity")], ids=["object", "nan", "nul", "infinity"]
)
def test_what_json_cannot_hold_is_named_by_its_field(workflow, wrong):
    workflow(REFUND)
    inputs = {"order": 1, "lines": [{"sku": "a"}, {"sku": wrong}]}
    with pytest.raises(TypeError, match=r"^inputs\.lines\.1\.sku: "):
        api.start("refund", inputs)
    with pytest.raises(TypeError, match=r"^payload\.lines\.1\.sku: "):
        api.emit("order.paid", inputs)


@pytest.mark.django_db
def test_what_json_has_for_a_value_is_stored(db):
    payload = {"day": date(2026, 6, 1), "sum": Decimal("1.50"), "id": uuid.UUID(int=7), 5: ("é", "\\u0000", {1})}
    sent = api.emit("order.paid", payload)
    assert Event.objects.get(pk=sent.event_id).payload["sum"] == 1.5


@pytest.mark.matrix
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: api.start("refund", by="admin"), TypeError),
        (lambda: api.start(5), TypeError),
        (lambda: api.start("refund", trigger=5), TypeError),
        (lambda: api.start("refund", idempotency_key=5), TypeError),
        (lambda: api.start("refund", wait="5"), TypeError),
        (lambda: api.start("ref\ud800und"), ValueError),
        (lambda: api.start("refund", {"order": 1}, idempotency_key="\ud800"), ValueError),
        (lambda: api.run(5), TypeError),
        (lambda: api.emit("", {}), ValueError),
        (lambda: api.emit("x" * 201, {}), ValueError),
        (lambda: api.emit("a\0b", {}), ValueError),
        (lambda: api.emit(None, {}), TypeError),
        (lambda: api.emit("order.paid", {}, key=5), TypeError),
        (lambda: api.emit("order.paid", {}, key="\ud800"), ValueError),
        (lambda: api.decide("1" * 32, "ask", "yes", by="admin"), TypeError),
        (lambda: api.decide(5, "ask", "yes", by=None), TypeError),
    ],
)
def test_a_wrong_argument_is_told_in_a_sentence(workflow, call, error):
    workflow(REFUND)
    with pytest.raises(error, match=" ") as raised:
        call()
    assert type(raised.value) is error
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_threads_with_one_key_start_one_run(workflow, owner):
    workflow(REFUND)
    barrier, results = threading.Barrier(8), []

    def begin():
        try:
            barrier.wait()
            results.append(api.start("refund", {"order": 17}, by=owner, idempotency_key="once"))
        finally:
            connection.close()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({result.event_id for result in results}) == 1 and len(results) == 8
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_no_start(workflow, owner):
    workflow(REFUND)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        api.start("refund", {"order": 17}, by=owner, idempotency_key="a")
        raise ZeroDivisionError
    assert not Event.objects.exists()
    assert not api.start("refund", {"order": 17}, by=owner, idempotency_key="a").duplicate


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_start_waits_for_the_end(workflow, owner, working):
    workflow(REFUND)
    ended = api.start("refund", {"order": 17}, by=owner, wait=60)
    assert ended.has_ended and ended.status == "succeeded"
    assert ended.outputs == {"note": {"order": 17}}
    assert ended.id == ExecutionRun.objects.get().pk


@pytest.mark.django_db(transaction=True)
def test_a_second_start_waits_for_the_run_of_the_first(workflow, owner, drain):
    workflow(REFUND)
    api.start("refund", {"order": 17}, idempotency_key="a")
    drain()
    assert api.start("refund", {"order": 18}, idempotency_key="a", wait=60).outputs == {"note": {"order": 17}}


@pytest.mark.django_db(transaction=True)
def test_a_wait_that_runs_out_gives_the_run_as_it_is(workflow, owner):
    workflow(REFUND)
    queued = api.start("refund", {"order": 17}, by=owner, wait=0.05)
    assert (queued.status, queued.workflow, queued.has_ended) == ("queued", "refund", False)
    assert queued.id == Event.objects.get().pk


@pytest.mark.django_db
def test_a_wait_inside_a_transaction_is_refused_and_starts_nothing(workflow, owner):
    workflow(REFUND)
    with pytest.raises(api.WaitInTransactionError, match="after the commit"):
        api.start("refund", {"order": 17}, by=owner, wait=5)
    assert not Event.objects.exists()


KEYED = """
name: Keyed
slug: keyed
triggers: [{kind: manual, inputs: [{name: order, kind: text, required: true}, {name: total, kind: number}]}]
steps: [{key: note, action: data.set}]
"""


@pytest.mark.django_db
def test_values_of_the_host_are_converted_before_the_fields_are_checked(workflow):
    workflow(KEYED)
    order = uuid.uuid4()
    started = api.start("keyed", {"order": order, "total": Decimal("9.90")})
    assert Event.objects.get(pk=started.event_id).payload == {"order": str(order), "total": 9.9}


@pytest.mark.django_db
def test_a_workflow_test_takes_the_values_of_the_host(workflow):
    workflow(KEYED)
    run_workflow("keyed", {"order": uuid.UUID(int=1)})
    assert Event.objects.get().payload["order"] == str(uuid.UUID(int=1))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Decimal("1.10"), 1.1),
        (Decimal("12"), 12),
        (Decimal("123456789012.345"), 123456789012.345),
        (Decimal("12345678901234567.89"), "12345678901234567.89"),
        (Decimal("12345678901234567"), "12345678901234567"),
        (Decimal("1E+400"), "1E+400"),
        (datetime(2026, 3, 1, 8, 30), "2026-03-01T08:30:00+01:00"),
        (datetime(2026, 7, 1, 8, 30, tzinfo=UTC), "2026-07-01T08:30:00Z"),
        (date(2026, 3, 1), "2026-03-01"),
        ([{"deep": (Decimal("1.5"), {uuid.UUID(int=2)})}], [{"deep": [1.5, [str(uuid.UUID(int=2))]]}]),
    ],
)
def test_values_of_an_event_keep_their_exact_value(value, stored, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    emitted = api.emit("order.paid", {"value": value})
    assert Event.objects.get(pk=emitted.event_id).payload["value"] == stored
