"""Names where steps look alike, default names in the reader's language, and notes where they are of use."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import translation

from automate_authoring.drafts import commands
from automate_core.models import Step
from automate_studio.builder.panel.problem_messages import problem_lines
from tests.support.builder import Builder
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db(transaction=True)

STOPS = """
name: Orders
slug: orders
triggers: [{key: hook, endpoint: github}]
steps:
  - kind: branch
    key: route
    arms:
      - {key: route_1, name: 'Over 5,000', when: {'>': [{var: event.payload.amount}, 5000]}, steps: [{kind: stop, key: stop, name: Stop}]}
    otherwise: [{kind: stop, key: stop_2, name: Stop}]
  - {kind: approval, key: approval, assignees: [owner], timeout: 2d, outcomes: [{key: approve}]}
"""


def test_steps_of_one_name_are_told_apart_in_the_timeline(workflow, deliver, drain, sign_in, owner):
    made = workflow(STOPS)
    deliver({"amount": 6000})
    drain()
    run = made.runs.get()
    client = sign_in(owner)
    page = tidy(client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk])).content.decode())
    assert re.findall(r'class="da-which[^"]*">([^<]*)<', page) == ["2 · Over 5,000"], "the other route is one row"
    panel = Page(client.get(reverse("studio:run_step", args=[run.pk, "route"])))
    assert "Route: Over 5,000" in panel.text, "the output has its key"


def test_two_workflows_on_one_webhook_are_told_where_it_is_chosen(workflow, sign_in, owner):
    workflow(STOPS)
    other = Builder(sign_in(owner), workflow(STOPS.replace("rders", "thers"), publish=False))
    assert "This webhook also starts Orders (v1)" in other.panel("~trigger").text
    other.workflow.triggers.update(config={"endpoint": "other"})
    assert "also starts" not in other.panel("~trigger").text
    saved = other.save("~trigger", trigger="hook", endpoint="github")
    assert "This webhook also starts Orders (v1)" in Page(saved).text, "once it is chosen"
    assert "also starts" not in Builder(other.client, workflow(STOPS)).panel("~trigger").text, "not itself"


def test_a_panel_has_the_name_of_its_card(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(STOPS, publish=False))
    builder.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert builder.panel("approval").ids["inspector-name"] is not None
    for name in ("", "Approval"):
        Step.objects.filter(key="approval").update(name=name)
        page = builder.panel("approval").text
        assert page.split("Name")[0].count("Genehmigung") >= 1, page
        card = builder.open().ids["card-approval"]["aria-label"]
        assert card.startswith("Genehmigung")


def test_a_value_is_quoted_as_it_was_typed(workflow, sign_in, owner):
    made = workflow(STOPS, publish=False)
    Step.objects.filter(key="route").update(
        settings={"arms": [{"key": "route_1", "when": {">": [{"var": "event.payload.amount"}, "abc"]}, "steps": []}]}
    )
    with translation.override("en"):
        state = commands.load_state(made)
        lines = problem_lines(state.draft, state.problems)
    said = [line for line in lines if "neither a number" in line.reason]
    assert [line.reason[:4] for line in said] == ["abc "]
