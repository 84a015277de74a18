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
CALLBACKS = """
name: Ask them
slug: ask-them
triggers: [{kind: manual}]
steps:
  - kind: parallel
    key: both
    arms:
      - {key: one, steps: [{kind: wait, key: first, callback: true, timeout: 1h}]}
      - {key: two, steps: [{kind: wait, key: second, callback: true, timeout: 1h}]}
      - {key: three, steps: [{kind: wait, key: page, form: [{name: reason}], timeout: 1h}]}
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
        "answer_url": None,
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


def _waits(client, url):
    return [(each["kind"], each["answer_url"]) for each in client.get(url).json()["waits"]]


def test_the_callback_of_a_rerun_is_answered_by_its_own_url(api, owner, workflow, drain, client):
    workflow(CALLBACKS)
    people = api(owner)
    first = people.post("workflows/ask-them/runs").json()["url"]
    drain()
    old = people.get(first).json()["waits"][0]["answer_url"]
    people.post(f"{first}/cancel")
    again = people.post(f"{first}/rerun", {}).json()
    drain()
    (kind, one), (_, other), *form = _waits(people, again["url"])
    assert (kind, len({old, one, other})) == ("callback", 3)
    assert [kind for kind, _ in form] == ["form"] and client.get(form[0][1]).status_code == 200
    assert client.post(old, {}, content_type="application/json").status_code == 410
    for url in (one, other):
        assert client.post(url, {}, content_type="application/json").status_code == 202
    drain()
    assert [kind for kind, _ in _waits(people, again["url"])] == ["form"]


def test_the_url_of_a_callback_is_for_those_who_may_answer(api, owner, stranger, workflow, drain):
    made = workflow(CALLBACKS)
    url = api(owner).post("workflows/ask-them/runs").json()["url"]
    drain()
    assert api(stranger).get(url).status_code == 404
    enough = ("workflow:view", "workflow:run", "workflow:view_payload")
    assert all(address for _, address in _waits(api(owner, *enough), url))
    for scopes in (("workflow:view", "workflow:run"), ("workflow:view", "workflow:view_payload")):
        assert {address for _, address in _waits(api(owner, *scopes), url)} == {None}, scopes
    for verb in ("view", "view_payload"):
        assign_perm(f"{verb}_workflow", stranger, made)
    assert {address for _, address in _waits(api(stranger), url)} == {None}
    assign_perm("run_workflow", stranger, made)
    assert all(address for _, address in _waits(api(stranger), url))
