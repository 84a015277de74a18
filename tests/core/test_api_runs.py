"""A host's code watches runs and decides approvals."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from automate_core import api
from automate_core.models import Event, ExecutionRun, OutboxJob, Wait
from automate_governance.models import AuditEntry
from tests.support.workflows import ASKS_THE_OWNER

STEPS = """
name: Steps
slug: steps
triggers: [{kind: manual}]
steps:
  - {key: first, action: data.set, inputs: {n: 1}}
  - kind: branch
    key: route
    arms: [{key: one, when: true, steps: [{key: inner, action: data.set, inputs: {n: 2}}]}]
  - kind: for_each
    key: each
    items: [1, 2]
    steps: [{key: item, action: data.set, inputs: {n: '{{ item }}'}}]
"""

FAILING = """
name: Failing
slug: failing
triggers: [{kind: manual}]
steps:
  - {key: first, action: data.set}
  - {kind: stop, key: refuse, outcome: failed, message: Not today}
"""

UNKNOWN = uuid.UUID("01a22064-2c1b-7840-bd57-0ee4b11810b9")


@pytest.mark.django_db(transaction=True)
def test_a_run_is_described_by_its_id_and_by_its_trace(workflow, drain):
    workflow(STEPS)
    started = api.start("steps")
    drain()
    found = api.run(started.trace_id)
    row = ExecutionRun.objects.get()
    assert (found.id, found.workflow, found.version, found.status) == (row.pk, "steps", 1, "succeeded")
    assert found.started_at is not None and found.created_at <= found.finished_at
    assert found.outputs["first"] == {"n": 1} and found.outputs["inner"] == {"n": 2}
    assert "item" not in found.outputs, "a step of a loop has an output for each item"
    assert found.url == f"http://127.0.0.1:8000/admin/automate_core/executionrun/{row.pk}/change/"
    assert found == api.run(row.pk) == api.run(str(row.pk)) == api.run(row.pk.hex)


@pytest.mark.django_db(transaction=True)
def test_a_description_cannot_be_changed_and_is_no_row(workflow, drain):
    workflow(STEPS)
    started = api.start("steps")
    description = api.run(started.trace_id)
    assert description == api.run(started.event_id)
    assert (str(description.id), description.status, description.has_ended) == (started.event_id, "queued", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        description.status = "failed"


@pytest.mark.django_db(transaction=True)
def test_the_error_of_a_run_has_code_message_and_step(workflow, drain):
    workflow(FAILING)
    started = api.start("failing")
    drain()
    error = api.run(started.trace_id).error
    assert (error.message, error.step) == ("Not today", "refuse") and error.code


@pytest.mark.django_db
@pytest.mark.parametrize("unknown", [UNKNOWN, UNKNOWN.hex, str(UNKNOWN), "nonsense", "", "ffff"])
def test_an_unknown_id_is_a_named_error(unknown):
    with pytest.raises(api.RunNotFoundError):
        api.run(unknown)


@pytest.mark.django_db
def test_an_event_that_started_nothing_is_a_named_error():
    emitted = api.emit("order.paid", {"order": 1})
    found = api.run(emitted.trace_id)
    assert (found.id, found.workflow, found.url) == (None, "", ""), "several workflows may take it"
    OutboxJob.objects.update(status="completed")
    with pytest.raises(api.RunNotFoundError, match="started no run"):
        api.run(emitted.trace_id)


@pytest.mark.django_db
def test_an_emitted_event_is_stored_once_for_its_key():
    first, again = (api.emit("order.paid", {"order": number}, key="a") for number in (1, 2))
    assert (again.event_id, again.duplicate) == (first.event_id, True)
    assert Event.objects.get().payload == {"order": 1}


# --- approvals --------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(workflow, drain):
    """The trace id of a run that asks the owner."""
    workflow(ASKS_THE_OWNER)
    started = api.start("asking", {})
    drain()
    return started.trace_id


@pytest.mark.django_db(transaction=True)
def test_an_assignee_decides(asked, owner, drain):
    assert api.run(asked).status == "waiting"
    decided = api.decide(asked, "ask", "approved", by=owner, form={"amount": "12", "level": "low"})
    assert decided.status in {"waiting", "running"}
    entry = AuditEntry.objects.get(verb="approval.decided")
    assert (entry.actor, entry.changes["outcome"]) == ("owner", "approved")
    drain()
    ended = api.run(asked)
    assert (ended.status, ended.outputs["pay"]) == ("succeeded", {"sum": 12})


@pytest.mark.django_db(transaction=True)
def test_a_remark_is_kept_as_the_screens_do(asked, owner):
    form = {"amount": 12, "level": "low"}
    with pytest.raises(api.AnswersError) as refused:
        api.decide(asked, "ask", "approved", by=owner, form=form, remark="x" * 1_001)
    assert set(refused.value.errors) == {"~remark"}
    with pytest.raises(TypeError):
        api.decide(asked, "ask", "approved", by=owner, form=form, remark=None)
    api.decide(asked, "ask", "approved", by=owner, form=form, remark=" as\r\nagreed ")
    assert Wait.objects.get().outcome["remark"] == "as\nagreed"
    assert AuditEntry.objects.get(verb="approval.decided").changes["remark"] == "as\nagreed"


@pytest.mark.django_db(transaction=True)
def test_the_rule_of_the_screens_decides_who_may(asked, admin, stranger):
    run_id = api.run(asked).id
    for person in (admin, stranger):
        with pytest.raises(api.NotPermittedError):
            api.decide(run_id, "ask", "approved", by=person, form={"amount": 1})
    assert Wait.objects.get().status == "open"


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_with_a_decision_is_a_named_error(asked, owner):
    with pytest.raises(api.OutcomeError, match="approved, rejected"):
        api.decide(asked, "ask", "perhaps", by=owner)
    with pytest.raises(api.AnswersError) as refused:
        api.decide(asked, "ask", "approved", by=owner, form={"level": "none"})
    assert set(refused.value.errors) == {"amount", "level"}
    with pytest.raises(api.NotOpenError, match="approval at the step 'last'"):
        api.decide(asked, "last", "approved", by=owner)
    with pytest.raises(api.RunNotFoundError):
        api.decide(uuid.uuid4(), "ask", "approved", by=owner)


@pytest.mark.django_db(transaction=True)
def test_an_approval_is_decided_once(asked, owner):
    api.decide(asked, "ask", "rejected", by=owner)
    with pytest.raises(api.NotOpenError, match="Already decided by owner"):
        api.decide(asked, "ask", "approved", by=owner, form={"amount": 1})


@pytest.mark.django_db
def test_a_decision_on_a_queued_run_says_that_it_does_not_wait(workflow, owner):
    workflow("{name: A, slug: a, triggers: [{kind: manual}], steps: [{key: one, action: data.set}]}")
    started = api.start("a", {})
    assert api.run(started.event_id).status == "queued"
    with pytest.raises(api.NotOpenError, match="approval at the step 'ask'"):
        api.decide(started.event_id, "ask", "approved", by=owner)
