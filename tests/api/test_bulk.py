"""Bulk actions by the API: counted first, done by a worker, with progress and refusals."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_api.tokens.issuing import revoke_token
from automate_api.tokens.use import narrowed
from automate_core.models import ExecutionRun
from automate_governance.models import AuditEntry
from automate_governance.people.origin import request_credential
from automate_operations import bulk
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


def test_a_worker_stays_within_the_token(api, owner, failed):
    """What the selection let through is checked again, by the scopes and workflows of the token."""
    [other] = published_workflows(owner, "Other")
    theirs = run_of_age(other, 50, status="waiting")
    limited = api(owner, "workflow:view", "workflow:run", workflows=[failed[0].workflow])
    viewing = api(owner, "workflow:view")
    runs = [failed[3].pk, theirs.pk]
    for client, done, refused in ((viewing, 0, 2), (limited, 1, 1)):
        with narrowed(client.token), request_credential(str(client.token)):
            action = bulk.create_bulk_action("cancel", runs, {"reason": ""}, by=owner)
        _work()
        action.refresh_from_db()
        assert (action.status, action.done, action.refused) == ("done", done, refused)
    theirs.refresh_from_db()
    assert theirs.status == "waiting"
    entry = AuditEntry.objects.get(verb="run.cancelled")
    assert (entry.actor, entry.credential) == ("owner", str(limited.token))
    unlimited = bulk.create_bulk_action("cancel", [theirs.pk], {"reason": ""}, by=owner)
    _work()
    unlimited.refresh_from_db()
    assert unlimited.done == 1, "people without a token are not limited"


def _revoke(token):
    revoke_token(token, by=token.owner)


def _expire(token):
    token.expires_at = timezone.now() - dt.timedelta(seconds=1)
    token.save(update_fields=["expires_at"])


@pytest.mark.parametrize("end", [_revoke, _expire])
def test_a_token_that_has_ended_stops_its_actions(api, owner, failed, end):
    client = api(owner)
    made = client.post("bulk-actions", {"action": "rerun", "filters": {"status": ["failed"]}}).json()
    end(client.token)
    _work()
    stopped = api(owner).get(made["url"]).json()
    assert (stopped["status"], stopped["done"], stopped["refused"]) == ("stopped", 0, 3)
    reason = f"The token {client.token} was revoked or has expired."
    assert {each["reason"] for each in stopped["refusals"]} == {reason}
    assert not ExecutionRun.objects.filter(cause="retry").exists()
    assert AuditEntry.objects.get(verb="runs.bulk_stopped").changes["reason"] == reason
