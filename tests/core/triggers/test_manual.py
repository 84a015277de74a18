"""A person starts a workflow, and what people fill in is checked."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm

from automate_core import api
from automate_core.definition.form_validation import AnswersError, check_answers
from automate_core.models import Event, ExecutionRun, Workflow
from automate_core.triggers import manual
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError

REFUND = """
name: Refund
slug: refund
triggers:
  - kind: manual
    inputs:
      - {name: order, kind: number, required: true}
      - {name: reason, kind: choice, choices: [late, broken]}
      - {name: on, kind: date}
      - {name: notify, kind: boolean}
steps: [{key: note, action: data.set, inputs: {order: '{{ event.payload.order }}'}}]
"""


@pytest.mark.django_db
def test_a_start_is_an_event_with_typed_inputs_and_an_audit_entry(workflow, owner):
    refund = workflow(REFUND)
    started = manual.start_workflow(refund, {"order": "17", "reason": "late", "notify": "on"}, by=owner)
    event = Event.objects.get(pk=started.event_id)
    assert (event.source, event.type) == ("manual:refund", "manual")
    assert event.payload == {"order": 17, "reason": "late", "on": None, "notify": True}
    entry = AuditEntry.objects.get(verb="workflow.run_started")
    assert (entry.actor, entry.trace_id) == ("owner", started.trace_id)


@pytest.mark.django_db
def test_host_code_starts_a_workflow_by_its_slug(workflow, owner, stranger):
    workflow(REFUND)
    started = api.start("refund", {"order": 17}, by=owner)
    assert Event.objects.get(pk=started.event_id).payload["order"] == 17
    with pytest.raises(api.NotPermittedError):
        api.start("refund", {"order": 17}, by=stranger)
    with pytest.raises(api.AnswersError):
        api.start("refund", by=owner)
    with pytest.raises(api.NotStartableError, match="there is no workflow 'refunds'"):
        api.start("refunds", by=owner)


@pytest.mark.django_db
def test_faults_are_told_by_field_and_nothing_is_left(workflow, owner):
    refund = workflow(REFUND)
    with pytest.raises(AnswersError) as refused:
        manual.start_workflow(
            refund, {"reason": "mood", "on": "24.12.2026", "notify": "maybe", "colour": "red"}, by=owner
        )
    assert refused.value.errors == {
        "colour": "There is no field 'colour'. Available: order, reason, on, notify.",
        "order": "order is required.",
        "reason": "reason must be one of: late, broken.",
        "on": "on must be a date such as 2026-12-24.",
        "notify": "notify must be true or false.",
    }
    assert not Event.objects.exists() and not AuditEntry.objects.filter(verb="workflow.run_started").exists()


@pytest.mark.django_db
def test_only_those_who_may_run_it_start_it(workflow, colleague, stranger):
    refund = workflow(REFUND)
    assign_perm("automate_core.run_workflow", colleague, refund)
    manual.start_workflow(refund, {"order": 1}, by=colleague)
    with pytest.raises(NotPermittedError, match="stranger needs the Run permission"):
        manual.start_workflow(refund, {"order": 1}, by=stranger)


@pytest.mark.django_db
def test_a_draft_and_an_archived_workflow_do_not_start(workflow, owner):
    draft = workflow(REFUND, publish=False)
    with pytest.raises(manual.NotStartableError, match="refund is a draft"):
        manual.start_workflow(draft, {"order": 1}, by=owner)
    Workflow.objects.update(status="archived")
    draft.refresh_from_db()
    with pytest.raises(manual.NotStartableError, match="archived"):
        manual.start_workflow(draft, {"order": 1}, by=owner)


@pytest.mark.django_db
def test_a_workflow_without_a_manual_trigger_takes_any_payload(workflow, owner):
    plain = workflow("{name: Plain, slug: plain, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    manual.start_workflow(plain, {"issue": {"number": 7}}, by=owner)
    event = Event.objects.get()
    assert (event.source, event.type, event.payload) == ("manual:plain", "", {"issue": {"number": 7}})


@pytest.mark.django_db
def test_one_of_several_manual_triggers_is_named(workflow, owner):
    text = "- {kind: manual, key: bulk, inputs: [{name: since, kind: date, required: true}]}"
    refund = workflow(REFUND.replace("steps:", f"  {text}\nsteps:"))
    manual.start_workflow(refund, {"since": "2026-01-01"}, by=owner, trigger="bulk")
    assert Event.objects.get().type == "bulk"
    with pytest.raises(manual.NotStartableError, match=r"no manual trigger 'x'\. Available: manual, bulk"):
        manual.start_workflow(refund, {}, by=owner, trigger="x")


@pytest.mark.django_db(transaction=True)
def test_the_started_run_has_its_inputs(workflow, owner, drain):
    manual.start_workflow(workflow(REFUND), {"order": 17}, by=owner)
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.steps.get().output) == ("succeeded", {"order": 17})


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("number", "12", 12),
        ("number", " 1.5 ", 1.5),
        ("number", 3, 3),
        ("boolean", False, False),
        ("boolean", "Off", False),
        ("boolean", None, False),
        ("date", "2026-12-24", "2026-12-24"),
        ("long_text", "a\nb", "a\nb"),
        ("text", "  ", None),
    ],
)
def test_answers_are_read_in_their_type(kind, answer, expected):
    assert check_answers([{"name": "field", "kind": kind}], {"field": answer}) == {"field": expected}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("number", "twelve"),
        ("number", True),
        ("number", "nan"),
        ("number", "1e999"),
        ("number", [1]),
        ("boolean", 1),
        ("date", 5),
        ("text", 5),
        ("text", "a\nb"),
        ("text", "a\x00"),
        ("choice", "c"),
    ],
)
def test_answers_of_another_type_are_refused(kind, answer):
    field = {"name": "field", "kind": kind, "choices": ["a", "b"] if kind == "choice" else []}
    with pytest.raises(AnswersError) as refused:
        check_answers([field], {"field": answer})
    assert list(refused.value.errors) == ["field"]
