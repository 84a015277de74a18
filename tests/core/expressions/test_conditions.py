"""Conditions in workflows: one that would take too long fails its step, or starts nothing, and says so."""

from __future__ import annotations

import pytest

from automate_core.models import ExecutionRun, StepRun

pytestmark = pytest.mark.django_db(transaction=True)

MANY = {"numbers": list(range(60_000))}
COSTLY = "{any: [{var: event.payload.numbers}, {and: [{'>=': [{var: ''}, 0]}, {'>=': [{var: ''}, 0]}, false]}]}"


@pytest.mark.extended
def test_a_branch_that_takes_too_long_fails_with_the_reason(publish, run):
    publish(f"  - key: way\n    kind: branch\n    arms: [{{key: a, when: {COSTLY}, steps: []}}]")
    ended = run(MANY)
    assert (ended.status, ended.error["code"], ended.error["step"]) == ("failed", "condition_error", "way")
    assert "too many items" in ended.error["message"]
    assert StepRun.objects.get(run=ended, path="way").status == "failed"


@pytest.mark.extended
def test_a_loop_whose_condition_takes_too_long_fails(publish, run):
    publish(
        "  - key: again\n    kind: repeat\n    maximum: 2\n"
        f"    until: {COSTLY}\n    steps: [{{key: x, action: data.set, inputs: {{a: 1}}}}]"
    )
    assert run(MANY).error["code"] == "condition_error"


def test_a_filter_that_takes_too_long_starts_nothing_and_harms_no_other(publish, deliver, drain, caplog):
    steps = "  - {key: x, action: data.set, inputs: {a: 1}}"
    publish(steps, triggers=f"[{{endpoint: github, filter: {COSTLY}}}]")
    publish(steps, slug="other")
    assert deliver(MANY).status_code == 202
    drain()
    assert list(ExecutionRun.objects.values_list("workflow__slug", "status")) == [("other", "succeeded")]
    assert "too many items" in caplog.text


def test_lists_dates_and_patterns_decide_routes(publish, run):
    publish(
        """
  - key: way
    kind: branch
    match: all
    arms:
      - {key: bug, when: {any: [{var: event.payload.labels}, {'==': [{var: name}, bug]}]}, steps: []}
      - {key: new, when: {after: [{var: event.payload.at}, {now: -1d}]}, steps: []}
      - {key: api, when: {matches: [{var: event.payload.title}, '(?i)\\bapi\\b']}, steps: []}
"""
    )
    ended = run({"labels": [{"name": "docs"}, {"name": "bug"}], "at": "2026-01-01", "title": "The API is slow"})
    assert StepRun.objects.get(run=ended, path="way").output == {"routes": ["bug", "api"]}
