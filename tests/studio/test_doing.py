"""What people do from the screens: buttons for those who may, and pages that say what came of them."""

from __future__ import annotations

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun, FailureGroup, Wait
from automate_governance.models import AuditEntry
from automate_operations.statistics import rollup
from tests.support.api_operations import MANUAL
from tests.support.pages import Page
from tests.support.workflows import FAILING

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failed(workflow, deliver, drain):
    workflow(FAILING)
    deliver()
    drain()
    return ExecutionRun.objects.get()


def _page(run):
    return reverse("admin:automate_core_executionrun_change", args=[run.pk])


def _actions(page):
    return {attributes["action"] for tag, attributes in page.tags if tag == "form" and "action" in attributes}


@pytest.mark.extended
def test_buttons_are_there_for_those_who_may(failed, sign_in, owner, colleague):
    doors = {reverse(f"studio:run_{verb}", args=[failed.pk]) for verb in ("rerun", "sample", "test")}

    def there(person):
        page = Page(sign_in(person).get(_page(failed)))
        return doors & (_actions(page) | {attributes.get("hx-get") for _, attributes in page.tags})

    assert there(owner) == doors
    assign_perm("view_workflow", colleague, failed.workflow)
    assert there(colleague) == set()


def test_a_rerun_leads_to_the_new_run(failed, sign_in, owner, drain):
    client = sign_in(owner)
    answer = client.post(reverse("studio:run_rerun", args=[failed.pk]), {"start": "failed", "version": "original"})
    again = ExecutionRun.objects.get(retried_from=failed)
    assert (answer.status_code, answer["Location"]) == (303, _page(again))
    assert f"Re-run of run {str(failed.pk)[-8:]}" in Page(client.get(answer["Location"])).text
    drain()
    again.refresh_from_db()
    assert again.error["message"] == "Not today"


@pytest.mark.extended
def test_all_dialogs_of_reruns_preselect_the_version_that_changed_the_failed_step(
    failed, workflow, sign_in, owner, deliver, drain
):
    rollup.count_ended_runs()
    client, group = sign_in(owner), FailureGroup.objects.get()
    runs = [failed]

    def dialogs():
        yield client.get(reverse("studio:run_rerun", args=[failed.pk]))
        yield client.get(reverse("studio:failures_rerun", args=[group.pk]))
        yield client.post(reverse("studio:runs_bulk"), {"do": "retry", "id": [run.pk for run in runs]})

    def preselected(reason):
        pages = [Page(answer) for answer in dialogs()]
        [chosen] = {tuple(each["value"] for each in page.all(name="version") if "checked" in each) for page in pages}
        assert [reason in page.text for page in pages] == [True] * 3
        return chosen

    assert preselected("") == ("original",), "there is no other"
    workflow(FAILING.replace("action: data.set}", "action: data.set, name: Begin}"))
    assert preselected("Refuse is the same in v2, so v1 is selected.") == ("original",)
    workflow(FAILING.replace("Not today", "Not now"))
    assert preselected("Refuse was changed in v3, so v3 is selected.") == ("newest",)
    workflow(
        FAILING.replace("kind: stop, key: refuse, outcome: failed, message: Not today", "key: other, action: data.set")
    )
    assert preselected("v4 cannot start from Refuse, so v1 is selected.") == ("original",)
    workflow(FAILING)
    deliver()
    drain()
    runs += ExecutionRun.objects.exclude(pk=failed.pk)
    workflow(FAILING.replace("Not today", "Not now"))
    assert preselected("so v6 is selected.") == ("newest",), "the step was changed for both"


CHANGED_EARLIER = """
name: Changed earlier
slug: changed-earlier
triggers: [{endpoint: github}]
steps:
  - {key: read, name: Read, action: data.set, inputs: {n: 1}}
  - {key: call, name: Call, kind: workflow, workflow: callee}
  - {kind: stop, key: refuse, name: Refuse, outcome: failed, message: Not today}
"""
CALLEE = """
name: Callee
slug: callee
steps: [{key: keep, action: data.set, inputs: {n: 1}}]
"""


def test_a_rerun_starts_at_the_changed_step_before_the_failed_one(workflow, sign_in, owner, deliver, drain):
    workflow(CALLEE)
    made = workflow(CHANGED_EARLIER)
    deliver()
    drain()
    run = ExecutionRun.objects.get(workflow=made)
    client, url = sign_in(owner), reverse("studio:run_rerun", args=[run.pk])

    def dialog(**query):
        page = Page(client.get(url, query))
        checked = [each["value"] for name in ("start", "version") for each in page.all(name=name) if "checked" in each]
        return page.text, checked, [tag["value"] for at, tag in page.tags if at == "option" and "selected" in tag]

    workflow(CHANGED_EARLIER.replace("name: Read,", "name: Read the list,"))
    assert dialog()[1:] == (["failed", "original"], []), "a name changes no output"
    workflow(CHANGED_EARLIER.replace("n: 1", "n: 2"))
    text, *chosen = dialog()
    assert chosen == [["step", "newest"], ["read"]], chosen
    assert "Read ran before Refuse and was changed in v3, so v3 and a start from there are selected." in text
    assert "A start from the changed step repeats the effects of Call." in text
    text, *chosen = dialog(start="failed", version="newest")
    assert chosen == [["failed", "newest"], []]
    assert "Changed in v3: Read. A start from a later step reuses their old outputs." in text
    client.post(url, {"start": "step", "step": "read", "version": "newest"})
    drain()
    assert ExecutionRun.objects.get(retried_from=run).steps.get(path="read").output == {"n": 2}
    bulk = Page(client.post(reverse("studio:runs_bulk"), {"do": "retry", "id": [run.pk]})).text
    assert "v3 changed Read before Refuse. A start from the failed step reuses old outputs" in bulk


@pytest.mark.extended
def test_a_changed_step_in_a_loop_starts_the_loop_and_a_moved_one_the_beginning(
    workflow, sign_in, owner, deliver, drain
):
    loop = """
  - kind: for_each
    key: each
    name: Each
    items: '{{ [1, 2] }}'
    steps: [{key: read, name: Read, action: data.set, inputs: {n: 1}}]
"""
    top = "  - {key: read, name: Read, action: data.set, inputs: {n: 1}}\n"
    made = workflow(
        CHANGED_EARLIER.replace(top, loop[1:]).replace(
            "  - {key: call, name: Call, kind: workflow, workflow: callee}\n", ""
        )
    )
    deliver()
    drain()
    run = ExecutionRun.objects.get(workflow=made)
    url = reverse("studio:run_rerun", args=[run.pk])
    rest = CHANGED_EARLIER.replace("  - {key: call, name: Call, kind: workflow, workflow: callee}\n", "").replace(
        "n: 1", "n: 2"
    )
    workflow(rest.replace(top.replace("n: 1", "n: 2"), loop[1:].replace("n: 1", "n: 2")))
    page = Page(sign_in(owner).get(url))
    assert [tag["value"] for at, tag in page.tags if at == "option" and "selected" in tag] == ["each"]
    workflow(rest)
    page = Page(sign_in(owner).get(url))
    assert [each["value"] for each in page.all(name="start") if "checked" in each] == ["start"]
    assert "a start from the beginning are selected" in page.text


def test_what_cannot_be_done_is_said_on_the_page(failed, sign_in, owner):
    client = sign_in(owner)
    answer = client.post(reverse("studio:run_cancel", args=[failed.pk]))
    assert answer["Location"] == _page(failed)
    page = Page(client.get(answer["Location"]))
    assert "has already ended (failed)" in page.text and page.all(role="alert")


@pytest.mark.extended
def test_a_waiting_run_is_cancelled_for_a_reason(waiting, sign_in, owner):
    client, cancel = sign_in(owner), reverse("studio:run_cancel", args=[waiting.run_id])
    asks = Page(client.get(_page(waiting.run)))
    assert "cancel" in asks.ids and asks.all(commandfor="cancel"), "a dialog asks first"
    assert "cancel-reason" in asks.ids and "required" not in asks.ids["cancel-reason"]
    answer = client.post(cancel, {"reason": "Wrong customer"})
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["message"]) == ("cancelled", "Cancelled by owner: Wrong customer")
    assert AuditEntry.objects.get(verb="run.cancelled").changes == {"reason": "Wrong customer"}
    page = Page(client.get(answer["Location"]))
    notes = [tag for _, tag in page.tags if "da-note" in tag.get("class", "").split()]
    assert [note["data-st"] for note in notes] == ["cancelled"], "one status, and not that of a failure"
    assert "Cancelled by owner: Wrong customer" in page.text and "cancel" not in page.ids


def test_an_open_page_is_told_why_its_run_ended(failed, sign_in, owner, colleague):
    assign_perm("automate_core.view_workflow", colleague, failed.workflow)
    url = reverse("studio:run_approvals", args=[failed.pk])
    told = Page(sign_in(owner).get(url))
    assert told.ids["run-error"]["hx-swap-oob"] == "true" and "Not today" in told.text
    hidden = Page(sign_in(colleague).get(url))
    assert "run-error" in hidden.ids and "Not today" not in hidden.text


def test_a_run_is_cancelled_without_a_reason(waiting, sign_in, owner):
    sign_in(owner).post(reverse("studio:run_cancel", args=[waiting.run_id]))
    assert ExecutionRun.objects.get().error["message"] == "Cancelled by owner."


@pytest.mark.extended
def test_only_the_approving_outcome_needs_the_form(waiting, sign_in, owner, drain):
    client, url = sign_in(owner), reverse("studio:approval_page", args=[waiting.pk])
    path = reverse("studio:run_decide", args=[waiting.run_id, "ask"])
    for screen in (Page(client.get(url)), Page(client.get(_page(waiting.run)))):
        unchecked = {each["value"]: "formnovalidate" in each for each in screen.all(name="outcome")}
        assert unchecked == {"approved": False, "rejected": True}
    for address in (url, path):
        assert client.post(address, {"outcome": "approved"}).status_code == 422
        wrong = {"outcome": "rejected", "form-amount": "much"}
        assert client.post(address, wrong).status_code == 422, "what is filled in has to fit all the same"
    assert client.post(url, {"outcome": "rejected"}).status_code == 303
    drain()
    waiting.refresh_from_db()
    assert waiting.outcome["outcome"] == "rejected" and waiting.outcome["form"]["note"] is None


@pytest.mark.extended
def test_a_workflow_is_paused_and_goes_on(failed, sign_in, owner, deliver, drain):
    client, page = sign_in(owner), reverse("admin:automate_core_workflow_change", args=[failed.workflow_id])
    pause, resume = (reverse(f"studio:workflow_{verb}", args=[failed.workflow_id]) for verb in ("pause", "resume"))
    assert pause in _actions(Page(client.get(page)))
    assert client.post(pause)["Location"] == page
    assert resume in _actions(Page(client.get(page))) and "waited during the pause" not in Page(client.get(page)).text
    deliver()
    drain()
    waiting = ExecutionRun.objects.get(status="waiting")
    assert "1 run waited during the pause" in Page(client.get(page)).text
    client.post(resume, {"backlog": "run"})
    drain()
    waiting.refresh_from_db()
    assert waiting.status == "failed"


def test_the_reason_of_a_pause_is_shown_while_it_lasts(workflow, sign_in, owner, api):
    made, client, remote = workflow(MANUAL), sign_in(owner), api(owner)
    page = reverse("admin:automate_core_workflow_change", args=[made.pk])
    shown = [page, reverse("admin:automate_core_workflow_changelist")]

    def tell():
        texts = [Page(client.get(url)).text for url in shown]
        return [
            *("ERP is migrated" in text for text in texts),
            remote.get(f"workflows/{made.slug}").json()["pause_reason"],
        ]

    client.post(reverse("studio:workflow_pause", args=[made.pk]), {"reason": "ERP is migrated"})
    assert tell() == [True, True, "ERP is migrated"]
    client.post(reverse("studio:workflow_resume", args=[made.pk]), {"backlog": "run"})
    assert tell() == [False, False, ""]
    assert remote.post(f"workflows/{made.slug}/pause", {"reason": " ERP is migrated "}).status_code == 200
    assert tell() == [True, True, "ERP is migrated"]
    assert remote.post(f"workflows/{made.slug}/resume").json()["pause_reason"] == ""
    refused = remote.post(f"workflows/{made.slug}/pause", {"reason": "x" * 101})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "reason"
    assert remote.post(f"workflows/{made.slug}/pause", b"").json()["pause_reason"] == "", "as without a reason before"


# --- approvals --------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_an_approval_is_found_shown_and_decided(waiting, sign_in, helper, drain):
    client, url = sign_in(helper), reverse("studio:approval_page", args=[waiting.pk])
    found = Page(client.get(reverse("studio:approval_list")))
    assert "Refund the order" in found.text and found.all(href=url)
    page = client.get(url)
    assert "Order 7, &lt;b&gt;please&lt;/b&gt;" in page.content.decode()
    shown = Page(page)
    assert {f"form-{name}" for name in ("note", "amount", "level", "sure", "details", "until")} <= set(shown.ids)
    assert [a["value"] for a in shown.all(name="outcome")] == ["rejected", "approved"]
    answer = client.post(url, {"outcome": "approved", "form-note": "late", "form-sure": "on"})
    assert (answer.status_code, answer["Location"]) == (303, reverse("studio:approval_list"))
    after = Page(client.get(answer["Location"])).text
    assert "Decision saved." in after and "No tasks for you" in after
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.steps.get(path="pay").output) == ("succeeded", {"note": "late"})
    assert "Decided by helper: Approve" in Page(client.get(url)).text
    assert client.post(url, {"outcome": "rejected", "form-note": "x"}).status_code == 303
    assert "Already decided by helper: Approve." in Page(client.get(reverse("studio:approval_list"))).text


@pytest.mark.extended
def test_mistakes_are_shown_at_their_fields_and_nothing_is_lost(waiting, sign_in, owner):
    client, url = sign_in(owner), reverse("studio:approval_page", args=[waiting.pk])
    answer = client.post(url, {"outcome": "approved", "form-amount": "many", "form-details": "kept"})
    page = Page(answer)
    assert answer.status_code == 422
    assert {page.ids[f"form-{name}"].get("aria-invalid") for name in ("note", "amount")} == {"true"}
    assert "Note is required." in page.text and "kept" in page.text
    page = Page(client.post(url, {"outcome": "approved", "form-note": "x", "form-amount": "12,50"}))
    assert "Amount: 12,50 is not a number. Enter 12.5." in page.text
    assert (page.ids["form-amount"]["type"], page.ids["form-amount"]["value"]) == ("text", "12,50")
    assert "Choose an outcome." in Page(client.post(url, {"form-note": "x"})).text
    assert Wait.objects.get().status == "open"


@pytest.mark.extended
def test_nobody_else_sees_an_approval(waiting, sign_in, admin, stranger):
    url = reverse("studio:approval_page", args=[waiting.pk])
    for person, seen, decided in ((admin, 200, 403), (stranger, 404, 404)):
        assert sign_in(person).get(url).status_code == seen
        assert sign_in(person).post(url, {"outcome": "approved", "form-note": "x"}).status_code == decided
        assert "No tasks for you" in Page(sign_in(person).get(reverse("studio:approval_list"))).text
    assert Wait.objects.get().status == "open"


def test_posts_need_their_token(failed, owner):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(reverse("studio:run_rerun", args=[failed.pk])).status_code == 403


BY_HAND = """
name: By hand
slug: by-hand
triggers: [{kind: manual, inputs: [{name: amount, label: Amount, kind: number, required: true}]}]
steps: [{key: keep, action: data.set, inputs: {n: '{{ event.payload.amount }}'}}]
"""


def test_a_person_starts_a_workflow(workflow, drain, sign_in, owner, colleague):
    made = workflow(BY_HAND)
    client, url = sign_in(owner), reverse("studio:workflow_start", args=[made.pk])
    workflow_page = reverse("admin:automate_core_workflow_change", args=[made.pk])
    assert url in str(Page(client.get(workflow_page)).tags)
    assert Page(client.get(url)).ids["form-amount"]["inputmode"] == "decimal"
    refused = client.post(url, {"form-amount": "many"})
    assert refused.status_code == 422 and "Amount " in Page(refused).text and 'value="many"' in refused.content.decode()
    assert not ExecutionRun.objects.exists()
    begun = client.post(url, {"form-amount": "7"}).headers["Location"]
    assert begun.startswith(f"{workflow_page}?started=")
    waits = Page(client.get(begun))
    assert "Waiting for a worker" in waits.text
    asks = waits.ids["started"]["hx-get"]
    drain()
    run = ExecutionRun.objects.get()
    answer = client.get(asks)
    done = Page(answer)
    assert done.ids["latest-runs"]["hx-swap-oob"] == "true"
    assert "Succeeded" in answer.content.decode().partition('id="latest-runs"')[2], "the list says what the line says"
    assert f"run {str(run.pk)[-8:]}. Status: Succeeded." in done.text and "hx-get" not in done.ids["started"]
    assert done.all(href=reverse("admin:automate_core_executionrun_change", args=[run.pk]))
    assert client.get(workflow_page, {"started": "x"}).status_code == 200
    assert sign_in(colleague).get(asks).status_code == 404
    manual = made.active_triggers.get(kind="manual")
    manual.filter = {"==": [{"var": "event.payload.amount"}, 1]}
    manual.save(update_fields=["filter"])
    begun = client.post(url, {"form-amount": "8"}).headers["Location"]
    drain()
    assert "No run started" in Page(client.get(begun)).text
    assert (run.status, run.event.source, run.steps.get().output) == ("succeeded", "manual:by-hand", {"n": 7})


OF_EVENTS = """
name: Of events
slug: of-events
triggers: [{endpoint: github}]
steps: [{key: take, action: data.set, inputs: {n: '{{ event.payload.number }}'}}]
"""


def test_a_workflow_of_a_webhook_is_run_by_hand_with_a_payload(workflow, deliver, drain, sign_in, owner, colleague):
    made = workflow(OF_EVENTS)
    client, url = sign_in(owner), reverse("studio:workflow_start", args=[made.pk])
    assert "payload" in Page(client.get(url)).ids
    for text, why in (("{", "Line 1"), ("[1]", "The payload must be a JSON object")):
        refused = client.post(url, {"payload": text})
        assert refused.status_code == 422 and why in Page(refused).text and not ExecutionRun.objects.exists()
    deliver({"number": 41})
    drain()
    assert "&quot;number&quot;: 41" in client.get(url).content.decode(), "it begins with that of the newest event"
    for permission in ("view_workflow", "run_workflow"):
        assign_perm(permission, colleague, made)
    assert "41" not in Page(sign_in(colleague).get(url)).text, "who may not see payloads begins with nothing"
    client.post(url, {"payload": '{"number": 42}'})
    drain()
    assert ExecutionRun.objects.latest("pk").steps.get().output == {"n": 42}


OF_ANSWERS = """
name: Of answers
slug: of-answers
triggers:
  - kind: form
    slug: orders
    inputs:
      - {name: supplier, label: Supplier, required: true}
      - {name: amount, label: Amount, kind: number}
      - {name: terms, label: Terms, kind: consent}
steps: [{key: take, action: data.set, inputs: {n: '{{ event.payload.amount }} EUR'}}]
"""


def test_a_workflow_of_a_form_is_run_by_hand_with_its_fields(workflow, drain, sign_in, owner):
    made = workflow(OF_ANSWERS)
    client, url = sign_in(owner), reverse("studio:workflow_start", args=[made.pk])
    assert {"form-supplier", "form-amount", "form-terms"} <= Page(client.get(url)).ids.keys()
    refused = client.post(url, {"form-amount": "6000.00"})
    assert refused.status_code == 422 and not ExecutionRun.objects.exists()
    client.post(url, {"form-supplier": "Acme", "form-amount": "6000.00"})
    drain()
    run = ExecutionRun.objects.get()
    assert run.event.payload == {"supplier": "Acme", "amount": 6000, "terms": False}
    assert run.steps.get().output == {"n": "6000 EUR"}, "a whole number is written without .0"
    assert "Acme" not in client.get(url).content.decode(), "an answer is not sent a second time"


@pytest.mark.extended
def test_a_form_with_boxes_is_run_by_hand_without_the_last_answer(workflow, drain, sign_in, owner):
    made = workflow(OF_ANSWERS.replace("kind: consent", "kind: choices, choices: [a, b]"))
    client, url = sign_in(owner), reverse("studio:workflow_start", args=[made.pk])
    client.post(url, {"payload": '{"supplier": "Acme", "amount": 1}'})
    drain()
    page = client.get(url).content.decode()
    assert "&quot;supplier&quot;: null" in page and "Acme" not in page


def test_a_draft_is_not_started(workflow, sign_in, owner):
    made = workflow(BY_HAND, publish=False)
    client, url = sign_in(owner), reverse("studio:workflow_start", args=[made.pk])
    assert "You can only run a published workflow" in Page(client.get(url)).text
    assert "Publish it first" in Page(client.post(url, {"form-amount": "7"}, follow=True)).text


def test_a_waiting_step_leads_to_its_approval(waiting, sign_in, owner, colleague):
    page = reverse("admin:automate_core_executionrun_change", args=[waiting.run_id])
    decide = reverse("studio:run_decide", args=[waiting.run_id, "ask"])
    assign_perm("view_workflow", colleague, waiting.run.workflow)
    shown = Page(sign_in(owner).get(page))
    assert shown.all(data_inspected="ask") and shown.all(hx_post=decide), "the page opens at what waits"
    seen = Page(sign_in(colleague).get(page))
    assert not seen.all(hx_post=decide) and "Waiting for helper, owner" in seen.text


def test_the_workflow_page_says_when_it_starts_next(workflow, sign_in, owner):
    made = workflow(
        "{name: S, slug: s, timezone: Europe/Warsaw, triggers: [{kind: schedule, cron: '30 8 * * 1-5'},"
        " {kind: event, key: paid, event: order.paid}], steps: [{key: a, action: data.set}]}"
    )
    page = Page(sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[made.pk])))
    assert page.text.count(", 08:30") == 3 and "Europe/Warsaw" in page.text and "order.paid" in page.text
