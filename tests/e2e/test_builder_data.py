"""Data in the builder's fields, in a browser: picked, shown as tokens and previewed; a hostile sample stays text."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from automate_core.models import Step
from tests.support.axe import violations
from tests.support.keyboard import arrow_to
from tests.support.processes import wait_for
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = {
    "title": "Telemetry stream drops after 15 min",
    "number": 2381,
    "user": {"login": "tkowalczyk", "type": "User"},
    "labels": [{"name": "urgent"}, {"name": "late"}],
    "html_url": "https://github.com/halden/fleet-api/issues/2381",
    "<img src=x onerror=alert(1)>": "</textarea><script>alert(2)</script>",
}


@pytest.fixture
def opened(workflow, deliver, drain, signed_in, site):
    """The owner's page at the builder, after one run."""
    made = workflow(TRIAGE)
    deliver(ISSUE)
    drain()
    signed_in.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=route/tell")
    signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return signed_in


def saved(key, name):
    return Step.objects.get(key=key).inputs.get(name)


@pytest.mark.extended
def test_data_is_picked_shown_as_tokens_and_previewed(opened, faults, shot):
    page = opened
    message = page.get_by_role("textbox", name="Message")
    expect(message.locator(".da-token")).to_have_text("Look: title")
    expect(page.locator("#preview-field-inputs-message mark")).to_have_text(ISSUE["title"])

    # a brace opens the picker, what follows searches, the keyboard alone inserts
    message.click()
    page.keyboard.press("End")
    page.keyboard.type(" by {login")
    expect(page.get_by_role("treeitem", name="user.login, tkowalczyk, text")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("treeitem", name="user.login, tkowalczyk, text")).to_be_focused()
    shot(page, "builder-data-picker")
    page.keyboard.press("Enter")
    expect(message).to_be_focused()
    page.keyboard.type("!")
    both = "{{ steps.look.output.title }} by {{ event.payload.user.login }}!"
    wait_for(lambda: saved("tell", "message") == both)
    expect(page.locator("#preview-field-inputs-message .da-preview-text")).to_have_text(
        f"{ISSUE['title']} by tkowalczyk!"
    )

    # a token goes as one, and comes back
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")
    expect(message.locator(".da-token")).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(message.locator(".da-token")).to_have_count(2)

    # the format of the token before the caret
    page.keyboard.press("Alt+ArrowDown")
    page.get_by_role("menuitemradio", name="Upper case").click()
    wait_for(lambda: saved("tell", "message") == both.replace("login }}", "login | upper }}"))
    expect(page.locator("#preview-field-inputs-message")).to_contain_text("by TKOWALCZYK!")

    # copied as text, pasted as tokens
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    page.keyboard.press("End")
    page.keyboard.press("Control+v")
    expect(message.locator(".da-token")).to_have_count(4)
    page.keyboard.press("Control+z")

    # the text behind it, with an error in it
    page.get_by_role("button", name="Show source").click()
    formula = page.locator("textarea[name='inputs.message']")
    expect(formula).to_have_value(both.replace("login }}", "login | upper }}"))
    formula.fill("{{ steps.look.output.titel }}")
    expect(page.locator("#preview-field-inputs-message .error")).to_contain_text("Did you mean 'title'?")
    page.get_by_role("button", name="Show source").click()

    # an undo of the draft draws the panel anew: tokens stay tokens
    page.locator("#undo").click()
    expect(message.locator(".da-token")).to_have_text(["Look: title"])
    expect(page.locator("#preview-field-inputs-message mark")).to_have_text(ISSUE["title"])

    # the tree by keyboard; Escape gives the caret back
    page.get_by_role("button", name="Insert data").first.click()
    expect(page.get_by_role("searchbox", name="Search names")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    arrow_to(page, page.get_by_role("treeitem", name="labels, 2 items, a list"))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("treeitem", name="All name values, joined, urgent, late")).to_be_visible()
    shot(page, "builder-data-tree")
    page.keyboard.press("Escape")
    expect(page.locator("#picker")).to_be_hidden()
    expect(message).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#card-route-tell")).to_be_focused()

    # the picker stays open, and what is written meanwhile moves the place of what is inserted
    message.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("Paid ")
    page.get_by_role("button", name="Insert data").first.click()
    title = page.locator("#picker").get_by_role("treeitem", name="title, Telemetry")
    title.first.click()
    expect(message).to_be_focused()
    page.keyboard.type(" in EUR ")
    title.first.click()
    page.keyboard.type(".")
    wait_for(lambda: re.fullmatch(r"Paid \{\{ \S+ \}\} in EUR \{\{ \S+ \}\}\.", saved("tell", "message")))
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    title.first.click()
    wait_for(lambda: re.fullmatch(r"\{\{ \S+ \}\}", saved("tell", "message")))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")

    # a list: the step is repeated for each of its items
    page.get_by_role("button", name="Insert data").first.click()
    page.get_by_role("searchbox", name="Search names").fill("labels")
    labels = page.get_by_role("treeitem", name="labels, 2 items, a list")
    expect(page.get_by_role("treeitem", name="title, Telemetry")).to_have_count(0)
    labels.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("treeitem", name="Repeat this step for each item").click()
    expect(page.locator("#card-route-for_each-tell")).to_be_visible()
    assert Step.objects.get(key="for_each").settings["items"] == "{{ event.payload.labels }}"
    assert "{{ item }}" in saved("tell", "message")
    assert faults(page) == []


@pytest.mark.extended
def test_a_hostile_example_is_chosen_and_never_executes(opened, faults, shot):
    page = opened
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.get_by_role("button", name="Insert data").first.click()
    page.get_by_role("button", name="Change", exact=True).click()
    example = page.get_by_role("textbox", name="Custom payload (JSON)")
    example.fill("{")
    page.get_by_role("button", name="Use this payload").click()
    expect(page.get_by_role("alert").filter(has_text="Invalid JSON")).to_be_visible()
    hostile = {
        "title": "<script>window.hacked = 1</script>",
        "<img src=x onerror='window.hacked = 2'>": '"><img src=x onerror="window.hacked = 3">',
        "list": [{"{{ 7 * 7 }}": "javascript:window.hacked = 4"}],
    }
    example.fill(json.dumps(hostile))
    page.get_by_role("button", name="Use this payload").click()
    expect(page.get_by_role("treeitem", name="title, <script>")).to_be_visible()
    shot(page, "builder-data-hostile")
    assert violations(page) == [], "axe finds nothing in the picker and the tokens"
    page.get_by_role("treeitem", name="<img src=x onerror=").click()
    page.get_by_role("treeitem", name="title, <script>").click()
    message = page.get_by_role("textbox", name="Message")
    expect(message.locator(".da-token")).to_have_count(3)
    expect(page.locator("#preview-field-inputs-message")).to_contain_text("<script>window.hacked = 1</script>")
    wait_for(lambda: "onerror" in saved("tell", "message") and "payload.title" in saved("tell", "message"))
    page.reload()
    expect(message.locator(".da-token")).to_have_count(3)
    assert page.evaluate("window.hacked") is None
    assert [fault for fault in faults(page) if "422" not in fault] == []


CSV = """
name: Orders
slug: orders
steps:
  - {key: read, action: data.parse_csv, inputs: {text: "a,b\\n1,2"}}
  - {key: large, action: data.filter, inputs: {items: [], where: [{field: a, op: "==", value: "1"}]}}
"""


def test_an_inserted_list_is_the_whole_of_a_field_of_rows(workflow, signed_in, site, faults):
    made = workflow(CSV, publish=False)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=large")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    field = page.locator("[data-field='inputs.items']")
    field.get_by_role("button", name="Add to Items").click()
    field.get_by_role("button", name="Insert data").click()
    page.get_by_role("treeitem", name="items, a list").click()
    expect(field.get_by_role("button", name="Expression")).to_have_attribute("aria-pressed", "true")
    wait_for(lambda: saved("large", "items") == "{{ steps.read.output.items }}")
    assert faults(page) == []


WITH_CALLBACK = """
name: Ask
slug: ask
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: look, name: Look, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - {key: tell, name: Tell, action: data.log, inputs: {message: 'Hi '}}
  - {kind: wait, key: answer, name: Wait for the answer of the warehouse, callback: true, timeout: 1h}
"""


@pytest.mark.parametrize("width", [1440, 1200, 390])
def test_rows_of_the_picker_are_whole_and_name_steps_as_they_are(
    workflow, deliver, drain, signed_in, site, width, shot
):
    made, page = workflow(WITH_CALLBACK), signed_in
    deliver({**ISSUE, "a_long_name_of_a_field_of_the_payload": "a long value of the same field"})
    drain()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=tell")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.get_by_role("button", name="Insert data").first.click()
    picker = page.locator("#picker")
    expect(picker.get_by_role("treeitem", name="1. Look")).to_be_visible()
    page.get_by_role("searchbox", name="Search names").fill("answers")
    callback = picker.get_by_role("treeitem", name="URL that answers")
    callback.hover()
    shot(page, f"builder-data-callback-{width}")
    assert callback.locator(".key").evaluate(
        "key => [...key.children].every(each => each.scrollWidth <= each.clientWidth || !each.clientWidth)"
    )
    page.get_by_role("searchbox", name="Search names").fill("a_long_name")
    expect(callback).to_have_count(0)
    for row in (*picker.locator(".tree-row").all(),):
        row.hover()
        inside = "row => row.querySelector('.insert-hint').getBoundingClientRect().right <= row.getBoundingClientRect().right"
        assert row.evaluate(inside) and row.evaluate("row => row.scrollWidth <= row.clientWidth")
    page.get_by_role("searchbox", name="Search names").fill("")
    head = picker.get_by_role("treeitem", name="1. Look")
    expect(head).to_be_visible()
    Step.objects.filter(key="look").update(name="Seen")
    page.evaluate("document.querySelector('#card-look .name').textContent = 'Seen'")
    expect(picker.get_by_role("treeitem", name="1. Seen")).to_be_visible()
