"""The panel of a wait: one choice of what it waits for, and where the URL that answers it is found."""

from __future__ import annotations

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun, Step
from automate_core.webhooks.callback_urls import callback_url
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - {key: send, action: data.set, inputs: {url: ''}}
  - {kind: wait, key: wait, name: Wait for ERP, callback: true, timeout: 2h}
  - {kind: wait, key: page, name: More about it, form: [{name: a}], timeout: 1d}
  - {kind: approval, key: ask, name: Boss, assignees: [owner], timeout: 1h, form: [{name: a}]}
  - {kind: wait, key: pause, duration: 5m}
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(FLOW, publish=False))


def _settings(key):
    return Step.objects.get(key=key).settings


def _fields(page):
    return {found["data-field"] for _, found in page.tags if "data-field" in found}


@pytest.mark.parametrize(
    ("kind", "fields", "stored"),
    [
        ("duration", {"duration"}, {}),
        ("date", {"until"}, {"until": ""}),
        ("callback", {"timeout", "on_timeout", "scheme"}, {"callback": True, "timeout": "1d"}),
        ("form", {"form", "timeout", "on_timeout", "title"}, {"timeout": "7d"}),
    ],
)
def test_a_choice_shows_its_fields_alone(builder, kind, fields, stored):
    others = {"duration", "until", "scheme", "form", "timeout", "on_timeout", "title"} - fields
    builder.save("pause", wait_for="date" if kind == "duration" else "duration")
    answer = Page(builder.save("pause", wait_for=kind))
    assert answer.status == 200 and _fields(answer) >= {"wait_for", *fields}
    assert not _fields(answer) & others
    assert not _fields(builder.panel("pause")) & others
    found = _settings("pause")
    assert {name: found[name] for name in stored} == stored and not set(found) & others
    assert ("form" in found) is (kind == "form")


def test_only_what_is_missing_is_required(builder):
    assert builder.panel("wait").text.count("required") == 1, "how long it waits at most"
    builder.save("pause", duration="")
    assert (
        builder.panel("pause").text.count("required") == 1 and "Enter how long to wait" in builder.panel("pause").text
    )
    builder.save("pause", wait_for="date")
    assert "Choose a date and time" in builder.panel("pause").text
    builder.save("pause", until="2027-01-01T10:00")
    builder.save("pause", until="")
    assert _settings("pause")["until"] == "", "an emptied date is no other choice"
    assert builder.save("pause", wait_for="luck").status_code == 422


def test_a_callback_says_where_its_url_goes(builder):
    page = builder.panel("wait")
    assert "Send this URL in an earlier step" in page.text and "If nothing arrives" in page.text
    assert page.all(data_copy="{{ callbacks.wait }}")
    assert "It is for programs" in page.text and "for them, wait for a form page" in page.text
    assert not builder.panel("page").ids.get("callback-note"), "its page is shown by itself"
    builder.save("page", shown_to="link")
    page = builder.panel("page")
    assert page.all(data_copy="{{ callbacks.page }}")
    assert "People open it" in page.text and "for programs" not in page.text
    assert not builder.panel("pause").ids.get("callback-note")


@pytest.mark.parametrize("words", ["", "callback", "URL", "webhook", "answer", "wait for erp", "callbacks.wait"])
def test_the_data_picker_finds_the_url_of_a_callback(builder, words):
    url = reverse("studio:builder_data", args=[builder.workflow.pk, "send"])
    page = Page(builder.client.get(url, {"q": words} if words else {}))
    assert "Callback URLs" in page.text and page.all(data_insert="{{ callbacks.wait }}")
    assert "URL that answers Wait for ERP" in page.text
    assert not page.all(data_insert="{{ callbacks.ask }}"), "nothing but people answer an approval"


RUNS = """
name: Waits
slug: waits
triggers: [{endpoint: github}]
steps:
  - kind: parallel
    key: both
    arms:
      - {key: one, steps: [{kind: wait, key: answer, callback: true, timeout: 3h}]}
      - {key: two, steps: [{kind: wait, key: pause, duration: 1h}]}
"""


def test_a_waiting_step_tells_its_wait_and_its_url_to_those_who_may_answer(
    workflow, deliver, drain, sign_in, owner, colleague, stranger
):
    made = workflow(RUNS)
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    url = callback_url(run.pk, "both/answer")
    panel, page = (
        reverse("studio:run_step", args=[run.pk, "both/answer"]),
        reverse("admin:automate_core_executionrun_change", args=[run.pk], query={"step": "both/answer"}),
    )
    client = sign_in(owner)
    for address in (panel, page):
        found = Page(client.get(address))
        assert found.all(data_copy=url) and "Copy callback URL" in found.text
        assert "Waiting for a callback, due " in found.text and "Skip step continues without waiting." in found.text
        assert "Waits for A callback" in found.text and "No input" not in found.text
    timer = Page(client.get(reverse("studio:run_step", args=[run.pk, "both/pause"])))
    assert "Waiting until " in timer.text and "Waits for A time" in timer.text and "No input" not in timer.text
    for permission in ("view_workflow", "run_workflow"):  # whoever may not view payloads may not read the answer's URL
        assign_perm(permission, colleague, made)
        found = Page(sign_in(colleague).get(panel))
        assert "Waiting for a callback, due " in found.text and url not in found.text
    assert url not in sign_in(colleague).get(page).content.decode()
    assert sign_in(stranger).get(panel).status_code == 404
    client.post(url, "{}", content_type="application/json")
    assert Page(client.get(panel)).all(data_copy=url) == [], "it was used"


def test_a_problem_that_an_edit_of_another_step_solves_leaves_its_card(builder):
    assert "da-mark" in _card(builder.client.get(builder.url()), "wait")
    solved = builder.save("send", **{"inputs.url": "{{ callbacks.wait }}", "-marked": ["wait", "page"]})
    assert solved.status_code == 200 and "da-mark" not in _card(solved, "wait")
    back = builder.save("send", **{"inputs.url": "x"})
    assert "da-mark" in _card(back, "wait"), "a problem that comes back is drawn, whatever was drawn before"


def _card(answer, key):
    return answer.content.decode().partition(f'id="card-{key}"')[2].partition("</a>")[0]
