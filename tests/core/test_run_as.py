"""Whom a workflow acts as is part of what was published: an edit of the draft changes nothing that runs."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.drafts import commands, requests
from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, Workflow, WorkflowVersion
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

CALLS = """
name: Calls
slug: calls
triggers: [{endpoint: github}]
steps: [{key: call, action: http.request, connection: sink, inputs: {method: POST, url: /x}}]
"""


@pytest.fixture
def calls(workflow, sink, owner):
    """A workflow that only its owner may run, for its connection."""
    Connection.objects.create(name="Sink", slug="sink", connector="http", owner=owner, config={"base_url": sink.url})
    return workflow(CALLS)


@pytest.fixture
def act_as():
    """Let somebody change whom the draft would act as, by the builder's own command."""

    def do(workflow, name, by):
        rev = Workflow.objects.get(pk=workflow.pk).settings_rev
        return commands.run_command(workflow.pk, requests.EditSettings(rev=rev, set={"run_as": name}), by=by)

    return do


@pytest.fixture
def ended(deliver, drain):
    """How a delivery ends that comes now."""

    def go():
        assert deliver().status_code == 202
        drain()
        return ExecutionRun.objects.latest("id")

    return go


def _said(verb):
    return [entry.changes.get("run_as") for entry in AuditEntry.objects.filter(verb=verb).order_by("pk")]


def test_who_may_change_but_not_publish_stops_nothing(calls, act_as, ended, colleague, owner):
    assign_perm("change_workflow", colleague, calls)
    assert ended().status == "succeeded"
    act_as(calls, "colleague", colleague)
    assert ended().status == "succeeded", "the colleague may not use its connection"
    assert _said("workflow.edited") == [{"from": "owner", "to": "colleague"}]
    with pytest.raises(NotPermittedError):
        workflows.publish(calls, author=colleague)
    with pytest.raises(NotPermittedError, match="runs as colleague"):
        workflows.publish(calls, author=owner)


def test_a_superusers_edit_lets_nothing_act_as_them(calls, act_as, deliver, drain, admin, owner):
    act_as(calls, "root", admin)
    get_user_model().objects.filter(pk=owner.pk).update(is_active=False)
    assert deliver().status_code == 202
    drain()
    assert ExecutionRun.objects.get().status == "waiting", "the account that it acts as was closed"
    last = Workflow.objects.get(pk=calls.pk).rev
    commands.undo(calls.pk, last=last, by=admin)
    assert _said("workflow.edited") == [{"from": "owner", "to": "root"}, {"from": "root", "to": "owner"}]


@pytest.mark.extended
def test_publishing_makes_a_version_that_acts_as_the_draft_says(calls, act_as, ended, sign_in, admin, owner):
    act_as(calls, "root", admin)
    review = reverse("studio:review", args=[calls.pk])
    assert "The workflow runs as root. Only root or a superuser can publish it." in " ".join(
        Page(sign_in(owner).get(review)).text.split()
    )
    page = Page(sign_in(admin).get(review))
    assert "changed: run as" in page.text and "publish" in page.ids
    [rev], [seen] = ([tag["value"] for tag in page.all(name=name)] for name in ("rev", "version"))
    assert sign_in(admin).post(review, {"rev": rev, "version": seen}).status_code == 303
    version = WorkflowVersion.objects.get(number=2)
    assert version.run_as == admin and WorkflowVersion.objects.get(number=1).run_as == owner
    assert _said("workflow.published") == [{"from": "", "to": "owner"}, {"from": "owner", "to": "root"}]
    Connection.objects.update(owner=admin)
    assert ended().status == "succeeded"

    assert "Runs as" in Page(sign_in(owner).get(reverse("studio:versions", args=[calls.pk]))).text
    again = reverse("studio:version_publish", args=[calls.pk, 1])
    assert sign_in(owner).post(again, {"version": "2"}).status_code == 422, "the connection is root's now"
    Connection.objects.update(owner=owner)
    assert sign_in(owner).post(again, {"version": "2"}).status_code == 303
    calls.refresh_from_db()
    assert (calls.published.number, calls.published.run_as, calls.run_as) == (3, owner, admin)
    assert ended().status == "succeeded"


def test_a_rerun_acts_as_the_version_that_it_runs(calls, act_as, ended, admin, owner, drain):
    from automate_core.runs import control

    act_as(calls, "root", admin)
    workflows.publish(Workflow.objects.get(pk=calls.pk), author=admin)
    Connection.objects.update(owner=admin)
    old = ended()
    assert old.status == "succeeded"
    ExecutionRun.objects.filter(pk=old.pk).update(version=WorkflowVersion.objects.get(number=1))
    old.refresh_from_db()
    control.rerun(old, by=admin, start="start", version="original")
    drain()
    assert ExecutionRun.objects.latest("id").error["code"] == "connection_not_usable", "the owner, whom v1 acts as"
