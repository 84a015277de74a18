"""Bulk actions by the API: counted first, done by a worker, with progress and refusals."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun
from automate_core.operations import bulk
from tests.support.runs import published_workflows, run_of_age

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failed(owner):
    """Three failed runs and one that waits."""
    [orders] = published_workflows(owner, "Orders")
    runs = [run_of_age(orders, 300 + number, status="failed", error={"code": "no"}) for number in range(3)]
    return [*runs, run_of_age(orders, 100, status="waiting")]


def _work():
    while bulk.run_next_batch() is not None:
        pass


def test_matching_runs_are_counted_and_run_again(api, owner, failed):
    client = api(owner)
    wanted = {"action": "rerun", "filters": {"status": ["failed"]}}
    counted = client.post("bulk-actions", {**wanted, "dry_run": True})
    assert counted.status_code == 200, counted.content
    assert (counted.json()["found"], counted.json()["applies_to"]) == (3, 3)
    made = client.post("bulk-actions", {**wanted, "upto": counted.json()["newest"]}, key="one")
    assert (made.status_code, made.json()["status"], made.json()["total"]) == (202, "open", 3)
    assert client.post("bulk-actions", {**wanted, "upto": counted.json()["newest"]}, key="one").json() == made.json()
    _work()
    ended = client.get(made.json()["url"]).json()
    assert (ended["status"], ended["done"], ended["refusals"]) == ("done", 3, [])
    assert ExecutionRun.objects.filter(cause="retry").count() == 3
    created = client.get("runs", {"bulk": made.json()["id"]}).json()["items"]
    assert {each["rerun_of"] for each in created} == {str(run.pk) for run in failed[:3]}
    again = client.post("bulk-actions", wanted)
    assert (again.status_code, "already re-run" in again.json()["detail"]) == (409, True)
    assert [each["id"] for each in client.get("bulk-actions").json()["items"]] == [made.json()["id"]]


def test_chosen_runs_are_cancelled(api, owner, failed):
    client = api(owner)
    chosen = {"action": "cancel", "runs": [str(run.pk) for run in failed], "reason": "Too late"}
    made = client.post("bulk-actions", chosen)
    assert (made.status_code, made.json()["total"]) == (202, 1)
    stopped = client.post(f"{made.json()['url']}/stop")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "stopped")
    assert client.post(f"{made.json()['url']}/stop").status_code == 409
    _work()
    failed[3].refresh_from_db()
    assert failed[3].status == "waiting"
    client.post("bulk-actions", chosen)
    _work()
    failed[3].refresh_from_db()
    assert failed[3].status == "cancelled"
    assert client.post("bulk-actions", chosen).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "delete", "runs": []},
        {"action": "rerun"},
        {"action": "rerun", "runs": ["x"]},
        {"action": "rerun", "filters": {"status": "failed", "show": "all"}},
        {"action": "rerun", "filters": {"term": "x"}},
        {"action": "rerun", "filters": {}, "runs": ["00000000-0000-7000-8000-000000000000"]},
        {"action": "cancel", "filters": {}, "reason": "x" * 101},
        {"action": "rerun", "filters": {}, "from_step": "pay"},
    ],
)
def test_bad_requests_are_refused(api, owner, failed, body):
    assert api(owner).post("bulk-actions", body).status_code == 422


def test_only_own_runs_and_actions(api, owner, colleague, stranger, failed):
    wanted = {"action": "cancel", "filters": {}}
    made = api(owner).post("bulk-actions", wanted).json()
    assert api(stranger).post("bulk-actions", wanted).status_code == 404
    assert api(stranger).get(made["url"]).status_code == 404
    assign_perm("view_workflow", colleague, failed[0].workflow)
    assert api(colleague).post("bulk-actions", wanted).status_code == 403
    assert api(colleague).get(made["url"]).status_code == 404
    viewer = api(owner, "workflow:view")
    refused = viewer.post("bulk-actions", wanted)
    assert (refused.status_code, refused.json()["missing_scope"]) == (403, "workflow:run")
    assert viewer.post(f"{made['url']}/stop").json()["missing_scope"] == "workflow:run"
    assert api(owner, "connection:view").get("bulk-actions").status_code == 403
