"""Many runs at once, saved views and exports: what is done, what is refused, and to whom."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from django.core.management import call_command
from django.db.models import Count
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import BulkAction, ExecutionRun, StepRun
from automate_core.runs import control
from automate_core.worker.maintenance import MaintenanceThread
from automate_core.worker.maintenance_tasks import MaintenanceTask
from automate_governance.models import AuditEntry
from automate_operations import bulk
from automate_studio.models import SavedView
from automate_studio.runs.listing import export as run_export
from tests.support.pages import Page
from tests.support.run_lists import RUN_LIST, runs_shown
from tests.support.runs import run_of_age
from tests.support.workflows import SEARCHED_ORDERS

pytestmark = pytest.mark.django_db(transaction=True)

BULK, EXPORT = reverse("studio:runs_bulk"), reverse("studio:runs_export")
BROKEN = SEARCHED_ORDERS.replace("steps:", "steps:\n  - {key: before, action: data.set, inputs: {at: '{{ run.id }}'}}")
MENDED = BROKEN.replace("order.no + 0", "order.no")


@pytest.fixture
def failed(workflow, deliver, drain):
    """Thirty runs that failed at their second step, and one that succeeded by a version that was published since."""
    found = workflow(BROKEN)
    for number in range(30):
        deliver({"order": {"no": f"=A-{number}"}}, event="push")
    drain()
    workflow(MENDED)
    deliver({"order": {"no": "ok"}}, event="push")
    drain()
    assert ExecutionRun.objects.filter(status="failed").count() == 30
    return found


def hidden(answer):
    return {a["name"]: a["value"] for a in Page(answer).all(type="hidden") if "value" in a}


@pytest.mark.extended
def test_all_that_match_are_run_again_on_the_newest_version(failed, sign_in, owner, drain, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 8)
    client, url = sign_in(owner), f"{BULK}?show=attention"
    asked = client.post(url, {"do": "retry", "all": "on", "start": "failed"})
    assert "Re-run 30 runs from the failed step" in Page(asked).text and not BulkAction.objects.exists()
    late = run_of_age(failed, 0, status="failed")  # fails while the dialog is open: it was not counted
    answer, _ = (client.post(url, {**hidden(asked), "version": "newest"}) for _ in range(2))  # a double click is one
    action = BulkAction.objects.get()
    assert answer.status_code == 200 and (action.total, action.status) == (30, "open")
    for done in (8, 16, 24):
        assert bulk.run_next_batch() == 0.0
        said = Page(client.get(reverse("studio:bulk_progress", args=[action.pk]))).text
        assert f"Re-running {done} of 30 runs" in said
    assert (
        MaintenanceThread((MaintenanceTask("bulk", bulk.DUE, bulk.run_next_batch),)).run_due() == 0
        and bulk.run_next_batch() is None
    )
    drain()
    said = client.get(reverse("studio:bulk_progress", args=[action.pk]))
    assert "da:bulk-ended" in said["HX-Trigger"], "so that the list counts again"
    assert "Re-ran 30 of 30 runs." in Page(said).text and f"?bulk={action.pk}" in said.content.decode()
    late_click = client.post(url, {**hidden(asked), "version": "newest"})
    assert "Re-ran 30 of 30 runs." in Page(late_click).text and BulkAction.objects.count() == 1
    again = ExecutionRun.objects.filter(cause="retry")
    assert set(again.values_list("status", "version__number", "origin")) == {("succeeded", 2, "webhook")}
    assert set(again.values_list("retried_from", flat=True)) == set(
        ExecutionRun.objects.filter(status="failed").exclude(pk=late.pk).values_list("pk", flat=True)
    )
    kept = StepRun.objects.filter(path="before")
    assert kept.filter(run=again[0]).get().output == kept.filter(run=again[0].retried_from_id).get().output
    assert set(runs_shown(client.get(RUN_LIST, {"bulk": action.pk}))) < set(again.values_list("pk", flat=True))
    assert {run.pk for run in again} >= set(
        runs_shown(client.get(RUN_LIST, {"term": "order_no:=A-7", "status": "succeeded"}))
    )
    assert AuditEntry.objects.filter(verb="run.retried").count() == 30
    assert AuditEntry.objects.filter(verb="runs.bulk_retry", actor="owner").count() == 1
    assert runs_shown(sign_in(owner).get(RUN_LIST, {"bulk": action.pk})) != []
    listed = Page(client.get(RUN_LIST, {"status": "failed"}))
    assert listed.text.count("Re-run succeeded:") == 24, "all on the page but the one that was not re-run"
    there = reverse("admin:automate_core_executionrun_change", args=[again[0].pk])
    original = Page(client.get(RUN_LIST, {"run": again[0].retried_from_id}))
    assert original.all(href=there) and again[0].retried_from.error["message"] in original.text, "its own error stays"
    assert runs_shown(client.get(RUN_LIST, {"status": "failed", "rerun": "none"})) == [late.pk]


@pytest.mark.extended
def test_what_was_rerun_with_success_is_left_out(failed, sign_in, owner, drain, capsys):
    client, url = sign_in(owner), f"{BULK}?status=failed"
    runs = list(ExecutionRun.objects.filter(status="failed").order_by("id"))
    for run in runs[:6]:
        control.rerun(run, by=owner, version="newest")
    drain()
    open_one = control.rerun(runs[6], by=owner)
    failed_again = control.rerun(runs[7], by=owner)
    ExecutionRun.objects.filter(pk=failed_again.pk).update(status="failed", error={"message": "no", "step": "check"})
    ExecutionRun.objects.filter(retried_from=runs[0]).delete()  # as retention may: nobody knows what became of it
    said = (
        "5 runs were already re-run successfully. 1 run is being re-run. 1 run was re-run, and its re-run was deleted. "
        "1 run has a later re-run in this selection."
    )
    asked = client.post(url, {"do": "retry", "all": "on"})
    assert f"23 runs will be re-run. {said}" in Page(asked).text
    call_command("automate_runs", "rerun", "--status", "failed", "--dry-run", "--as", "owner")
    assert f"23 would be re-run. {said}" in capsys.readouterr().out
    assert "409" in str(client.post(BULK, {"do": "retry", "id": [runs[1].pk], "confirm": "1"}).status_code)
    client.post(url, hidden(asked))
    open_one.refresh_from_db()
    late = control.rerun(runs[9], by=owner)  # by somebody else, between the dialog and the worker
    while bulk.run_next_batch() is not None:
        pass
    action = BulkAction.objects.get()
    assert (action.done, action.refused) == (22, 1) and "was already re-run" in bulk.list_refusals(action, 1)[0][0]
    counts = dict(ExecutionRun.objects.exclude(retried_from=None).values_list("retried_from").annotate(Count("pk")))
    assert set(counts.values()) == {1} and failed_again.pk in counts and late.retried_from_id == runs[9].pk
    drain()
    call_command("automate_runs", "rerun", str(runs[1].pk), "--again", "--as", "owner")
    assert capsys.readouterr().out == "1 re-run\n" and runs[1].retries.count() == 2
    chosen = client.post(BULK, {"do": "retry", "id": [runs[2].pk], "confirm": "1", "again": "on"})
    assert chosen.status_code == 200 and BulkAction.objects.latest("id").options["again"] is True
    form = Page(client.get(reverse("studio:run_rerun", args=[runs[1].pk]))).text
    assert "Another re-run repeats its effects." in form


@pytest.mark.extended
def test_each_run_is_asked_for_by_itself(failed, workflow, sign_in, owner, colleague, stranger):
    theirs = workflow(SEARCHED_ORDERS.replace("orders", "theirs").replace("Orders", "Theirs"))
    runs = [
        *ExecutionRun.objects.filter(status="failed")[:2],
        run_of_age(theirs, 5, status="failed"),
        run_of_age(theirs, 4, 1),
    ]
    going_on = run_of_age(failed, 3, 2, status="waiting", finished_at=None)
    for verb in ("view_workflow", "run_workflow"):
        assign_perm(verb, colleague, failed)
    assign_perm("view_workflow", colleague, theirs)
    chosen = {"do": "retry", "id": [run.pk for run in (*runs, going_on)]}
    client = sign_in(colleague)
    text = Page(client.post(BULK, chosen)).text
    assert "Re-run 2 runs" in text and "5 runs selected" in text
    assert "1 run has not ended yet" in text and "permission for 2 runs" in text
    assert client.post(BULK, {"do": "retry", "id": [runs[2].pk]}).status_code == 403
    assert sign_in(stranger).post(BULK, chosen).status_code == 404
    assert sign_in(stranger).post(BULK, {"do": "cancel", "all": "on"}).status_code == 404
    assert client.post(BULK, {"do": "cancel", "id": [runs[0].pk]}).status_code == 409
    for bad in (
        {"do": "delete", "all": "on"},
        {"do": "retry"},
        {"do": "retry", "id": ["x"]},
        {"do": "retry", "all": "on", "upto": "x"},
    ):
        assert client.post(BULK, bad).status_code == 422, bad
    assert client.post(f"{BULK}?longer=soon", {"do": "retry", "all": "on"}).status_code == 422
    client.post(BULK, {**chosen, "confirm": "1"})
    action = BulkAction.objects.get()
    assert action.total == 2 and not sign_in(owner).get(
        reverse("studio:bulk_progress", args=[action.pk])
    ).content.count(b"of 2")
    colleague.user_permissions.clear()
    colleague.groups.clear()
    bulk.run_next_batch()
    action.refresh_from_db()
    assert (action.done, action.refused, action.status) == (0, 2, "done"), "the right to run is asked again for each"
    assert not ExecutionRun.objects.filter(cause="retry").exists()


def test_stopping_and_cancelling(failed, sign_in, owner, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    waiting = [run_of_age(failed, 9, n, status="waiting", finished_at=None) for n in range(5)]
    client = sign_in(owner)
    asked = client.post(f"{BULK}?show=waiting", {"do": "cancel", "all": "on"})
    assert "bulk-reason" in Page(asked).ids
    assert "Cancel 5 runs" in Page(asked).text
    client.post(f"{BULK}?show=waiting", hidden(asked))
    action = BulkAction.objects.get()
    bulk.run_next_batch()
    stopped = client.post(reverse("studio:bulk_stop", args=[action.pk]))
    assert "Cancelled 2 of 5 runs. You stopped this action." in " ".join(Page(stopped).text.split())
    assert bulk.run_next_batch() is None
    states = list(
        ExecutionRun.objects.filter(pk__in=[run.pk for run in waiting]).order_by("id").values_list("status", flat=True)
    )
    assert states == ["cancelled"] * 2 + ["waiting"] * 3


# --- saved views ------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_views_are_saved_shared_renamed_and_deleted(failed, sign_in, owner, colleague, stranger):
    client, query = sign_in(owner), "?show=attention&workflow=orders"
    saved = client.post(reverse("studio:view_save"), {"query": query, "name": "Bad <b>orders", "shared": "on"})
    view = SavedView.objects.get()
    assert saved.status_code == 200 and "View “Bad <b>orders” saved." in Page(saved).text
    assert client.post(reverse("studio:view_save"), {"query": query, "name": "Bad <b>orders"}).status_code == 409
    for bad in (
        {"query": "", "name": "x"},
        {"query": "?status=broken", "name": "x"},
        {"query": query, "name": "x" * 61},
    ):
        assert client.post(reverse("studio:view_save"), bad).status_code == 422, bad
    others = {"owner": stranger, "query": "?workflow=theirs", "is_shared": True}
    SavedView.objects.bulk_create(SavedView(name=f"A {number}", **others) for number in range(200))
    assert "Bad <b>orders" in Page(client.get(RUN_LIST)).text, "those of others push out none of one's own"
    SavedView.objects.filter(owner=stranger).delete()
    assert [a["aria-current"] for a in Page(client.get(RUN_LIST + query)).all(href=view.query) if "aria-current" in a]
    assert "Bad <b>orders" not in Page(sign_in(colleague).get(RUN_LIST)).text, (
        "it names a workflow that they may not know"
    )
    assign_perm("view_workflow", colleague, failed)
    assert "Bad <b>orders" in Page(sign_in(colleague).get(RUN_LIST)).text
    assert "Bad <b>orders" not in Page(sign_in(stranger).get(RUN_LIST)).text
    change, delete = (reverse(f"studio:view_{verb}", args=[view.pk]) for verb in ("change", "delete"))
    assert sign_in(colleague).post(change, {"name": "Mine"}).status_code == 403
    client.post(change, {"name": "Orders", "query": query})
    assert "Orders" not in re.findall(r'da-view.*?clipped">([^<]*)', sign_in(colleague).get(RUN_LIST).content.decode())
    deleted = client.post(delete, {"query": query})
    assert not SavedView.objects.exists() and "View “Orders” deleted." in Page(deleted).text
    client.post(reverse("studio:view_save"), hidden(deleted))
    assert SavedView.objects.get().query == view.query


# --- exports ----------------------------------------------------------------------------------------------------------


def test_exports_hold_what_the_list_shows_and_no_formulas(failed, sign_in, owner, colleague, stranger, monkeypatch):
    monkeypatch.setattr(run_export, "BATCH", 7)

    def export(person, query="", **fields):
        answer = sign_in(person).post(EXPORT + query, fields)
        assert answer.status_code == 200 and "attachment" in answer["Content-Disposition"]
        return b"".join(answer.streaming_content).decode()

    rows = list(csv.DictReader(io.StringIO(export(owner, "?show=attention", format="csv", payload="on"))))
    assert len(rows) == 30 and [row["run"] for row in rows] == sorted((row["run"] for row in rows), reverse=True)
    assert {len(row["created_at"]) for row in rows} == {len("2026-11-25T10:15:00.000Z")}
    assert json.loads(rows[0]["payload"])["order"]["no"] == "=A-29" and rows[0]["workflow"] == "orders"
    assert json.loads(rows[0]["search_terms"]) == {"order_no": "=A-29"} and rows[0]["step"] == "check"
    ExecutionRun.objects.filter(pk=rows[0]["run"]).update(error={"message": "=HYPERLINK(1)", "step": "@step"})
    [row] = csv.DictReader(io.StringIO(export(owner, f"?run={rows[0]['run']}", format="csv")))
    assert (row["error"], row["step"]) == ("'=HYPERLINK(1)", "'@step") and "payload" not in row
    assign_perm("view_workflow", colleague, failed)
    lines = [json.loads(line) for line in export(colleague, format="jsonl", payload="on").splitlines()]
    assert len(lines) == 31 and {(line["payload"], line["error"], line["search_terms"]) for line in lines} == {
        (None, None, None)
    }
    assert len(lines[0]) == len(run_export.COLUMNS) + 1 and lines[0]["version"] == "v2"
    assert export(stranger, format="jsonl") == ""
    entry = AuditEntry.objects.filter(verb="runs.exported", actor="owner").earliest("pk")
    assert entry.changes == {"format": "csv", "payload": True, "search_terms": True, "filters": {"show": "attention"}}
    assert sign_in(owner).post(EXPORT, {"format": "xlsx"}).status_code == 422
    assert sign_in(owner).post(f"{EXPORT}?since=ever", {"format": "csv"}).status_code == 422


def test_a_dialog_that_re_runs_nothing_says_so_and_why(workflow, sign_in, owner):
    made = workflow(BROKEN)
    runs = [run_of_age(made, 10 + number, status="failed", error={"code": "no"}) for number in range(2)]
    for run in runs:
        control.rerun(run, by=owner)
    asked = sign_in(owner).post(BULK, {"do": "retry", "id": [run.pk for run in runs], "start": "failed"})
    title = re.search(r'<h2 id="bulk-title">(.*?)</h2>', asked.content.decode(), re.DOTALL)
    assert " ".join(title[1].split()) == "Nothing to re-run: all 2 runs were already re-run"
    assert "2 runs are being re-run." in Page(asked).text and "0 runs" not in Page(asked).text
