"""The panel of a branch in a run: which condition was met, and with which values."""

from __future__ import annotations

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import StepRun
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - kind: branch
    key: route
    arms:
      - {key: large, name: Large order, when: {'>': [{var: event.payload.amount}, 5000]}, steps: [{kind: stop, key: end}]}
      - key: urgent
        when: {and: [{'==': [{var: event.payload.speed}, now]}, {'==': [{var: event.payload.lines}, [1]]}]}
        steps: []
"""


@pytest.fixture
def panel(workflow, deliver, drain, sign_in, owner):
    """The texts of the branch's panel in a run of that payload."""
    made = workflow(ORDERS)

    def show(payload, user=owner):
        if payload is not None:
            deliver(payload)
            drain()
        run = made.runs.latest("pk")
        page = Page(sign_in(user).get(reverse("studio:run_step", args=[run.pk, "route"])))
        return " ".join(page.text.split())

    return show


def test_a_met_condition_is_told_with_its_values(panel):
    text = panel({"amount": 6000, "speed": "slow"})
    assert "True: Large order: Amount is more than 5000 was 6000" in text
    assert "Urgent" not in text, "it was not looked at"


def test_each_unmet_condition_is_told(panel):
    text = panel({"amount": 3000, "speed": "slow", "lines": [1, 2]})
    assert "No condition was met. The branch ran Otherwise." in text
    assert "False: Large order: Amount is more than 5000 was 3000" in text
    assert 'was speed "slow"' in text and "False: Urgent: " in text, text


@pytest.mark.parametrize("amount", ["7.500,00", "7,500.00", "abc"])
def test_a_comparison_of_types_that_never_compare_is_told(panel, amount):
    """The order takes the other route, and nothing else of the run is amiss."""
    text = panel({"amount": amount})
    assert "The branch ran Otherwise." in text and "5000 is a number. This comparison is never true." in text


@pytest.mark.parametrize("amount", [7500, "7500", 3, None])
def test_types_that_compare_have_no_note(panel, amount):
    assert "This comparison" not in panel({"amount": amount, "speed": "now", "lines": [1]})


def test_values_are_for_people_who_may_view_payloads(panel, workflow, colleague, stranger):
    panel({"amount": 6000})
    assign_perm("automate_core.view_workflow", colleague, StepRun.objects.first().run.workflow)
    text = panel(None, colleague)
    assert "True: Large order: Amount is more than 5000" in text and "6000" not in text
    panel({"amount": "7.500,00"})
    text = panel(None, colleague)
    assert "False: Large order" in text and "7.500" not in text and "This comparison" not in text
    assert "Large order" not in panel(None, stranger)


def test_the_reason_is_what_was_stored(panel, owner):
    panel({"amount": 6000})
    StepRun.objects.update(input={"conditions": [{"route": "large", "holds": False, "values": {}}]})
    assert "False: Large order" in panel(None), "nothing is evaluated again"
    StepRun.objects.update(input=None)
    assert "Large order: Amount" not in panel(None), "of runs before it was recorded"


def test_a_long_value_is_not_recorded(panel):
    panel({"amount": 1, "speed": "x" * 501})
    assert [each["values"] for each in StepRun.objects.get(path="route").input["conditions"]] == [
        {"event.payload.amount": 1},
        {"event.payload.lines": None},
    ]
