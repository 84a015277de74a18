"""Failure groups and dead jobs by the API."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from automate_core.models import Event, FailureGroup, OutboxJob
from tests.support.runs import ended_runs, published_workflows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def groups(owner):
    [orders] = published_workflows(owner, "Orders")
    for code in ("a", "b", "c"):
        ended_runs(orders, 2, status="failed", code=code, message="Card 7 declined")
    return list(FailureGroup.objects.order_by("-pk"))


def test_groups_are_listed_resolved_and_reopened(api, owner, groups):
    client = api(owner)
    first = client.get("failure-groups", {"limit": 2}).json()
    rest = client.get("failure-groups", {"limit": 2, "cursor": first["next"]}).json()
    shown = [*first["items"], *rest["items"]]
    assert [each["id"] for each in shown] == [group.pk for group in groups]
    assert (shown[0]["failures"], shown[0]["message"], shown[0]["workflow"]) == (2, "Card 7 declined", "orders")
    path = f"failure-groups/{groups[0].pk}"
    for action, name in (("resolve", "resolved_at"), ("mute", "muted_at")):
        assert client.post(f"{path}/{action}", key=action).json()[name] is not None
    assert [each["id"] for each in client.get("failure-groups", {"state": "resolved"}).json()["items"]] == [
        groups[0].pk
    ]
    assert len(client.get("failure-groups", {"state": "open", "workflow": "orders"}).json()["items"]) == 2
    assert len(client.get("failure-groups", {"state": "muted"}).json()["items"]) == 1
    for action, name in (("reopen", "resolved_at"), ("unmute", "muted_at")):
        assert client.post(f"{path}/{action}").json()[name] is None
    rerun = client.post(f"{path}/rerun", {}).json()
    assert (rerun["done"] + len(rerun["refused"]), rerun["left"]) == (2, 0)
    for query in ({"state": "gone"}, {"cursor": "x"}, {"limit": "many"}):
        assert client.get("failure-groups", query).status_code == 422
    assert client.get("failure-groups/99999999999999999999").status_code == 404
    assert client.post(f"{path}/rerun", {"version": "oldest"}).status_code == 422


def test_groups_cost_the_same_however_many_there_are(api, owner, groups):
    client, counts = api(owner), []
    client.get("failure-groups")
    for limit in (1, 3):
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get("failure-groups", {"limit": limit}).json()["items"]) == limit
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_groups_follow_their_workflow(api, owner, colleague, stranger, groups):
    path = f"failure-groups/{groups[0].pk}"
    assert api(stranger).get(path).status_code == 404
    assert api(stranger).get("failure-groups").json()["items"] == []
    assign_perm("view_workflow", colleague, groups[0].workflow)
    assert api(colleague).get(path).json()["message"] is None
    for action in ("resolve", "reopen", "mute", "unmute", "rerun"):
        assert api(colleague).post(f"{path}/{action}").status_code == 403
        assert api(owner, "workflow:view").post(f"{path}/{action}").json()["missing_scope"] == "workflow:run"


def _dead_job(owner):
    event = Event.objects.create(source="webhook:gone", endpoint_id=-1, payload={}, trace_id="1" * 32)
    return OutboxJob.objects.create(kind="dispatch", status="dead", event=event, attempts=3, last_error="It crashed")


def test_dead_jobs_are_listed_and_requeued(api, admin, owner):
    job, other = _dead_job(owner), _dead_job(owner)
    client = api(admin)
    [shown] = client.get("dead-jobs", {"limit": 1}).json()["items"]
    assert (shown["id"], shown["kind"], shown["error"]) == (str(job.pk), "dispatch", "It crashed")
    requeued = client.post(f"dead-jobs/{job.pk}/requeue", key="one")
    assert requeued.status_code == 200, requeued.content
    assert OutboxJob.objects.get(pk=requeued.json()["job"]).status == "ready"
    assert client.post(f"dead-jobs/{job.pk}/requeue", key="one").json() == requeued.json()
    assert client.post(f"dead-jobs/{job.pk}/requeue").status_code == 409
    assert client.post("dead-jobs/requeue").json() == {"done": 1, "refused": [], "unknown": 0}
    assert client.get("dead-jobs").json()["items"] == []
    assert client.post("dead-jobs/00000000-0000-7000-8000-000000000000/requeue").status_code == 404
    for refused in (api(owner), api(admin, "workflow:run")):
        assert refused.get("dead-jobs").status_code == 403
        assert refused.post("dead-jobs/requeue").status_code == 403
        assert refused.post(f"dead-jobs/{other.pk}/requeue").status_code == 403
    assert api(admin, "workflow:run").get("dead-jobs").json()["missing_scope"] == "site:operate"
