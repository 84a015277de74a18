"""Runs that wait until a person sets the outcome of a step: where they are shown, to whom, and that the counts agree."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm, remove_perm

from automate_core.models import BulkAction, ExecutionRun, StepRun, Wait, WorkflowVersion
from automate_governance.models import AuditEntry
from automate_operations import bulk
from automate_operations.runs.open_reviews import runs_to_review
from tests.support.pages import Page
from tests.support.run_lists import RUN_LIST, runs_shown
from tests.support.runs import published_workflows, run_of_age

pytestmark = pytest.mark.django_db(transaction=True)

TASKS, OVERVIEW, STATUS = reverse("studio:approval_list"), reverse("admin:index"), reverse("studio:site_status")
WORKFLOWS = reverse("admin:automate_core_workflow_changelist")

PAYS = """
name: Pays
slug: pays
triggers: [{endpoint: github}]
steps:
  - {key: pay, name: Pay, action: http.request, inputs: {method: POST, url: 'https://pay.example.com/'}}
"""


@pytest.fixture
def flows(owner):
    """Two workflows: three runs of the first wait for a review, one of them at two steps, and none of the second."""
    flows = published_workflows(owner, "Orders", "Alerts")
    for number in range(3):
        run = run_of_age(flows[0], 100 + number, status="waiting")
        for path in ("pay", "pack")[: 1 + (number == 0)]:
            Wait.objects.create(run=run, path=path, kind="review")
    test = run_of_age(flows[0], 50, status="waiting", cause="test")
    ended = run_of_age(flows[0], 60, status="cancelled")
    for run in (test, ended):
        Wait.objects.create(run=run, path="pay", kind="review", status="open" if run is test else "cancelled")
    Wait.objects.create(run=run_of_age(flows[1], 70, status="waiting"), path="check", kind="approval")
    return flows


def links(client, url):
    """The page's links to the runs that wait for a review."""
    return {
        given.get("href", "") for _tag, given in Page(client.get(url)).tags if "reason=review" in given.get("href", "")
    }


def test_runs_that_wait_for_a_review_are_named_where_people_look(flows, sign_in, admin):
    client = sign_in(admin)
    shown = Page(client.get(OVERVIEW)).text
    assert "Steps with an unknown outcome" in shown and "3 runs" in shown
    assert "3 runs wait, because the outcome of a step is unknown." in Page(client.get(STATUS)).text
    assert "3 runs wait, because the outcome of a step is unknown." in Page(client.get(TASKS)).text
    listed = Page(client.get(WORKFLOWS)).text
    assert "3 runs with an unknown outcome" in listed and listed.count("unknown outcome") == 1
    for page in (OVERVIEW, STATUS, TASKS):
        [address] = links(client, page)
        assert len(runs_shown(client.get(address))) == 3
    [of_workflow] = links(client, WORKFLOWS)
    assert len(runs_shown(client.get(of_workflow))) == 3
    assert len(runs_shown(client.get(f"{RUN_LIST}?show=attention"))) == 3


def test_people_see_those_of_their_workflows(flows, sign_in, colleague, stranger):
    assign_perm("automate_core.view_workflow", colleague, flows[0])
    client = sign_in(colleague)
    assert "Steps with an unknown outcome" in Page(client.get(OVERVIEW)).text
    assert not links(client, TASKS), "they may not set the outcome"
    assign_perm("automate_core.run_workflow", colleague, flows[0])
    assert links(client, TASKS)
    client = sign_in(stranger)
    for page in (OVERVIEW, TASKS, WORKFLOWS):
        assert "nknown outcome" not in client.get(page).content.decode()


def test_a_failed_run_whose_rerun_succeeded_needs_no_attention(flows, sign_in, owner):
    done, lost, plain = (run_of_age(flows[0], 10 + each, status="failed", error={"code": "x"}) for each in range(3))
    for run, states in ((done, ("failed", "succeeded")), (lost, ("failed", "cancelled"))):
        for status in states:
            again = run_of_age(run.workflow, 4, status=status, cause="retry", retried_from=run)
            ExecutionRun.objects.filter(pk=run.pk).update(rerun_at=again.created_at)
            run = again
    found = set(runs_shown(sign_in(owner).get(f"{RUN_LIST}?show=attention&status=failed")))
    first_of_done, *_rest = ExecutionRun.objects.filter(retried_from=done)
    assert not {str(done.pk), str(first_of_done.pk)} & {str(each) for each in found}
    assert {str(lost.pk), str(plain.pk)} <= {str(each) for each in found}


def test_who_cancels_is_told_that_an_outcome_stays_unknown(flows, sign_in, owner):
    [one, *_] = runs = list(runs_to_review())
    other = run_of_age(flows[0], 20, status="waiting")
    client, act = sign_in(owner), reverse("studio:runs_bulk")
    asked = Page(client.post(act, {"do": "cancel", "id": [run.pk for run in [*runs, other]]})).text
    assert "Cancel 4 runs" in asked and "3 runs have a step whose outcome is unknown." in asked
    assert "unknown" not in Page(client.post(act, {"do": "cancel", "id": [other.pk]})).text
    page = Page(client.get(reverse("admin:automate_core_executionrun_change", args=[one.pk]))).text
    assert "Cancel this run?" in page


def test_a_cancelled_run_keeps_its_unknown_outcome_and_its_key(workflow, deliver, drain, sign_in, owner, stranger):
    workflow(PAYS)
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    StepRun.objects.filter(run=run, path="pay").update(
        status="failed", error={"code": "timeout", "message": "no answer"}, finished_at=None
    )
    ExecutionRun.objects.filter(pk=run.pk).update(status="waiting", finished_at=None, error=None)
    Wait.objects.create(run=run, path="pay", kind="review", data={"error": {"message": "no answer"}})
    key = StepRun.objects.get(run=run, path="pay").idempotency_key
    client, step = sign_in(owner), reverse("studio:run_step", args=[run.pk, "pay"])
    page = Page(client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk]))).text
    assert "The outcome of Pay is unknown. It stays unknown" in page
    assert client.post(reverse("studio:run_cancel", args=[run.pk])).status_code == 303
    told = Page(client.get(step)).text
    assert f"Check there before you re-run it. Idempotency key: {key}" in told
    assert sign_in(stranger).get(step).status_code == 404


def review(client, runs, **given):
    return client.post(reverse("studio:runs_bulk"), {"do": "review", "id": [run.pk for run in runs], **given})


def test_the_outcome_of_many_runs_is_set_at_once(flows, sign_in, owner):
    runs = list(runs_to_review())
    others = [run_of_age(flows[0], 20, status="failed", error={"code": "x"})]
    client = sign_in(owner)
    asked = Page(review(client, [*runs, *others]))
    assert "Set the outcome of 3 runs" in asked.text and "1 run does not wait for a review." in asked.text
    assert "check there first, for each run" in asked.text and "repeats the effect" in asked.text
    assert review(client, runs, confirm="1").status_code == 422, "no outcome"
    assert review(client, others).status_code == 409
    assert review(client, runs, confirm="1", outcome="failed", reason="asked the bank").status_code == 200
    while bulk.run_next_batch() is not None:
        pass
    assert not runs_to_review().exists()
    action = BulkAction.objects.get()
    assert (action.verb, action.status, action.done, action.refused) == ("review", "done", 3, 0)
    entries = AuditEntry.objects.filter(verb="run.reviewed")
    assert {(entry.changes["outcome"], entry.changes["reason"]) for entry in entries} == {("failed", "asked the bank")}
    assert entries.count() == 4, "one run waited at two steps"


@pytest.fixture
def reading(flows):
    """A run that waits for a review like the others, but a later step reads the output."""
    steps = [
        {"key": "pay", "action": "data.set"},
        {"key": "ship", "name": "Ship", "action": "data.set", "inputs": {"n": "{{ steps.pay.output.id }}"}},
    ]
    definition = {"name": "Orders", "slug": "orders", "steps": steps}
    version = WorkflowVersion.objects.create(
        workflow=flows[0], number=2, author=flows[0].owner, run_as=flows[0].owner, definition=definition
    )
    run = run_of_age(flows[0], 90, status="waiting")
    Wait.objects.create(run=run, path="pay", kind="review")
    ExecutionRun.objects.filter(pk=run.pk).update(version=version)
    return run


def test_runs_whose_output_is_read_later_are_left_out_of_succeeded(reading, sign_in, owner):
    runs, client = list(runs_to_review()), sign_in(owner)
    asked = Page(review(client, runs))
    assert "Set the outcome of 4 runs" in asked.text
    assert "Succeeded leaves out runs whose later steps read the output: Ship." in asked.text
    assert "Set the outcome of 4 runs" in Page(review(client, runs, outcome="failed")).text
    chosen = Page(review(client, runs, outcome="succeeded")).text
    assert "Set the outcome of 3 runs" in chosen
    assert "1 run is left out: its later steps read the output (Ship)." in chosen
    [alone] = Page(review(client, [reading], outcome="succeeded")).all(id="bulk-submit")
    assert "disabled" in alone
    refused = review(client, [reading], outcome="succeeded", confirm="1")
    assert refused.status_code == 409 and "(Ship)" in Page(refused).text
    assert review(client, runs, outcome="succeeded", confirm="1").status_code == 200
    while bulk.run_next_batch() is not None:
        pass
    assert runs_to_review().get() == reading
    assert review(client, [reading], outcome="failed", confirm="1").status_code == 200


def test_the_api_leaves_out_runs_whose_output_is_read_later(reading, api, owner):
    token, body = api(owner), {"action": "review", "filters": {"show": "attention", "reason": ["review"]}}
    counted = token.post("/bulk-actions", {**body, "dry_run": True, "outcome": "succeeded"}).json()
    assert (counted["found"], counted["applies_to"]) == (4, 3)
    assert (counted["output_read"], counted["output_readers"]) == (1, ["Ship"])
    assert token.post("/bulk-actions", {**body, "dry_run": True, "outcome": "failed"}).json()["applies_to"] == 4
    refused = token.post("/bulk-actions", {"action": "review", "runs": [str(reading.pk)], "outcome": "succeeded"})
    assert refused.status_code == 409 and "(Ship)" in refused.json()["detail"]
    assert token.post("/bulk-actions", {**body, "outcome": "succeeded"}).json()["total"] == 3


def test_a_command_leaves_out_runs_whose_output_is_read_later(reading, owner, capsys):
    given = {"user": "owner", "outcome": "succeeded"}
    call_command("automate_runs", "review", workflow="orders", **given)
    said = capsys.readouterr().out
    assert "3 reviewed" in said and "1 run is left out: its later steps read the output (Ship)." in said
    with pytest.raises(CommandError, match="1 refused"):
        call_command("automate_runs", "review", str(reading.pk), **given)
    assert "Later steps read the output" in capsys.readouterr().err and runs_to_review().get() == reading
    call_command("automate_runs", "review", str(reading.pk), output='{"id": 1}', **given)
    assert not runs_to_review().exists()


def set_anew(run):
    """A colleague has the step run again, and its outcome is unknown once more."""
    [wait] = Wait.objects.filter(run=run, kind="review", status="open")
    values = {"run": run, "path": wait.path, "kind": "review", "data": wait.data, "seq": wait.seq}
    Wait.objects.filter(pk=wait.pk).update(status="resolved")
    return Wait.objects.create(**values)


@pytest.mark.parametrize("way", ["dialog", "api"])
def test_a_doubt_that_is_newer_than_the_count_is_left_out(way, flows, sign_in, api, owner):
    runs = list(runs_to_review())
    one = next(run for run in runs if Wait.objects.filter(run=run, kind="review", status="open").count() == 1)
    client, token = sign_in(owner), api(owner)
    if way == "dialog":
        dialog = {a["name"]: a["value"] for a in Page(review(client, runs)).all(type="hidden") if a["name"] != "id"}
        later = set_anew(one)
        assert review(client, runs, **{**dialog, "outcome": "succeeded"}).status_code == 200
    else:
        body = {"action": "review", "runs": [str(run.pk) for run in runs]}
        counted = token.post("/bulk-actions", {**body, "dry_run": True}).json()
        later = set_anew(one)
        given = {**body, "outcome": "succeeded", "counted_at": counted["counted_at"]}
        assert token.post("/bulk-actions", given).status_code == 202
    bulk.run_next_batch()
    action = BulkAction.objects.get()
    assert (action.done, action.refused) == (2, 1)
    [(reason, run)] = bulk.list_refusals(action, 5)
    assert run == one.pk and "Check at the service" in str(reason)
    later.refresh_from_db()
    assert later.status == "open"


def test_a_doubt_after_the_request_is_left_out(flows, sign_in, owner):
    runs = list(runs_to_review())
    one = next(run for run in runs if Wait.objects.filter(run=run, kind="review", status="open").count() == 1)
    assert review(sign_in(owner), runs, confirm="1", outcome="failed").status_code == 200
    set_anew(one)
    bulk.run_next_batch()
    assert BulkAction.objects.get().refused == 1 and runs_to_review().get() == one


def test_the_outcome_of_many_needs_the_permission_to_run_each(flows, sign_in, colleague, stranger):
    runs = list(runs_to_review())
    assert review(sign_in(stranger), runs).status_code == 404
    assign_perm("automate_core.view_workflow", colleague, flows[0])
    assert review(sign_in(colleague), runs).status_code == 403
    assign_perm("automate_core.run_workflow", colleague, flows[0])
    client = sign_in(colleague)
    assert review(client, runs, confirm="1", outcome="succeeded").status_code == 200
    remove_perm("automate_core.run_workflow", colleague, flows[0])
    bulk.run_next_batch()
    assert BulkAction.objects.get().refused == 3 and runs_to_review().count() == 3


def test_the_row_of_a_run_to_review_offers_it(flows, sign_in, owner):
    page = Page(sign_in(owner).get(f"{RUN_LIST}?show=waiting"))
    states = [box["data-run"] for box in page.all(name="id")]
    assert states.count("open review") == 3 and states.count("open") == 1


def test_a_command_sets_the_outcome_of_many(flows, owner, capsys):
    with pytest.raises(CommandError, match="Choose the outcome") as raised:
        call_command("automate_runs", "review", workflow="orders", user="owner")
    assert raised.value.returncode == 2
    given = {"workflow": "orders", "user": "owner", "outcome": "again", "reason": "not received"}
    call_command("automate_runs", "review", dry_run=True, **given)
    assert "3 would be reviewed" in capsys.readouterr().out
    call_command("automate_runs", "review", step="pack", **given)
    assert "1 reviewed" in capsys.readouterr().out and runs_to_review().count() == 3
    call_command("automate_runs", "review", **given)
    assert "reviewed" in capsys.readouterr().out and not runs_to_review().exists()


def test_the_api_sets_the_outcome_of_many(flows, api, owner):
    token, filters = api(owner), {"show": "attention", "reason": ["review"]}
    counted = token.post("/bulk-actions", {"action": "review", "filters": filters, "dry_run": True}).json()
    assert (counted["found"], counted["applies_to"]) == (3, 3)
    assert token.post("/bulk-actions", {"action": "review", "filters": filters}).status_code == 422
    made = token.post("/bulk-actions", {"action": "review", "filters": filters, "outcome": "succeeded"})
    assert made.status_code == 202 and made.json()["action"] == "review"
    bulk.run_next_batch()
    assert not runs_to_review().exists()
