"""Buttons of the review: each works on the draft that it was shown for, and again after another edit."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from automate_authoring import workflows
from automate_core.models import ExecutionRun, Workflow
from automate_core.runs.waits import approvals
from automate_core.triggers.manual import start_workflow
from automate_governance import sharing
from tests.support.editors import Editor
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = """
name: Order
slug: order
triggers: [{kind: manual, key: manual, inputs: [{name: supplier}]}%s]
steps:
  - kind: branch
    key: large
    name: Large
    arms:
      - key: yes
        when: true
        steps:
          - kind: approval
            key: ask
            name: Ask
            timeout: 1d
            assignees: [owner, colleague]
            message: ok
            on_timeout: []
  - {key: send, name: Send order, action: data.set, inputs: {to: '{{ event.payload.supplier }}'}}
"""
WEBHOOK = ", {kind: webhook, key: hook, endpoint: github, filter: null}"
REJECT = "After “Reject”, the run continues with “Send order”"
LATE = "After “No response in time”, the run continues with “Send order”"


def review_of(client, made):
    return Page(client.get(reverse("studio:review", args=[made.pk])))


def fixes_of(page):
    """(step, field, name) of each button."""
    found, place = [], {}
    for tag, given in page.tags:
        if tag == "input" and given.get("name") in {"step", "field"}:
            place[given["name"]] = given["value"]
        elif tag == "button" and given.get("name") == "name":
            found.append((place["step"], place["field"], given["value"]))
    return found


def press(client, made, fix):
    step, field, name = fix
    url = reverse("studio:review_fix", args=[made.pk])
    return client.post(url, {"step": step, "field": field, "name": name}, follow=True)


@pytest.fixture
def order(workflow):
    """A draft whose rows are of different revisions, as after any work on it."""

    def make(by, more=""):
        made = workflow(ORDER % more, publish=False)
        editor = Editor(made, by)
        editor.do("edit", key="send", set={"notes": "x"})
        editor.do("rename", key="large", name="Large orders")
        return made

    return make


def test_every_button_works_and_works_again(order, sign_in, owner, endpoint):
    made = order(owner, WEBHOOK)
    client = sign_in(owner)
    shown = fixes_of(review_of(client, made))
    assert {name for _, _, name in shown} == {"stop", "continue", "exclude", "default"}
    # all of them from the page as it was shown first, then all of them once more
    for fix in [*shown, *shown]:
        answer = Page(press(client, made, fix))
        assert "changed in the meantime" not in answer.text and "changed this first" not in answer.text, fix
    assert fixes_of(review_of(client, made)) == []


BARE = """
name: Bare
slug: bare
triggers:
  - kind: manual
    inputs: [{name: supplier, label: 'Supplier {x}'}, {name: betrag, kind: number}, {name: note}, {name: password}]
steps: [{kind: approval, key: ask, name: Ask, timeout: 1d, assignees: [colleague]}]
"""


def test_an_approval_that_shows_nothing_is_said_and_shows_the_answers_at_a_press(
    workflow, sign_in, owner, colleague, drain
):
    made, client = workflow(BARE, publish=False), sign_in(owner)
    shown = review_of(client, made)
    assert "Approvers see no data of the run." in shown.text and "No problems" not in shown.text
    press(client, made, ("ask", "message", "message"))
    assert "Approvers see no data of the run." not in review_of(client, made).text
    workflows.publish(Workflow.objects.get(pk=made.pk), author=owner)
    start_workflow(Workflow.objects.get(pk=made.pk), {"supplier": "Müller", "betrag": "6000"}, by=owner)
    drain()
    task = approvals.open_approvals_for(colleague).get()
    assert task.data["message"].split("\n") == ["Supplier (x): Müller", "betrag: 6000", "note: "], "no password"
    assert "betrag: 6000" in Page(sign_in(colleague).get(reverse("studio:approval_page", args=[task.pk]))).text


@pytest.mark.parametrize(
    "more",
    [
        "message: Please",
        "context: {Amount: '{{ event.payload.betrag }}'}",
        "form: [{name: amount, default: '{{ event.payload.betrag }}'}]",
        "disabled: true",
    ],
)
def test_an_approval_that_shows_something_is_no_problem(workflow, sign_in, owner, more):
    made = workflow(BARE.replace("timeout: 1d", f"timeout: 1d, {more}"), publish=False)
    page = review_of(sign_in(owner), made)
    assert "Approvers see no data" not in page.text and ("ask", "message", "message") not in fixes_of(page)


def test_a_button_pressed_twice_changes_once(order, sign_in, owner):
    made, client = order(owner), sign_in(owner)
    press(client, made, ("ask", "outcomes[1].steps", "stop"))
    said = Page(press(client, made, ("ask", "outcomes[1].steps", "stop"))).text
    assert Editor(made, owner).keys("ask", "rejected") == ["stop"]
    assert "this problem no longer exists" in said


def test_the_changes_say_in_words_who_is_excluded(order, sign_in, owner):
    made, client = order(owner), sign_in(owner)
    workflows.publish(Workflow.objects.get(pk=made.pk), author=owner)
    press(client, made, ("ask", "excluded", "exclude"))
    page = review_of(client, made)
    assert "the person who starts a run" in page.text
    excluded = page.text.partition("cannot approve")[2].partition("Side by side")[0]
    assert "first(event.headers" not in excluded, excluded


def test_a_button_needs_the_permission_to_change(order, sign_in, owner, colleague, stranger):
    made = order(owner)
    sharing.grant(made, colleague, ["view"], by=owner)
    fix = ("ask", "outcomes[1].steps", "stop")
    assert fixes_of(review_of(sign_in(colleague), made)) == []
    assert press(sign_in(colleague), made, fix).status_code == 403
    assert press(sign_in(stranger), made, fix).status_code == 404
    assert Editor(made, owner).keys("ask", "rejected") == []


def test_a_revision_of_the_whole_draft_is_none_too_old(order, owner):
    made = order(owner)
    rev = Workflow.objects.get(pk=made.pk).rev
    assert Editor(made, owner).do("edit", rev=rev, key="ask", set={"message": "sure?"}).changed
    assert Editor(made, owner).do("add", rev=rev + 1, kind="stop").changed


def test_a_rejected_run_that_would_go_on_is_warned_of(order, sign_in, owner, drain):
    made, client = order(owner), sign_in(owner)
    text = review_of(client, made).text
    assert REJECT in text and LATE in text and "After “Approve”" not in text
    panel = Page(client.get(reverse("studio:builder_step", args=[made.pk, "large/ask"])))
    assert REJECT in panel.text and LATE in panel.text
    commands = [json.loads(given["data-do-now"]) for given in panel.all() if "add" in given.get("data-do-now", "")]
    stops = [{"do": "add", "kind": "stop", "parent": "ask", "slot": slot} for slot in ("rejected", "timeout")]
    assert all(each in commands for each in stops)
    press(client, made, ("ask", "outcomes[1].steps", "stop"))
    press(client, made, ("ask", "on_timeout", "continue"))
    text = review_of(client, made).text
    assert REJECT not in text and LATE not in text
    client.post(reverse("studio:review", args=[made.pk]), seen(made))
    made.refresh_from_db()
    start_workflow(made, {"supplier": "a"}, by=owner)
    drain()
    run = ExecutionRun.objects.get()
    approvals.decide_approval(run.waits.get(kind="approval"), by=owner, outcome="rejected")
    drain()
    run.refresh_from_db()
    assert run.status == "succeeded" and not run.steps.filter(path="send").exists()


def seen(made):
    made.refresh_from_db()
    return {"rev": made.rev, "version": 0}


READS = "{key: send, action: data.set, inputs: {to: '%s'}}"


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        (f"- {ASK}\n  - {READS % 'x'}", True)
        for ASK in ["{kind: approval, key: ask, timeout: 1d, assignees: [owner], message: ok}"]
    ]
    + [
        ("- {kind: approval, key: ask, timeout: 1d, assignees: [owner], message: ok}", False),
        ("- {kind: approval, key: ask, timeout: 1d, assignees: [owner], message: ok}\n  - "
         + READS % "{{ steps.ask.output.outcome }}", False),
        ("- {kind: approval, key: ask, timeout: 1d, assignees: [owner], message: ok}\n  - "
         + READS % "{{ steps.ask.output.remark }}", True),
        ("- {kind: approval, key: ask, disabled: true, timeout: 1d, assignees: [owner], message: ok}\n  - "
         + READS % "x", False),
        ("- {kind: approval, key: ask, continues_after: [rejected], timeout: 1d, assignees: [owner], message: ok}\n  - "
         + READS % "x", False),
    ],
)  # fmt: skip
def test_it_is_warned_of_where_the_decision_changes_nothing(workflow, owner, steps, warned):
    made = workflow(f"name: A\nslug: a\ntriggers: [{{kind: manual, key: manual}}]\nsteps:\n  {steps}\n", publish=False)
    found = [each for each in Editor(made, owner).state.problems if "the run continues with" in str(each.reason)]
    assert bool(found) is warned


def test_a_new_approval_of_the_builder_ends_the_run_unless_it_is_approved(order, owner):
    editor = Editor(order(owner), owner)
    editor.do("add", kind="approval", preset="stops", index=0)
    stops = {
        slot: [editor.draft.steps[key] for key in editor.keys("approval", slot)] for slot in ("rejected", "timeout")
    }
    assert {slot: [(each.kind, each.settings.get("outcome")) for each in found] for slot, found in stops.items()} == {
        "rejected": [("stop", None)], "timeout": [("stop", "failed")],
    }  # fmt: skip
    assert not [each for each in editor.state.problems if each.step == "approval" and "continues with" in each.reason]
    editor.undo()
    assert "approval" not in editor.draft.steps


CALLBACK = """
name: Waits
slug: waits
triggers: [{kind: manual, key: manual}]
steps:
%s
"""
SEND = "  - {key: send, action: data.set, inputs: {url: '{{ callbacks.%s }}'}}\n"
WAIT = "  - {kind: wait, key: answer, callback: true, timeout: 1h}\n"


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        (WAIT, True),
        (SEND % "answer" + WAIT, False),
        (WAIT.replace("answer", "answer_2") + WAIT, True),
        (WAIT + SEND % "answer", True),
        (SEND.replace("{key", "{disabled: true, key") % "answer" + WAIT, True),
        ("  - {kind: wait, key: answer, duration: 1h}\n", False),
        ("  - kind: parallel\n    key: both\n    arms:\n"
         "      - {key: one, steps: [{kind: wait, key: answer, callback: true, timeout: 1h}]}\n"
         "      - {key: two, steps: [{key: s, action: data.set, inputs: {u: '{{ callbacks.answer }}'}}]}\n", False),
    ],
)  # fmt: skip
def test_a_callback_that_nobody_can_send_is_warned_of(workflow, owner, steps, warned):
    made = workflow(CALLBACK % steps, publish=False)
    found = [each for each in Editor(made, owner).state.problems if "sends the URL" in str(each.reason)]
    assert bool(found) is warned and all(each.step.startswith("answer") for each in found)
