"""What a run in a test waits for: approvals and callbacks are answered by the test, time is moved."""

from __future__ import annotations

import datetime as dt

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_core import database
from automate_core.api import AnswersError, NotPermittedError, OutcomeError
from automate_testing import Approval
from automate_testing.workflows import MoveTimeError
from tests.support.workflows import ASKS_THE_OWNER

ASKS = ASKS_THE_OWNER.replace("{endpoint: github, event: issues}", "{kind: manual}")

WAITS = """
name: Waits
slug: waits
triggers: [{kind: manual}]
steps:
  - {kind: wait, key: pause, duration: 2h}
  - {kind: wait, key: answer, callback: true, timeout: 1d, on_timeout: [{key: late, action: data.set}]}
  - {key: last, action: data.set, inputs: {got: '{{ steps.answer.output.payload }}'}}
"""


# --- approvals --------------------------------------------------------------------------------------------------------


def test_an_outcome_decides_without_asking_anyone(run_workflow, owner):
    text = ASKS.replace("assignees: [owner]", "assignees: [somebody-else]")
    approved = Approval(outcome="approved", form={"amount": "12", "level": "low"})
    result = run_workflow(text, run_as=owner, approvals={"ask": approved}).assert_succeeded()
    assert result.steps["pay"].output == {"sum": 12} and result.steps["last"].output == {"came": "approved"}
    rejected = run_workflow(text, run_as=owner, approvals={"ask": "rejected"}).assert_succeeded()
    assert rejected.steps["refuse"].output == {"by": "owner"}


def test_a_person_decides_by_the_rule_of_the_screens(run_workflow, owner, stranger):
    form = {"amount": 3}
    by_owner = {"ask": Approval(outcome="approved", form=form, by=owner)}
    assert run_workflow(ASKS, run_as=owner, approvals=by_owner).assert_succeeded().steps["pay"].output == {"sum": 3}
    with pytest.raises(NotPermittedError):
        run_workflow(ASKS, run_as=owner, approvals={"ask": Approval(outcome="approved", form=form, by=stranger)})
    missing = ASKS.replace("assignees: [owner]", "assignees: [somebody-else]")
    result = run_workflow(missing, run_as=owner, approvals=by_owner)
    result.assert_failed(step="ask", code="nobody_to_ask")


def test_wrong_answers_are_failures(run_workflow, owner):
    with pytest.raises(AssertionError, match=r"'ask' has no outcome 'maybe'. Available: approved, rejected"):
        run_workflow(ASKS, run_as=owner, approvals={"ask": "maybe"})
    with pytest.raises(AnswersError, match="amount is required"):
        run_workflow(ASKS, run_as=owner, approvals={"ask": "approved"})


def test_a_run_waits_for_what_the_test_does_not_answer(run_workflow, owner):
    result = run_workflow(ASKS, run_as=owner).assert_waiting()
    assert result.waiting_for == ["approval ask"]
    with pytest.raises(AssertionError, match="waits for: approval ask"):
        result.assert_succeeded()
    with pytest.raises(OutcomeError):
        result.decide("ask", "maybe", by=owner)
    with pytest.raises(AssertionError, match="It waits for: approval ask"):
        result.decide("pay", "approved", by=owner)
    result.decide("ask", "approved", by=owner, form={"amount": 5}).assert_succeeded()
    assert result.steps["pay"].output == {"sum": 5}


@pytest.mark.parametrize("by", [False, True])
def test_a_deadline_passes(run_workflow, owner, by):
    answer = Approval(outcome="timeout", by=owner if by else None)
    result = run_workflow(ASKS, run_as=owner, approvals={"ask": answer}).assert_succeeded()
    assert result.steps["late"].output == {"late": True} and result.outputs["last"] == {"came": "timeout"}


def test_time_is_moved_by_the_test(run_workflow, owner):
    result = run_workflow(ASKS, run_as=owner)
    assert result.move_time(dt.timedelta(hours=3)).status == "waiting"
    result.move_time(dt.timedelta(hours=2)).assert_succeeded()
    assert "late" in result.steps
    with pytest.raises(MoveTimeError):
        result.move_time(dt.timedelta(seconds=-1))


# --- callbacks and timers ---------------------------------------------------------------------------------------------


def test_timers_are_skipped_and_callbacks_answered(run_workflow, owner):
    before = database.now()
    result = run_workflow(WAITS, run_as=owner, callbacks={"answer": {"ok": True}}).assert_succeeded()
    assert result.outputs["last"] == {"got": {"ok": True}}
    assert result.run.finished_at - result.run.started_at >= dt.timedelta(hours=2)
    assert database.now() - before < dt.timedelta(hours=1), "the clock is the test's again"


def test_a_callback_is_answered_later(run_workflow, owner):
    result = run_workflow(WAITS, run_as=owner).assert_waiting()
    assert result.waiting_for == ["callback answer"]
    with pytest.raises(AssertionError, match="0 callbacks at 'pause'"):
        result.answer_callback("pause", {})
    assert result.answer_callback("answer", {"n": 1}).assert_succeeded().outputs["last"] == {"got": {"n": 1}}


FORM = """
name: Claim
slug: claim
triggers: [{kind: form, slug: claim, inputs: [{name: name, required: true}]}]
steps:
  - {key: more, kind: wait, form: [{name: reason, required: true}], timeout: 2d}
  - {key: last, action: data.set, inputs: {reason: '{{ steps.more.output.form.reason }}'}}
"""


def test_a_page_of_a_form_is_answered(run_workflow, owner):
    answered = {"more": {"reason": "storm"}}
    result = run_workflow(FORM, {"name": "Anna"}, run_as=owner, callbacks=answered).assert_succeeded()
    assert result.outputs["last"] == {"reason": "storm"}
    waiting = run_workflow(FORM.replace("claim", "claims"), {"name": "Anna"}, run_as=owner).assert_waiting()
    with pytest.raises(AnswersError, match="reason is required"):
        waiting.answer_callback("more", {})
    assert waiting.answer_callback("more", {"reason": "flood"}).assert_succeeded().outputs["last"] == {
        "reason": "flood"
    }


def test_waits_can_be_kept(run_workflow, owner):
    result = run_workflow(WAITS, run_as=owner, skip_waits=False).assert_waiting()
    assert result.waiting_for == ["timer pause"]
    assert result.move_time(dt.timedelta(hours=1)).waiting_for == ["timer pause"]
    assert result.move_time(dt.timedelta(hours=1)).waiting_for == ["callback answer"]


def test_time_passes_for_parallel_waits_in_their_order(run_workflow, owner):
    text = """
name: Both
slug: both
triggers: [{kind: manual}]
steps:
  - kind: parallel
    key: both
    arms:
      - {key: slow, steps: [{kind: wait, key: long, duration: 3d}, {key: second, action: data.set}]}
      - {key: fast, steps: [{kind: wait, key: short, duration: 1h}, {key: first, action: http.request, inputs: {method: GET, url: 'https://a.example'}}]}
"""
    away = ConnectorError("Away", code="away")
    result = run_workflow(text, run_as=owner, mocks={"first": away}).assert_failed(step="first")
    assert result.steps["long"].status == "cancelled" and "second" not in result.steps
