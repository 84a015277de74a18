"""Runs by the API: the list with its filters, steps and logs, and what is done with one run."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun, Wait
from automate_governance.models import AuditEntry
from tests.support.runs import published_workflows, run_of_age
from tests.support.workflows import FAILING

pytestmark = pytest.mark.django_db(transaction=True)

LOGGING = """
name: Logging
slug: logging
triggers: [{endpoint: github}]
steps:
  - {key: keep, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - {key: say, action: data.log, inputs: {message: 'Saw {{ event.payload.title }}'}}
"""
WAITING = """
name: Waiting
slug: waiting
triggers: [{endpoint: github}]
steps:
  - {kind: wait, key: later, duration: 2h}
  - {key: last, action: data.set}
"""


def _ids(answer):
    assert answer.status_code == 200, answer.content
    return [each["id"] for each in answer.json()["items"]]


@pytest.fixture
def many(owner):
    """Runs of two workflows, the oldest first."""
    orders, leads = published_workflows(owner, "Orders", "Leads")
    failed = {"error": {"code": "no", "message": "Card 77 declined", "step": "pay"}}
    return [
        run_of_age(orders, 90_000),
        run_of_age(orders, 500, status="failed", **failed),
        run_of_age(leads, 400, origin="schedule"),
        run_of_age(leads, 300, status="running"),
        run_of_age(orders, 200, status="cancelled", **failed),
    ]


def test_the_list_is_paged_by_cursor(api, owner, many):
    client, found, cursor = api(owner, "workflow:view"), [], None
    while True:
        answer = client.get("runs", {"limit": 2, **({"cursor": cursor} if cursor else {})})
        assert len(_ids(answer)) <= 2
        found += _ids(answer)
        if (cursor := answer.json()["next"]) is None:
            break
    assert found == [str(run.pk) for run in reversed(many)]


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "failed"}, [1]),
        ({"status": ["failed", "running"]}, [3, 1]),
        ({"show": "attention"}, [1]),
        ({"workflow": "leads"}, [3, 2]),
        ({"workflow": "unknown"}, []),
        ({"origin": "schedule"}, [2]),
        ({"since": "1h"}, [4, 3, 2, 1]),
        ({"from": "2001-01-01T00:00:00Z", "to": "2002-01-01T00:00:00Z"}, []),
        ({"error": "card"}, [4, 1]),
        ({"search": "orders"}, [4, 1, 0]),
        ({"longer": "100s", "status": "running"}, [3]),
        ({"version": 1, "rerun": "any"}, []),
        ({"trace": f"{400:032x}"}, [2]),
        ({"show": "tests"}, []),
    ],
)
def test_filters_are_those_of_the_list(api, owner, many, query, found):
    assert _ids(api(owner).get("runs", query)) == [str(many[number].pk) for number in found]


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "gone"}, "status.0"),
        ({"show": "all"}, "show"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"version": 2**40}, "version"),
        ({"version": "x"}, "version"),
        ({"from": "yesterday"}, "from"),
        ({"longer": "soon"}, "longer"),
        ({"term": "no-colon"}, "term"),
        ({"trace": "xyz"}, "trace"),
        ({"run": "abc"}, "run"),
        ({"bulk": "1"}, "bulk"),
        ({"workflow": "No Slug"}, "workflow"),
        ({"search": "x" * 101}, "search"),
    ],
)
def test_bad_filters_are_named(api, owner, many, query, field):
    answer = api(owner).get("runs", query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert [each["field"] for each in answer.json()["errors"]] == [field], answer.json()


def test_a_page_costs_the_same_however_many_rows_it_has(api, owner):
    [orders] = published_workflows(owner, "Orders")
    counts = []
    client = api(owner)
    for start in (100, 1000):
        for number in range(3 if start == 100 else 30):
            run_of_age(orders, start + number)
        client.get("runs")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get("runs", {"limit": 100}).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_others_see_what_they_may(api, owner, colleague, stranger, many):
    assert _ids(api(stranger).get("runs")) == []
    assign_perm("view_workflow", colleague, many[2].workflow)
    client = api(colleague)
    assert _ids(client.get("runs")) == [str(many[3].pk), str(many[2].pk)]
    assert _ids(client.get("runs", {"error": "card"})) == [], "a search of payloads needs the permission to view them"
    assert client.get(f"runs/{many[1].pk}").status_code == 404
    assert api(owner).get("runs").json()["items"][0]["error"]["message"] == "Card 77 declined"
    limited = api(owner, "workflow:view", workflows=[many[2].workflow])
    assert _ids(limited.get("runs")) == [str(many[3].pk), str(many[2].pk)]
    assert limited.get("runs").json()["items"][0]["subject"] is None


def test_steps_and_logs_need_the_permission_to_view_payloads(api, owner, colleague, workflow, deliver, drain):
    made = workflow(LOGGING)
    deliver({"title": "Hello"})
    drain()
    run = made.runs.get()
    client = api(owner)
    listed = client.get(f"runs/{run.pk}/steps").json()["items"]
    assert [(each["key"], each["status"], each["attempt"]) for each in listed] == [
        ("keep", "succeeded", 1),
        ("say", "succeeded", 1),
    ]
    assert "output" not in listed[0]
    assert [each["key"] for each in client.get(f"runs/{run.pk}/steps", {"path": "say"}).json()["items"]] == ["say"]
    whole = client.get(f"runs/{run.pk}/steps/{listed[0]['id']}").json()
    assert whole["output"] == {"title": "Hello"}
    assert [each["message"] for each in client.get(f"runs/{run.pk}/logs").json()["items"]] == ["Saw Hello"]
    assert client.get(f"runs/{run.pk}/outputs").json()["outputs"]["keep"] == {"title": "Hello"}
    assert AuditEntry.objects.filter(verb="run.payload_viewed", object_id=str(run.pk)).exists()
    assign_perm("view_workflow", colleague, made)
    for path in ("logs", "outputs", f"steps/{listed[0]['id']}"):
        assert api(colleague).get(f"runs/{run.pk}/{path}").status_code == 403, path
        refused = api(owner, "workflow:view").get(f"runs/{run.pk}/{path}")
        assert refused.json()["missing_scope"] == "workflow:view_payload"
    assert len(api(colleague).get(f"runs/{run.pk}/steps").json()["items"]) == 2
    other = "00000000-0000-7000-8000-000000000000"
    assert client.get(f"runs/{run.pk}/steps/{other}").status_code == 404


def test_a_start_that_no_worker_has_taken_has_no_steps(api, owner, workflow):
    workflow("{name: Greet, slug: greet, triggers: [{kind: manual, key: hand}], steps: [{kind: stop, key: done}]}")
    client = api(owner)
    started = client.post("workflows/greet/runs").json()
    for path in ("steps", "logs"):
        assert _ids(client.get(f"{started['url']}/{path}")) == []
    assert client.get(started["url"]).json()["waits"] == []
    assert client.post(f"{started['url']}/pin").status_code == 409


def test_a_run_is_cancelled_once(api, owner, workflow, deliver, drain):
    made = workflow(WAITING)
    deliver()
    drain()
    run = made.runs.get()
    client = api(owner)
    cancelled = client.post(f"runs/{run.pk}/cancel", {"reason": "Not needed"}, key="a")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["error"]["message"] == "Cancelled by owner: Not needed"
    assert client.post(f"runs/{run.pk}/cancel", {"reason": "Not needed"}, key="a").json() == cancelled.json()
    again = client.post(f"runs/{run.pk}/cancel", {})
    assert (again.status_code, "already ended" in again.json()["detail"]) == (409, True)


@pytest.mark.extended
def test_a_failed_run_is_run_again(api, owner, workflow, deliver, drain):
    made = workflow(FAILING)
    deliver()
    drain()
    run = made.runs.get()
    client = api(owner)
    made_run = client.post(f"runs/{run.pk}/rerun", {}, key="once")
    assert made_run.status_code == 201, made_run.content
    assert made_run.json()["rerun_of"] == str(run.pk)
    assert client.post(f"runs/{run.pk}/rerun", {}, key="once").json() == made_run.json()
    assert made.runs.count() == 2
    refused = client.post(f"runs/{run.pk}/rerun", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_rerun")
    [error] = refused.json()["errors"]
    assert (error["field"], error["code"], error["run"]) == ("again", "required", made_run.json()["id"])
    assert client.post(f"runs/{made_run.json()['id']}/rerun").status_code == 409, "it has not ended"
    drain()
    edited = client.post(f"runs/{run.pk}/rerun", {"from_step": "start", "payload": {"number": 8}, "again": True}).json()
    assert ExecutionRun.objects.get(pk=edited["id"]).event.payload == {"number": 8}
    unknown = client.post(f"runs/{run.pk}/rerun", {"from_step": "nowhere", "again": True})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "from_step")
    for body in ({"version": "oldest"}, {"variables": []}, {"from_step": 7}, {"again": "perhaps"}):
        assert client.post(f"runs/{run.pk}/rerun", body).status_code == 422, body
    assert client.post(f"runs/{run.pk}/rerun", {"variables": {"unknown": 1}}).status_code == 409


@pytest.mark.extended
def test_actions_need_the_permission_to_run(api, owner, colleague, workflow, deliver, drain):
    made = workflow(WAITING)
    deliver()
    drain()
    run = made.runs.get()
    assign_perm("view_workflow", colleague, made)
    for action in ("cancel", "rerun", "pin", "unpin", "retry", "skip"):
        assert api(colleague).post(f"runs/{run.pk}/{action}").status_code == 403, action
        refused = api(owner, "workflow:view").post(f"runs/{run.pk}/{action}")
        assert refused.json().get("missing_scope") == "workflow:run", action


def test_runs_are_pinned_and_waiting_steps_skipped(api, owner, workflow, deliver, drain):
    made = workflow(WAITING)
    deliver()
    drain()
    run = made.runs.get()
    client = api(owner)
    assert client.post(f"runs/{run.pk}/pin").json()["is_pinned"] is True
    assert client.post(f"runs/{run.pk}/unpin").json()["is_pinned"] is False
    assert client.post(f"runs/{run.pk}/retry").status_code == 409, "no step waits for a retry"
    assert client.post(f"runs/{run.pk}/retry", {"step": "later"}).status_code == 409
    assert client.post(f"runs/{run.pk}/skip", {"step": "unknown"}).status_code == 409
    assert client.post(f"runs/{run.pk}/review", {"outcome": "perhaps"}).status_code == 422
    assert client.post(f"runs/{run.pk}/skip", {"output": {"a": 1}, "reason": "Late"}).status_code == 200
    drain()
    run.refresh_from_db()
    assert run.status == "succeeded"
    assert not Wait.objects.filter(run=run, status="open").exists()
