"""The header of a run's page: its steps counted as they are drawn and numbered, and the step that ended it early."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm
from hypothesis import given, settings
from hypothesis import strategies as st

from automate_core.models import ExecutionRun, Wait
from automate_core.states import StepStatus
from automate_studio.runs.page.page import RunPage
from automate_studio.view_models.run_data import Attempt, RunData, RunView, StepHistory
from automate_studio.view_models.step_tree import draft_tree, run_tree
from tests.core.definition.test_name_scope import definitions
from tests.support.pages import Page


@settings(max_examples=40, deadline=None)
@given(definitions(), st.data(), st.booleans())
def test_every_numbered_step_counts_once(definition, data, ended):
    now = timezone.now()
    recorded = {}
    for card in draft_tree(definition).flat():
        status = data.draw(st.sampled_from([None, *StepStatus.values]))
        if status:
            attempt = Attempt(path=card.path, number=1, status=status, started_at=now, finished_at=None)
            recorded[card.path] = StepHistory([attempt])
    tree = run_tree(definition, RunData(recorded, {}, ended=ended, view=RunView(), changed={}), "")
    page = RunPage(
        run=ExecutionRun(status="failed" if ended else "running"),
        view=RunView(),
        definition=definition,
        tree=tree,
        timeline=None,
        recorded=recorded,
        retries=False,
        changed={},
        now=now,
        goes_at=None,
    )
    counted = sum(map(int, re.findall(r"\d+", page.counts)))
    assert counted == len(page.cards) == max(int(card.number) for card in page.cards), page.counts


STOPS = """
name: Stops
slug: stops
triggers: [{{endpoint: github}}]
steps:
  - kind: approval
    key: ask
    assignees: [owner]
    timeout: 1h
    outcomes:
      - {{key: approved, name: Approve}}
      - {{key: rejected, name: Turn down, steps: [{{kind: stop, key: halt, name: The end{message}}}]}}
  - {{key: last, action: data.set, inputs: {{a: 1}}}}
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("message", "seen", "unseen"),
    [
        (", message: 'No by {{{{ steps.ask.output.by }}}}'", "No by owner", "Turn down"),
        (", message: Too dear", "Too dear", "Too dear"),
        ("", "Turn down", "Turn down"),
    ],
)
def test_a_run_that_a_step_stopped_says_so_and_opens_there(
    workflow, deliver, drain, sign_in, owner, colleague, stranger, message, seen, unseen
):
    made = workflow(STOPS.format(message=message.format()))
    deliver()
    drain()
    client, run = sign_in(owner), ExecutionRun.objects.get()
    url = reverse("admin:automate_core_executionrun_change", args=[run.pk])
    assert "Ended early" not in Page(client.get(url)).text
    client.post(reverse("studio:approval_page", args=[Wait.objects.get().pk]), {"outcome": "rejected"})
    drain()
    page = Page(client.get(url))
    assert f"Ended early by The end: {seen}" in page.text
    assert page.ids["run"]["data-selected"] == "ask/halt", "the page opens on the step that ended the run"
    for permission in ("view_workflow", "run_workflow"):
        assign_perm(permission, colleague, made)
    page = Page(sign_in(colleague).get(url))
    assert f"Ended early by The end: {unseen}" in page.text and (seen == unseen or seen not in page.text)
    assert sign_in(stranger).get(url).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_run_that_reached_its_end_was_not_ended_early(workflow, deliver, drain, sign_in, owner):
    workflow(STOPS.format(message=""))
    deliver()
    drain()
    client = sign_in(owner)
    client.post(reverse("studio:approval_page", args=[Wait.objects.get().pk]), {"outcome": "approved"})
    drain()
    run = ExecutionRun.objects.get()
    assert run.status == "succeeded"
    page = Page(client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk])))
    assert "Ended early" not in page.text and "hidden" in page.ids["run-error"]
