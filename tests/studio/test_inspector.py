"""The panel of a step, the values in it, and what is done from a run's page."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun, StepRun, Wait
from automate_governance.models import AuditEntry
from automate_llm.models import LLMUsage
from automate_studio.models import ChosenSample
from automate_ui.json.tree import json_rows
from tests.support.pages import HOSTILE, Page
from tests.support.walks import settle
from tests.support.workflows import FAILING

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}
BIG = 9_007_199_254_740_993
CALLING = """
name: Calling
slug: calling
triggers: [{{endpoint: github}}]
steps:
  - {{key: call, name: Call it, action: http.request, inputs: {{url: '{url}/x', json: '{{{{ event.payload }}}}', method: POST}}, retry: {{attempts: 3, base: 900}}}}
  - {{key: keep, action: data.set, inputs: {{body: '{{{{ steps.call.output.body }}}}'}}}}
"""


def _page(run, **query):
    return reverse("admin:automate_core_executionrun_change", args=[run.pk], query=query)


def _value(run, path, **query):
    return reverse("studio:run_value", args=[run.pk, path], query=query)


def _texts(page):
    """The rows of a tree, each in one line."""
    return [" ".join(line.split()) for line in page.text.splitlines() if line.strip()]


@pytest.mark.extended
def test_what_a_step_gave_is_looked_through(workflow, deliver, drain, sink, sign_in, owner):
    answer = {
        "id": BIG,
        "rows": [{"n": n, "name": f"cus_{n}"} for n in range(120)],
        "e-mail": {"": None, HOSTILE: HOSTILE},
        "long": "ä" * 5_000 + "needle",
    }
    sink.answer = lambda number, path: (200, answer, {"X-Request-Id": "req_1"})
    workflow(CALLING.format(url=sink.url))
    deliver({"title": HOSTILE})
    drain()
    run, client = ExecutionRun.objects.get(), sign_in(owner)

    shown = client.get(_page(run, step="call"))
    page = Page(shown)
    tree = page.ids["jt-output"]
    assert (
        tree["role"] == "tree" and tree["data-root"] == "steps.call.output" and page.ids["jt-input"]["data-root"] == ""
    )
    assert str(BIG) in page.text and "20 more" not in page.text
    assert "req_1" in page.text and page.ids["tab-headers"]["role"] == "tabpanel", "the answer's headers have a tab"
    assert len(shown.content) < 250_000
    tabs = {tab["data-tab"]: tab["aria-selected"] for tab in page.all(role="tab")}
    assert tabs == {"input": "false", "output": "true", "headers": "false", "tries": "true", "log": "false"}
    linked = Page(client.get(_page(run, step="call", tab="headers,log")))
    assert {tab["data-tab"] for tab in linked.all(role="tab", aria_selected="true")} == {"headers", "log"}

    asked = {"part": "output", "attempt": 1}
    level = Page(client.get(_value(run, "call", at='["body","rows"]', **asked)))
    assert [a["data-part"] for a in level.all(role="treeitem", aria_level="3") if "data-part" in a] == [
        str(n) for n in range(50)
    ] and level.all(data_start="50")
    rest = Page(client.get(_value(run, "call", at='["body","rows"]', start=100, **asked)))
    assert len(rest.all(role="treeitem", aria_level="3")) == 20 and not rest.all(data_start="120")
    found = Page(client.get(_value(run, "call", q="CUS_11", **asked)))
    assert [a["data-expression"] for a in found.all(role="treeitem")] == [".body.rows[11].name"] + [
        f".body.rows[{n}].name" for n in range(110, 120)
    ]
    name = Page(client.get(_value(run, "call", q="e-mail", **asked))).all(role="treeitem")[0]
    assert (name["data-expression"], json.loads(name["data-at"])) == ('.body["e-mail"]', ["body", "e-mail"])
    assert "No name or value contains “nowhere”" in Page(client.get(_value(run, "call", q="nowhere", **asked))).text
    assert "needle" in client.get(_value(run, "call", q="needle", **asked)).content.decode()

    for place, copied in (
        ('["body","id"]', str(BIG)),
        ('["body","long"]', answer["long"]),
        ('["body","rows",3]', json.dumps({"n": 3, "name": "cus_3"}, indent=2)),
    ):
        got = client.get(_value(run, "call", at=place, copy=1, **asked))
        assert (got["Content-Type"], got.content.decode()) == ("text/plain; charset=utf-8", copied)
    assert "needle" in Page(client.get(_value(run, "call", at='["body","long"]', whole=1, **asked))).text
    event = Page(client.get(reverse("studio:run_step", args=[run.pk, "~trigger"])))
    assert event.ids["jt-payload"]["data-root"] == "event.payload" and "x-github-event" in event.text

    hostile = [
        shown,
        *(client.get(_value(run, "call", q=q, **asked)) for q in ("script", "<img", "\u202e", "{{ 7*7 }}")),
    ]
    hostile.append(client.get(_value(run, "call", at='["body","e-mail"]', **asked)))
    for each in hostile:
        content = each.content.decode()
        assert each.status_code == 200 and "<script>window" not in content and "<img" not in content
        assert "\u202e" not in content
    assert "{{ 7*7 }}" in hostile[-1].content.decode()
    nonsense = ("[", '"x"', "[1.5]", "[true]", '["nope"]', '["body","rows",999]', "[" * 3_000, '["\\u0000"]')
    assert {client.get(_value(run, "call", at=at, **asked)).status_code for at in nonsense} == {404}
    for query in ({}, {"part": "worker"}, {"part": "payload", "attempt": 1}, {"part": "output", "attempt": "²"}):
        assert client.get(_value(run, "call", **query)).status_code == 404
    assert client.get(_value(run, "call", start="9" * 30, **asked)).status_code == 200
    assert AuditEntry.objects.filter(verb="run.payload_downloaded").count() == 0


def test_each_row_of_a_tree_closes_what_it_opens():
    wide = {f"k{number}": {"x": [1, {"y": "z"}]} for number in range(120)}
    html = render_to_string("automate_studio/ui/json/rows.html", {"rows": json_rows({"wide": wide})})
    assert " data-load" in html and html.count("<div") == html.count("</div>")


@pytest.mark.extended
def test_an_error_says_what_to_do_and_the_step_is_tried_now_or_skipped(
    workflow, deliver, drain, sink, sign_in, owner, colleague
):
    sink.answer = lambda number, path: (503, {"error": "busy"}, {"X-Request-Id": "req_9"})
    workflow(CALLING.format(url=sink.url))
    deliver({"title": "x"})
    drain()
    run, client = ExecutionRun.objects.get(), sign_in(owner)
    LLMUsage.objects.create(
        run=run.pk, workflow="calling", path="call", attempt=1, at=timezone.now(), day=timezone.localdate(),
        provider="openai", model="gpt-9", status="answered", tokens_in=1200, tokens_out=34, cost="0.0004",
    )  # fmt: skip
    panel = Page(client.get(reverse("studio:run_step", args=[run.pk, "call"])))
    for said in (
        "HTTP 503 from POST",
        "retried automatically",
        "req_9",
        "Exponential, from 15 m",
        "$0.0004",
        "gpt-9",
    ):
        assert said in panel.text, said
    assert panel.ids["jt-details"]["data-root"] == "error.details" and "skip" in panel.ids
    assert "$0.0004" in Page(client.get(_page(run))).text, "the header says what the run's models took"

    assign_perm("view_workflow", colleague, run.workflow)
    seen = Page(sign_in(colleague).get(reverse("studio:run_step", args=[run.pk, "call"])))
    assert "skip" not in seen.ids and "HTTP 503" not in seen.text and "req_9" not in seen.text and "gpt-9" in seen.text

    skip = reverse("studio:run_skip", args=[run.pk, "call"])
    refused = client.post(skip, {"output": "{'a'", "reason": "by hand"}, headers=HTMX)
    page = Page(refused)
    assert (
        refused.status_code == 422
        and "The output is not valid JSON: line 1" in page.text
        and page.ids["skip-reason"]["value"] == "by hand"
    )
    assert "data-opens" in page.ids["skip"] and page.ids["skip-output"]["aria-invalid"] == "true"
    now = client.post(reverse("studio:run_step_retry", args=[run.pk, "call"]), headers=HTMX)
    assert "Retry queued." in Page(now).text
    again = client.post(reverse("studio:run_step_retry", args=[run.pk, "call"]), headers=HTMX)
    assert again.status_code == 409 and "Already resolved by owner" in Page(again).text
    settle(drain)
    assert len(sink.calls) == 2
    assert client.post(skip, {"output": '{"body": 7}', "reason": "by hand"})["Location"] == _page(run, step="call")
    settle(drain)
    run.refresh_from_db()
    assert (run.status, run.steps.get(path="keep").output) == ("succeeded", {"body": 7})
    panel = Page(client.get(reverse("studio:run_step", args=[run.pk, "call"])))
    assert "Skipped the step" in panel.text and "by hand" in panel.text and "Retried now" in panel.text
    assert "by hand" not in Page(sign_in(colleague).get(reverse("studio:run_step", args=[run.pk, "call"]))).text
    assert client.post(reverse("studio:run_skip", args=[run.pk, "no/where"])).status_code == 404


def test_an_attempt_in_doubt_is_judged_on_the_page(workflow, sign_in, owner, drain):
    made = workflow("{name: A, slug: a, steps: [{key: pay, action: data.set}]}")
    run = ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)
    StepRun.objects.create(run=run, path="pay", status="waiting", idempotency_key="k-1", started_at=timezone.now())
    Wait.objects.create(run=run, path="pay", kind="review", data={"error": {"message": "no answer in 3 s."}})
    client, review = sign_in(owner), reverse("studio:run_review", args=[run.pk, "pay"])
    page = Page(client.get(_page(run)))
    assert {"review", "skip"} <= page.ids.keys() and "No answer in 3 s. Idempotency key: k-1" in page.text
    listed = Page(client.get(reverse("admin:automate_core_executionrun_changelist"), {"reason": "review"})).text
    assert "waiting for a review · no answer in 3 s. · Idempotency key: k-1" in listed
    assert client.post(review, {"outcome": "maybe"}, headers=HTMX).status_code == 422
    assert client.post(review, {"outcome": "succeeded", "output": "{"}, headers=HTMX).status_code == 422
    assert (
        "Outcome saved."
        in Page(client.post(review, {"outcome": "succeeded", "output": '{"id": 7}'}, headers=HTMX)).text
    )
    settle(drain)
    assert run.steps.get().output == {"id": 7}
    assert "Confirmed as succeeded" in Page(client.get(_page(run))).text


@pytest.mark.parametrize(("status", "shown"), [("succeeded", True), ("skipped", True), ("failed", False)])
def test_an_output_that_is_null_is_shown(workflow, sign_in, owner, status, shown):
    made = workflow("{name: A, slug: a, steps: [{key: pay, action: data.set}]}")
    run = ExecutionRun.objects.create(workflow=made, version=made.published, status="failed", trace_id="1" * 32)
    StepRun.objects.create(run=run, path="pay", status=status, idempotency_key="k", started_at=timezone.now())
    page = Page(sign_in(owner).get(reverse("studio:run_step", args=[run.pk, "pay"])))
    assert ("jt-output" in page.ids, "null" in page.text.split()) == (shown, shown)


def test_an_approval_is_decided_on_the_page(waiting, sign_in, owner, colleague, drain):
    run, client = waiting.run, sign_in(owner)
    page = Page(client.get(_page(run)))
    assert "Refund the order is waiting for you" in page.text and "form-note" in page.ids
    decide = reverse("studio:run_decide", args=[run.pk, "ask"])
    refused = client.post(decide, {"outcome": "approved", "form-amount": "many", "form-details": "kept"}, headers=HTMX)
    page = Page(refused)
    assert refused.status_code == 422 and "Note is required." in page.text and "kept" in page.text
    assert client.post(decide, {"outcome": "maybe", "form-note": "x"}, headers=HTMX).status_code == 422
    assign_perm("view_workflow", colleague, run.workflow)
    assert "waiting for you" not in Page(sign_in(colleague).get(reverse("studio:run_approvals", args=[run.pk]))).text
    said = client.post(decide, {"outcome": "approved", "form-note": "late"}, headers=HTMX)
    assert "Decision saved." in Page(said).text
    assert "waiting for you" not in Page(client.get(reverse("studio:run_approvals", args=[run.pk]))).text
    settle(drain)
    assert run.steps.get(path="pay").output == {"note": "late"}
    assert client.post(decide, {"outcome": "approved", "form-note": "x"}, headers=HTMX).status_code == 409


@pytest.mark.extended
def test_a_run_is_run_again_from_the_dialog_once(workflow, deliver, drain, sign_in, owner, colleague):
    made = workflow(FAILING.replace("action: data.set", "action: data.set, inputs: {n: '{{ event.payload.n }}'}"))
    deliver({"n": BIG, "__proto__": "</textarea><script>x</script>"})
    drain()
    run, client = ExecutionRun.objects.get(), sign_in(owner)
    retry = reverse("studio:run_rerun", args=[run.pk])
    asked = client.get(retry, {"step": "first"}, headers=HTMX)
    dialog = Page(asked)
    assert "<html" not in asked.content.decode() and "<script>x" not in asked.content.decode()
    assert "Failed step: Refuse" in " ".join(dialog.text.split()) and "v1, same as before" in dialog.text
    assert str(BIG) in dialog.text and "selected" in next(a for a in dialog.all(value="first"))
    request = next(a["value"] for a in dialog.all(name="request"))
    assert Page(client.get(retry)).ids["rerun-content"], "without scripts it is a page"

    edit = {"request": request, "start": "step", "step": "first", "input": "edited"}
    for payload, said in (
        ("{'n': 1}", "The payload is not valid JSON: line 1"),
        ('{"n": "\\u0000"}', "NUL"),
        ("[" * 200_001, "The limit is 200,000"),
    ):
        refused = client.post(retry, {**edit, "payload": payload}, headers=HTMX)
        page = Page(refused)
        assert refused.status_code == 422 and said in page.text and page.ids["rerun-payload"]["aria-invalid"] == "true"
        assert payload[:100] in page.text, "nothing is lost"
        assert next(a["value"] for a in page.all(name="request")) == request
    nowhere = client.post(retry, {**edit, "step": "nowhere", "payload": "{}"}, headers=HTMX)
    assert nowhere.status_code == 422 and "A re-run can start from: first, refuse." in Page(nowhere).text
    assert not run.retries.exists()

    answers = [client.post(retry, {**edit, "payload": f'{{"n": {BIG + 2}}}'}, headers=HTMX) for _ in range(2)]
    again = run.retries.get()
    assert {(a.status_code, a["HX-Redirect"]) for a in answers} == {(204, _page(again))}
    settle(drain)
    assert (again.event.payload, again.steps.get(path="first").output) == ({"n": BIG + 2}, {"n": BIG + 2})
    assert f"Re-run of {str(run.pk)[-8:]}" in " ".join(Page(client.get(_page(again))).text.split())
    assert f"Re-run as {str(again.pk)[-8:]}" in " ".join(Page(client.get(_page(run))).text.split())
    assign_perm("view_workflow", colleague, made)
    assert sign_in(colleague).get(retry).status_code == 403
    assign_perm("run_workflow", colleague, made)
    withheld = Page(sign_in(colleague).get(retry, headers=HTMX))
    assert "rerun-payload" not in withheld.ids and str(BIG) not in withheld.text
    blind = sign_in(colleague).post(retry, {"start": "start", "request": uuid.uuid4()}, headers=HTMX)
    assert blind.status_code == 204 and run.retries.count() == 2


LOOPED = """
name: Each
slug: each
triggers: [{endpoint: github}]
steps:
  - kind: for_each
    key: each
    items: '{{ event.payload.tags }}'
    steps: [{key: keep, name: Keep the tag, action: data.set, inputs: {tag: '{{ item }}'}}]
"""


def test_the_dialog_of_a_rerun_names_the_items_of_a_loop(workflow, deliver, drain, sign_in, owner):
    workflow(LOOPED)
    deliver({"tags": ["a", "b"]})
    drain()
    dialog = sign_in(owner).get(reverse("studio:run_rerun", args=[ExecutionRun.objects.get().pk]), headers=HTMX)
    offered = re.findall(r"<option[^>]*>(.*?)</option>", dialog.content.decode(), re.DOTALL)
    names = [" ".join(words.split()) for words in offered]
    assert "Keep the tag, item 2" in names and "[" not in "".join(names)
    assert "Changed input" in Page(dialog).text


def test_lineage_names_no_run_that_one_may_not_know(workflow, sign_in, owner, colleague, drain, deliver):
    called = workflow("{name: Called, slug: called, steps: [{key: a, action: data.set}]}")
    calling = workflow(
        "{name: Calls, slug: calls, triggers: [{endpoint: github}],"
        " steps: [{kind: workflow, key: go, workflow: called, payload: {}}]}"
    )
    deliver()
    settle(drain)
    run, child = (ExecutionRun.objects.get(workflow=each) for each in (calling, called))
    links = (_page(run), _page(child))
    assert Page(sign_in(owner).get(links[0])).all(href=links[1]) and Page(sign_in(owner).get(links[1])).all(
        href=links[0]
    )
    assign_perm("view_workflow", colleague, calling)
    seen = Page(sign_in(colleague).get(links[0]))
    assert not seen.all(href=links[1]) and str(child.pk)[-8:] not in seen.text


def test_builder_opened_from_a_failed_run_shows_its_event(workflow, deliver, drain, sign_in, owner, colleague):
    made = workflow(FAILING)
    deliver({"n": 1})
    drain()
    run, client = ExecutionRun.objects.get(), sign_in(owner)
    deliver({"n": 2})
    drain()
    sample, builder = reverse("studio:run_sample", args=[run.pk]), reverse("studio:builder", args=[made.pk])
    page = Page(client.get(_page(run)))
    assert [each["action"] for each in page.all(class_="da-when-failed")] == [sample]
    assert {"value": "refuse", "name": "step", "type": "hidden"} in page.all(name="step")
    answer = client.post(sample, {"step": "refuse"})
    assert (answer.status_code, answer["Location"]) == (303, f"{builder}?step=refuse")
    assert ChosenSample.objects.get(person=owner).run == run.pk, "and not the newest"
    assert client.post(sample, {"step": "gone"})["Location"] == builder
    assign_perm("view_workflow", colleague, made)
    assign_perm("change_workflow", colleague, made)
    seen = Page(sign_in(colleague).get(_page(run)))
    assert seen.all(href=builder) and not seen.all(action=sample), "without what it carries"


@pytest.mark.extended
def test_a_run_becomes_the_sample_and_the_test_of_the_draft(workflow, deliver, drain, sign_in, owner, colleague):
    made = workflow(FAILING)
    deliver({"n": BIG})
    drain()
    run, client = ExecutionRun.objects.get(), sign_in(owner)
    builder = reverse("studio:builder", args=[made.pk])
    for verb, there in (("sample", builder), ("test", f"{builder}?step=~test")):
        ChosenSample.objects.all().delete()
        answer = client.post(reverse(f"studio:run_{verb}", args=[run.pk]))
        assert (answer.status_code, answer["Location"]) == (303, there)
        assert ChosenSample.objects.get(person=owner).run == run.pk
        assert str(run)[-8:] in Page(client.get(there)).text
    test = reverse("studio:builder_test", args=[made.pk])
    assert client.post(test, {"mode": "dry", "scope": "whole"}).status_code == 202
    assert ExecutionRun.objects.get(cause="test").event_id == run.event_id, "the test runs on the run's own event"
    client.post(
        reverse("studio:run_rerun", args=[run.pk]), {"start": "start", "input": "edited", "payload": '{"n": 1}'}
    )
    client.post(reverse("studio:run_test", args=[run.retries.get().pk]))
    assert ChosenSample.objects.get(person=owner).edited == {"n": 1}, (
        "no trigger takes an edited input: it is an example"
    )
    assign_perm("view_workflow", colleague, made)
    assign_perm("change_workflow", colleague, made)
    assert sign_in(colleague).post(reverse("studio:run_sample", args=[run.pk])).status_code == 403


def test_an_error_that_the_workflow_handled_is_said_to_be(workflow, deliver, drain, sign_in, owner):
    for then, is_said in (("on_error: {value: 1}", True), ("notes: none", False)):
        slug = f"handled-{is_said}".lower()
        made = workflow(
            f"name: {slug}\nslug: {slug}\ntriggers: [{{endpoint: github}}]\n"
            f"steps: [{{key: bad, action: data.parse_json, {then}, inputs: {{text: '{{{{ event.payload.title }}}}'}}}}]\n"
        )
        deliver({"title": "no json"})
        drain()
        run = ExecutionRun.objects.filter(workflow=made).latest("pk")
        shown = Page(sign_in(owner).get(reverse("studio:run_step", args=[run.pk, "bad"]))).text
        assert ("The workflow handled this error and went on." in shown) is is_said, (run.status, shown)
