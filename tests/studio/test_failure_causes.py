"""The words of a service: what stands beside our own sentence in lists and groups, and who reads them."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from automate_core.models import ExecutionRun, FailureGroup, StepRun
from automate_operations.runs.service_words import service_words, with_service_words
from automate_operations.statistics import failures
from tests.support.pages import Page
from tests.support.run_lists import RUN_LIST, runs_shown
from tests.support.runs import ended_runs, published_workflows

KNOWN = "SKU 'A-10008' is not known"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"error": KNOWN}), KNOWN),
        (json.dumps({"error": {"code": 7, "message": KNOWN}}), KNOWN),
        (json.dumps({"title": "Invalid", "detail": KNOWN}), KNOWN),
        (json.dumps({"errors": [{"detail": KNOWN}, {"detail": "other"}]}), KNOWN),
        (json.dumps({"errors": {"sku": "no"}}), ""),
        (json.dumps([KNOWN]), KNOWN),
        (KNOWN, KNOWN),
        ("<html><h1>502 Bad Gateway</h1></html>", ""),
        ('{"error": "cut', ""),
        ("", ""),
        (json.dumps({"error": "x" * 500}), "x" * 199 + "…"),
        (json.dumps({"error": "one\n two"}), "one two"),
    ],
)
def test_the_words_of_an_answer(body, words):
    assert service_words(body) == words


def test_words_that_the_message_has_are_not_repeated():
    assert with_service_words("HTTP 422 from erp.", "no stock") == "HTTP 422 from erp: no stock"
    assert with_service_words("HTTP 422: No stock.", "no stock") == "HTTP 422: No stock."
    assert with_service_words("HTTP 500 from erp.", None) == "HTTP 500 from erp."


@pytest.mark.django_db(transaction=True)
def test_the_list_and_the_group_say_what_the_service_said(owner, colleague, sign_in):
    from guardian.shortcuts import assign_perm

    [flow] = published_workflows(owner, "Orders")
    ended_runs(flow, 2, status="failed", message="HTTP 422 from POST erp/orders.", code="http_422")
    for run in ExecutionRun.objects.all():
        ExecutionRun.objects.filter(pk=run.pk).update(
            error={**run.error, "details": {"status": 422, "body": json.dumps({"error": KNOWN})}}
        )
    assign_perm("view_workflow", colleague, flow)
    page = reverse("admin:automate_core_executionrun_change", args=[ExecutionRun.objects.latest("pk").pk])
    for address in (RUN_LIST, reverse("admin:index"), page):
        assert f"HTTP 422 from POST erp/orders: {KNOWN}" in Page(sign_in(owner).get(address)).text, address
        assert KNOWN not in Page(sign_in(colleague).get(address)).text, "needs the permission to view payloads"
    assign_perm("run_workflow", colleague, flow)
    group = FailureGroup.objects.get()
    dialog = reverse("studio:failures_rerun", args=[group.pk])
    assert f"HTTP 422 from POST erp/orders: {KNOWN}" in Page(sign_in(owner).get(dialog)).text
    asked = Page(sign_in(colleague).get(dialog)).text
    assert KNOWN not in asked and "You need the View payloads permission to see the message." in asked


@pytest.mark.django_db(transaction=True)
def test_the_api_says_what_the_service_said(owner, colleague, api):
    from guardian.shortcuts import assign_perm

    [flow] = published_workflows(owner, "Orders")
    ended_runs(flow, status="failed", message="HTTP 422 from POST erp/orders.", code="http_422")
    run = ExecutionRun.objects.get()
    error = {**run.error, "details": {"status": 422, "body": json.dumps({"error": KNOWN})}}
    ExecutionRun.objects.filter(pk=run.pk).update(error=error)
    StepRun.objects.create(run=run, path="send", attempt=1, status="failed", error=error, started_at=run.started_at)
    assign_perm("view_workflow", colleague, flow)
    said = f"HTTP 422 from POST erp/orders: {KNOWN}"
    steps = f"runs/{run.pk}/steps"
    assert api(owner).get(f"runs/{run.pk}").json()["error"]["message"] == said
    assert api(owner).get("runs").json()["items"][0]["error"]["message"] == said
    assert api(owner).get(steps).json()["items"][0]["error"]["message"] == said
    assert api(colleague).get(f"runs/{run.pk}").json()["error"]["message"] is None
    assert api(colleague).get(steps).json()["items"][0]["error"]["message"] is None


@pytest.mark.django_db(transaction=True)
def test_a_resolved_group_is_listed_until_its_reruns_have_ended(owner, sign_in):
    [flow] = published_workflows(owner, "Orders")
    ended_runs(flow, 2, status="failed", message="HTTP 500 from POST erp/orders.", code="http_500")
    client, index = sign_in(owner), reverse("admin:index")
    first, second = ExecutionRun.objects.order_by("pk")
    reruns = [
        ExecutionRun.objects.create(
            workflow=flow, version=flow.published, trace_id="1" * 32, status="queued", cause="retry", retried_from=run
        )
        for run in (first, second)
    ]
    failures.resolve_retried([first.pk, second.pk], by=owner)
    assert "2 re-runs In progress." in Page(client.get(index)).text
    ExecutionRun.objects.filter(pk=reruns[0].pk).update(status="succeeded")
    assert "1 re-run In progress." in Page(client.get(index)).text
    ExecutionRun.objects.filter(pk=reruns[1].pk).update(status="succeeded")
    assert "In progress." not in Page(client.get(index)).text


@pytest.mark.django_db(transaction=True)
def test_failures_are_said_to_be_rerun_and_the_list_leaves_out_those_with_success(owner, sign_in):
    [flow] = published_workflows(owner, "Orders")
    ended_runs(flow, 3, status="failed", message="HTTP 500 from POST erp/orders.", code="http_500")
    client, index = sign_in(owner), reverse("admin:index")
    assert "3 of 3 " in Page(client.get(index)).text
    first, second, third = ExecutionRun.objects.order_by("pk")
    for run, status in ((first, "succeeded"), (second, "failed")):
        again = ExecutionRun.objects.create(
            workflow=flow, version=flow.published, trace_id="1" * 32, status=status, cause="retry", retried_from=run
        )
        ExecutionRun.objects.filter(pk=run.pk).update(rerun_at=again.created_at)
    assert "3 of 3, 2 re-run, 1 with success" in Page(client.get(index)).text
    listed = client.get(RUN_LIST, {"since": "24h", "show": "attention"})
    assert first.pk not in runs_shown(listed) and {second.pk, third.pk} <= set(runs_shown(listed))


@pytest.mark.django_db(transaction=True)
def test_groups_beyond_the_first_are_one_link_away(owner, sign_in):
    [flow] = published_workflows(owner, "Orders")
    for status in range(500, 506):
        ended_runs(flow, status="failed", message=f"Fault of kind {chr(status - 435)}", code=f"http_{status}")
    client = sign_in(owner)
    page = Page(client.get(reverse("admin:index")))
    [link] = [a["href"] for a in page.all(class_="da-link") if "attention=all" in a.get("href", "")]
    assert page.text.count("Fault of kind") < 6
    assert Page(client.get(reverse("admin:index") + link)).text.count("Fault of kind") == 6
