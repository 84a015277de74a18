"""A host's code lists, cancels and re-runs runs: by itself, and for a person by that person's permissions."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_core import api
from automate_core.models import ExecutionRun, OutboxJob
from automate_governance.models import AuditEntry
from tests.support.workflows import ASKS_THE_OWNER

STEPS = (
    "{name: Steps, slug: steps, triggers: [{kind: manual}], steps: [{key: first, action: data.set, inputs: {n: 1}}]}"
)

FAILING = """
name: Failing
slug: failing
triggers: [{kind: manual}]
steps:
  - {key: first, action: data.set}
  - {kind: stop, key: refuse, outcome: failed, message: Not today}
"""


@pytest.fixture
def refused(workflow, drain):
    """A run that failed."""
    workflow(FAILING)
    started = api.start("failing")
    drain()
    return uuid.UUID(started.event_id)


@pytest.fixture
def asked(workflow, drain):
    """A run that waits for an approval."""
    workflow(ASKS_THE_OWNER)
    started = api.start("asking", {})
    drain()
    return uuid.UUID(started.event_id)


@pytest.fixture
def allowed(colleague):
    """Grant the colleague permissions for a workflow."""

    def grant(run_id, *verbs):
        for verb in verbs:
            assign_perm(f"{verb}_workflow", colleague, ExecutionRun.objects.get(pk=run_id).workflow)
        return type(colleague).objects.get(pk=colleague.pk)

    return grant


# --- cancel -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_host_cancels_a_run_that_waits(asked):
    found = api.cancel(asked, reason=" the order was withdrawn ")
    assert (found.id, found.status, found.error.code) == (asked, "cancelled", "cancelled")
    assert found.error.message == "Cancelled by code: the order was withdrawn"
    entry = AuditEntry.objects.get(verb="run.cancelled")
    assert (entry.actor, entry.changes) == ("system", {"reason": "the order was withdrawn"})
    with pytest.raises(api.EndedError, match="already ended"):
        api.cancel(asked)


@pytest.mark.django_db(transaction=True)
def test_a_start_is_cancelled_before_a_worker_takes_it(workflow, drain):
    workflow(STEPS)
    started = api.start("steps")
    found = api.cancel(started.trace_id)
    assert (str(found.id), found.status, found.error.message) == (started.event_id, "cancelled", "Cancelled by code.")
    drain()
    assert api.run(started.event_id).status == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_a_person_cancels_by_the_permission_to_run(asked, owner, stranger, colleague, allowed):
    for person in (stranger, colleague, allowed(asked, "view")):
        with pytest.raises(api.NotPermittedError):
            api.cancel(asked, by=person)
    assert api.run(asked).status == "waiting"
    assert api.cancel(asked, by=allowed(asked, "run")).error.message == "Cancelled by colleague."


@pytest.mark.django_db(transaction=True)
def test_a_stranger_cancels_no_start(workflow, owner, stranger):
    workflow(STEPS)
    started = api.start("steps")
    with pytest.raises(api.NotPermittedError):
        api.cancel(started.event_id, by=stranger)
    assert api.cancel(started.event_id, by=owner).status == "cancelled"


@pytest.mark.django_db
def test_what_cannot_be_cancelled_is_a_named_error():
    emitted = api.emit("order.paid", {"order": 1})
    with pytest.raises(api.ControlError, match="No worker has taken"):
        api.cancel(emitted.trace_id)
    OutboxJob.objects.update(status="completed")
    for unknown in (emitted.trace_id, uuid.uuid4(), "nonsense"):
        with pytest.raises(api.RunNotFoundError):
            api.cancel(unknown)
    for wrong in ({"reason": None}, {"by": "owner"}):
        with pytest.raises(TypeError):
            api.cancel(uuid.uuid4(), **wrong)
    for wrong in ("a\0b", "x" * 101):
        with pytest.raises(ValueError):
            api.cancel(uuid.uuid4(), reason=wrong)


# --- re-run -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_host_re_runs_a_run_that_failed(refused, drain):
    made = api.rerun(refused)
    assert made.id != refused and made.trace_id == api.run(refused).trace_id and made.status == "queued"
    assert AuditEntry.objects.get(verb="run.retried").actor == "system"
    with pytest.raises(api.AlreadyRerunError):
        api.rerun(refused)
    drain()
    assert api.run(made.id).status == "failed" and api.run(made.id).outputs == api.run(refused).outputs
    assert api.rerun(refused, from_step="start", payload={"a": dt.date(2026, 12, 2)}, version="newest").id != made.id
    assert ExecutionRun.objects.latest("id").event.payload == {"a": "2026-12-02"}


@pytest.mark.django_db(transaction=True)
def test_a_run_that_succeeded_is_re_run_from_the_beginning(workflow, drain):
    workflow(STEPS)
    started = api.start("steps")
    with pytest.raises(api.NotEndedError, match="No worker has taken"):
        api.rerun(started.event_id)
    drain()
    made = api.rerun(started.event_id)
    drain()
    assert api.run(made.id).outputs == api.run(started.event_id).outputs
    with pytest.raises(api.AlreadyRerunError):
        api.rerun(started.event_id)
    assert api.rerun(started.event_id, again=True).id != made.id


@pytest.mark.django_db(transaction=True)
def test_a_person_re_runs_by_the_permission_to_run(refused, owner, stranger, colleague, allowed):
    for person in (stranger, colleague, allowed(refused, "view")):
        with pytest.raises(api.NotPermittedError):
            api.rerun(refused, by=person)
    assert ExecutionRun.objects.count() == 1
    for person in (allowed(refused, "run"), owner):
        assert api.rerun(refused, by=person, again=True).workflow == "failing"


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_re_run_is_a_named_error(refused):
    with pytest.raises(api.NoSuchStepError) as error:
        api.rerun(refused, from_step="nowhere")
    assert error.value.paths == ["first", "refuse"]
    with pytest.raises(api.ControlError, match="variable"):
        api.rerun(refused, variables={"none": 1})
    with pytest.raises(api.RunNotFoundError):
        api.rerun(uuid.uuid4())
    for wrong in ({"version": "2"}, {"from_step": "a\0b"}):
        with pytest.raises(ValueError):
            api.rerun(refused, **wrong)
    for wrong in ({"payload": float("nan")}, {"variables": []}, {"by": "owner"}, {"from_step": 1}):
        with pytest.raises(TypeError):
            api.rerun(refused, **wrong)


# --- list -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_runs_are_listed_newest_first_and_page_by_page(workflow, drain):
    workflow(STEPS)
    workflow(FAILING)
    for slug in ("steps", "failing", "steps"):
        api.start(slug)
        drain()
    found = api.runs()
    assert [each.workflow for each in found] == ["steps", "failing", "steps"]
    assert found == api.runs(limit=2) + api.runs(before=api.runs(limit=2)[-1].id)
    assert [each.id for each in api.runs("failing")] == [each.id for each in api.runs(status="failed")] == [found[1].id]
    assert api.runs(status={"failed", "succeeded"}) == found and api.runs("none") == api.runs(status="queued") == []
    assert found[1].error.message == "Not today" and not hasattr(found[0], "outputs")
    hour = dt.timedelta(hours=1)
    assert api.runs(since=timezone.now() - hour, until=timezone.now() + hour) == found
    assert api.runs(since=timezone.now() + hour) == api.runs(until=timezone.now() - hour) == []


@pytest.mark.django_db(transaction=True)
def test_a_person_gets_the_runs_that_the_person_may_view(refused, owner, admin, stranger, colleague, allowed):
    for person in (owner, admin):
        [found] = api.runs(by=person)
        assert (found.id, found.error.message) == (refused, "Not today")
    assert api.runs(by=stranger) == api.runs("failing", by=stranger) == api.runs(by=colleague) == []
    [found] = api.runs("failing", by=allowed(refused, "view"))
    assert (found.id, found.error.message, found.error.step) == (refused, "", "refuse")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "lost"},
        {"limit": 0},
        {"limit": 1_001},
        {"before": "nonsense"},
        {"since": dt.datetime(2026, 12, 2)},
        {"workflow": "a\0b"},
    ],
)
def test_a_list_refuses_what_it_cannot_mean(wrong):
    with pytest.raises(ValueError):
        api.runs(**wrong)


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"limit": "5"}, {"since": "2h"}, {"by": "owner"}, {"workflow": None}])
def test_a_list_refuses_other_types(wrong):
    with pytest.raises(TypeError):
        api.runs(**wrong)
