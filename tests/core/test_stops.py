"""A workflow whose run-as user is not active is stopped: its events wait as during a pause, and no one overlooks it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from automate_authoring import pausing, workflows
from automate_core.database import now
from automate_core.events import run_rights, stops
from automate_core.models import ExecutionRun, Notification, NotificationRule, Wait, Workflow, WorkflowVersion
from automate_core.runs import control
from automate_operations.notifications import rules
from automate_operations.notifications.rule_values import RuleValues
from automate_operations.offboarding import handover
from tests.support.pages import Page
from tests.support.people import make_person
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps: [{key: keep, action: data.set, inputs: {seen: '{{ event.payload }}'}}]
"""
LIMITED = FLOW + "concurrency: {limit: 1, policy: queue}\n"


@pytest.fixture(autouse=True)
def _rights_are_always_read(monkeypatch):
    monkeypatch.setattr(run_rights, "CACHE_SECONDS", 0.0)


def activate(person, is_active):
    User.objects.filter(pk=person.pk).update(is_active=is_active)


def states():
    return list(ExecutionRun.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def stopped(workflow, deliver, drain, owner):
    """A workflow whose owner left, with seven deliveries since."""
    made = workflow(FLOW)
    activate(owner, False)
    for _ in range(7):
        assert deliver().status_code == 202
    drain()
    assert states() == ["waiting"] * 7 and Wait.objects.filter(kind="paused", status="open").count() == 7
    pausing.release()
    assert states() == ["waiting"] * 7, "nothing has changed"
    return made


def test_deliveries_wait_until_the_account_is_active_again(stopped, owner, drain):
    activate(owner, True)
    settle(drain)
    assert states() == ["succeeded"] * 7


def test_deliveries_wait_until_the_work_is_handed_over(stopped, owner, admin, drain):
    heir = make_person("heir", "Builders")
    User.objects.filter(pk=heir.pk).update(is_superuser=True)  # may read the webhook
    handover.hand_over(User.objects.get(pk=owner.pk), User.objects.get(pk=heir.pk), by=admin)
    settle(drain)
    assert states() == ["succeeded"] * 7


def test_deliveries_wait_until_another_run_as_user_is_published(stopped, admin, drain):
    Workflow.objects.filter(pk=stopped.pk).update(run_as=admin)
    workflows.publish(Workflow.objects.get(pk=stopped.pk), author=admin)
    settle(drain)
    assert states() == ["succeeded"] * 7
    assert set(ExecutionRun.objects.values_list("version__number", flat=True)) == {2}, "the one with an active user"


def test_a_person_can_discard_them_by_a_pause(stopped, owner, admin, drain):
    pausing.pause(stopped, admin)
    pausing.resume(Workflow.objects.get(pk=stopped.pk), admin, "discard")
    activate(owner, True)
    settle(drain)
    assert states() == ["cancelled"] * 7


def test_a_limit_applies_when_they_start(workflow, deliver, drain, owner):
    workflow(LIMITED)
    activate(owner, False)
    for _ in range(3):
        deliver()
    drain()
    assert states() == ["waiting"] * 3
    activate(owner, True)
    settle(drain)
    assert states() == ["succeeded"] * 3


def test_a_run_that_was_queued_before_waits_too(workflow, deliver, drain, owner):
    made = workflow(FLOW)
    deliver()
    drain()
    [first] = ExecutionRun.objects.all()
    again = control.rerun(first, by=owner, start="start")
    activate(owner, False)
    drain()
    again.refresh_from_db()
    assert again.status == "waiting" and again.steps.count() == 0
    activate(owner, True)
    settle(drain)
    again.refresh_from_db()
    assert again.status == "succeeded" and made.slug == "orders"


def test_the_page_of_the_event_and_of_the_workflow_say_why(stopped, owner, admin, sign_in):
    client = sign_in(admin)
    run = ExecutionRun.objects.first()
    event = Page(client.get(reverse("admin:automate_core_event_change", args=[run.event_id]))).text
    assert "The run waits until the run-as user is active again or the work is handed over." in event
    answer = client.get(reverse("admin:automate_core_workflow_change", args=[stopped.pk]))
    page = Page(answer)
    assert "Stopped: the run-as user owner is not active." in page.text and "7 runs wait" in page.text
    assert "Hand over the work of the run-as user, or activate the account again." in page.text
    assert "Workflow stopped" in page.text and "Workflow paused" not in page.text
    assert "da-status-icon" in answer.content.decode().partition('id="workflow-state"')[2][:80]
    assert reverse("studio:hand_over", args=[owner.pk]) in answer.content.decode()


def test_it_stands_on_the_overview_in_the_list_in_metrics_and_in_the_site_status(
    stopped, owner, colleague, admin, sign_in, settings
):
    settings.AUTOMATE_METRICS_TOKEN = "0123456789abcdef0123456789abcdef"

    def metric():
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {settings.AUTOMATE_METRICS_TOKEN}"})
        return [line for line in answer.text.splitlines() if line.startswith("automate_workflows_stopped")]

    client, reader = sign_in(admin), sign_in(colleague)
    overview, listed = reverse("admin:index"), reverse("admin:automate_core_workflow_changelist")
    assert "the run-as user owner is not active" in Page(client.get(overview)).text
    assert "the run-as user owner is not active" not in Page(reader.get(overview)).text, "sees no such workflow"
    assert "the run-as user owner is not active" in Page(client.get(listed)).text
    assert metric() == ["automate_workflows_stopped 1.0"]
    assert Page(client.get(reverse("studio:site_status"))).ids["status-workflows"]["data-severity"] == "error"
    activate(owner, True)
    assert "the run-as user owner is not active" not in Page(client.get(overview)).text
    assert "the run-as user owner is not active" not in Page(client.get(listed)).text
    assert metric() == ["automate_workflows_stopped 0.0"]


def test_the_list_has_a_tab_of_them(stopped, workflow, admin, sign_in):
    other = workflow("{name: Other, slug: other, steps: [{key: keep, action: data.set}]}")
    WorkflowVersion.objects.filter(workflow=other).update(run_as=admin)
    client, address = sign_in(admin), reverse("admin:automate_core_workflow_changelist")
    for tab, shown, hidden in (("stopped", stopped, other), ("active", other, stopped)):
        page = Page(client.get(address, {"show": tab}))
        assert f"workflow-{shown.pk}" in page.ids and f"workflow-{hidden.pk}" not in page.ids
        assert "Published 1" in page.text and "Stopped 1" in page.text


def test_a_workflow_without_triggers_is_stopped_too(workflow, owner, admin, sign_in):
    made = workflow("{name: Called, slug: called, steps: [{key: keep, action: data.set}]}")
    assert not stops.stopped_workflows(Workflow.objects.all())
    activate(owner, False)
    [stop] = stops.stopped_workflows(Workflow.objects.all()).values()
    assert stop.workflow == made and stop.reasons == ["the run-as user owner is not active"]
    listed = reverse("admin:automate_core_workflow_changelist")
    assert f"workflow-{made.pk}" in Page(sign_in(admin).get(listed, {"show": "stopped"})).ids


def test_the_page_of_a_run_says_which_of_both_it_waits_for(stopped, owner, admin, sign_in):
    client, run = sign_in(admin), ExecutionRun.objects.first()
    page = reverse("admin:automate_core_executionrun_change", args=[run.pk])
    said = "Waiting: the workflow is stopped, because the run-as user owner is not active"
    assert said in Page(client.get(page)).text
    activate(owner, True)
    pausing.pause(Workflow.objects.get(pk=stopped.pk), admin)
    text = Page(client.get(page)).text
    assert "Waiting: the workflow is paused" in text and said not in text


def test_a_rule_notifies_of_it_once(stopped, workflow, owner, admin, notify):
    other = workflow("{name: Other, slug: other, steps: [{key: keep, action: data.set}]}", publish=False)
    values = RuleValues(kind="stopped", channel="email", addresses=["ops@example.com"])
    for each in (None, stopped, other):
        rules.save_rule(None, values, workflow=each, by=admin)
    for _ in range(2):
        NotificationRule.objects.update(look_at=now())
        notify()
    sent = Notification.objects.filter(kind="stopped")
    assert {each.rule.workflow for each in sent} == {None, stopped} and sent.count() == 2
    assert sent[0].facts[0]["text"] == "Orders is stopped and starts no runs: the run-as user owner is not active."


def test_a_stopped_workflow_without_waiting_runs_names_no_number(workflow, owner, admin, sign_in):
    made = workflow(FLOW)
    activate(owner, False)
    page = Page(sign_in(admin).get(reverse("admin:automate_core_workflow_change", args=[made.pk]))).text
    assert "0 runs" not in page
    assert "New runs wait, and runs in progress wait at their next step." in page
