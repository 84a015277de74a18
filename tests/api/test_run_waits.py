"""What a run waits for, through the workflows that it calls."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun, Wait, Workflow

pytestmark = pytest.mark.django_db(transaction=True)

INNER = """
name: Ask
slug: ask
triggers: [{kind: manual}]
steps: [{kind: approval, key: decide, name: Spend it?, assignees: [colleague], timeout: 3d}]
"""
OUTER = """
name: {slug}
slug: {slug}
triggers: [{{kind: manual}}]
steps: [{{kind: workflow, key: sub, workflow: {called}}}]
"""


@pytest.fixture
def waiting(api, owner, colleague, workflow, drain):
    """A run that waits for a run that waits for a run that asks a person."""
    workflow(INNER)
    workflow(OUTER.format(slug="middle", called="ask"))
    workflow(OUTER.format(slug="outer", called="middle"))
    started = api(owner).post("workflows/outer/runs").json()
    drain()
    return started["url"]


def test_the_approval_of_a_sub_run_is_named(api, owner, waiting):
    inner, wait = ExecutionRun.objects.get(workflow__slug="ask"), Wait.objects.get(kind="approval")
    run = api(owner).get(waiting).json()
    assert (run["status"], [each["kind"] for each in run["waits"]]) == ("waiting", ["child", "child", "approval"])
    approval = run["waits"][-1]
    assert approval == {
        "kind": "approval",
        "run": str(inner.pk),
        "workflow": "ask",
        "step": "decide",
        "title": "Spend it?",
        "created_at": approval["created_at"],
        "due_at": approval["due_at"],
        "page": f"http://127.0.0.1:8000/admin/automate/approvals/{wait.pk}/",
        "approval": str(wait.pk),
    }
    assert api(owner, "workflow:view").get(waiting).json()["waits"][-1]["title"] == ""
    api(owner).post(f"{waiting}/cancel")
    assert api(owner).get(waiting).json()["waits"] == []


def test_sub_runs_that_one_may_not_view_are_not_named(api, stranger, waiting):
    assign_perm("view_workflow", stranger, Workflow.objects.get(slug="outer"))
    own, hidden, approval = api(stranger).get(waiting).json()["waits"]
    assert own["workflow"] == "outer"
    for each in (hidden, approval):
        assert (each["run"], each["workflow"], each["step"], each["title"]) == (None, None, None, "")
    assert approval["page"].endswith("/")
