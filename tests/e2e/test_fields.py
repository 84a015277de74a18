"""The fields of a step's panel in a browser: rows, the switch to an expression, choosers, and what saves itself."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from automate_core.models import Step
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = """
name: Fields
slug: fields
triggers: []
steps:
  - {key: values, name: Values, action: data.set, inputs: {title: Hello, count: 3, tags: [a, b], more: {x: 1}}}
  - {key: ask, name: Ask, action: http.request, inputs: {url: "https://api.example.com/x", headers: {X-A: "1"}}}
  - {kind: approval, key: approve, name: Approve, assignees: [owner], timeout: 2d, form: [{name: reason, label: Reason}]}
"""


@pytest.fixture
def opened(workflow, signed_in, site):
    made = workflow(FIELDS, publish=False)
    signed_in.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=values")
    signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return signed_in


def inputs(key):
    return Step.objects.get(key=key).inputs


def saved(page: Page):
    expect(page.locator("#saved")).to_have_text("Saved")


@pytest.mark.extended
def test_rows_expressions_and_values_of_ones_own(opened, faults, shot):
    page = opened
    shot(page, "fields-values")
    page.get_by_role("button", name="Add to tags").click()
    page.keyboard.type("c")
    page.keyboard.press("Enter")
    page.keyboard.type("d")
    page.get_by_role("button", name="Move up").last.click()
    wait_for(lambda: inputs("values")["tags"] == ["a", "b", "d", "c"])
    page.get_by_role("textbox", name="Name of the new value").fill("owner")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="owner")).to_be_focused()
    page.keyboard.type("{{ event.payload.owner }}")
    wait_for(lambda: inputs("values")["owner"] == "{{ event.payload.owner }}")
    page.get_by_role("button", name="Rename owner").click()
    page.keyboard.type("who")
    page.keyboard.press("Enter")
    wait_for(lambda: list(inputs("values"))[-1] == "who")
    page.get_by_role("button", name="Remove title").click()
    wait_for(lambda: "title" not in inputs("values"))
    page.locator("#card-ask").click()
    expect(page.locator("#inspector-name")).to_have_text("Ask")
    page.get_by_text("More options").click()
    shot(page, "fields-http")
    page.get_by_role("group", name="Method: value or expression").get_by_role("button", name="Expression").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("{{ event.payload.method }}")
    wait_for(lambda: inputs("ask").get("method") == "{{ event.payload.method }}")
    page.get_by_label("Body", exact=True).select_option(label="JSON")  # any method may have a body
    body = page.get_by_role("textbox", name="JSON body")
    body.focus()
    shadows = body.evaluate(
        "(it) => [it, it.closest('.da-input')].map((each) => getComputedStyle(each).boxShadow !== 'none')"
    )
    assert shadows == [False, True], "the field wears the one ring of the focus"
    body.fill('{"a": 1,\n "b" 2}')
    why = page.locator("#field-inputs-json-why")
    expect(why).to_contain_text("line 2: add a colon between the key and its value")
    expect(page.get_by_role("textbox", name="JSON body")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#saved")).to_have_text("Not saved: Ask")
    page.locator("#card-approve").click()
    expect(page.locator("#inspector-name")).to_have_text("Approve")
    page.get_by_role("link", name="Not saved: Ask").click()
    expect(page.locator("#inspector-name")).to_have_text("Ask")
    expect(page.locator("[name='inputs.json']")).to_have_value('{"a": 1,\n "b" 2}')
    expect(why).to_contain_text("line 2")
    page.get_by_role("button", name="Test step").click()
    expect(page.get_by_role("alert").filter(has_text="Not tested")).to_be_visible()
    page.get_by_role("textbox", name="JSON body").fill('{"a": 1}')
    wait_for(lambda: inputs("ask").get("json") == {"a": 1})
    expect(why).not_to_contain_text("line")
    page.get_by_role("tab", name="On error").click()
    shot(page, "fields-errors")
    page.get_by_label("Action", exact=True).select_option("steps")
    wait_for(lambda: Step.objects.get(key="ask").policy.get("on_error") == {"steps": []})
    expect(page.locator("button[data-insert='parent=ask&slot=on_error&index=0']")).to_be_visible()
    page.locator("#card-approve").click()
    expect(page.locator("#inspector-name")).to_have_text("Approve")
    shot(page, "fields-approval")
    page.get_by_role("button", name="Add to Groups").click()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="Builders")).to_be_visible()
    shot(page, "fields-options")
    page.keyboard.type("build")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for(lambda: Step.objects.get(key="approve").settings.get("groups") == ["Builders"])
    page.locator("#card-ask").click()
    expect(page.locator("#inspector-name")).to_have_text("Ask")
    page.get_by_role("tab", name="Setup").click()
    page.get_by_role("button", name="New", exact=True).click()
    dialog = page.get_by_role("dialog", name="New connection")
    expect(dialog.get_by_label("Name required", exact=True)).to_be_focused()
    expect(dialog).to_be_in_viewport(ratio=1)
    dialog.get_by_role("button", name="Create and use").click()
    expect(dialog.get_by_role("alert").first).to_be_visible()
    saved(page)
    dialog.get_by_label("Name required", exact=True).fill("The API")
    dialog.get_by_label("Base URL").fill("https://api.example.com")
    shot(page, "fields-connection")
    dialog.get_by_role("button", name="Create and use").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("Connection", exact=True)).to_have_value("the-api")
    wait_for(lambda: Step.objects.get(key="ask").connection == "the-api")
    page.locator("#inspector").get_by_role("button", name="Test", exact=True).click()
    expect(page.locator("#connection-said")).to_contain_text("Could not connect")
    assert [fault for fault in faults(page) if "422" not in fault] == []


def test_typing_before_the_options_are_there(opened):
    page = opened
    people = Group.objects.get(name="Builders").user_set.all()
    Group.objects.create(name="Beta testers").user_set.set(people)
    page.locator("#card-approve").click()
    expect(page.locator("#inspector-name")).to_have_text("Approve")
    asked = []
    page.route("**/builder/options/**", lambda route: asked.append(route))
    page.get_by_role("button", name="Add to Groups").click()
    field = page.locator("input[data-options]:focus")
    field.press("ArrowDown")
    field.press_sequentially("be")
    wait_for(lambda: page.wait_for_timeout(20) or asked)
    field.press("ArrowDown")
    field.press("Enter")
    expect(page.locator("#options").get_by_role("status")).to_have_text("Loading")
    asked[0].continue_()
    page.unroute("**/builder/options/**")
    expect(field).to_have_value("Beta testers")
    wait_for(lambda: Step.objects.get(key="approve").settings.get("groups") == ["Beta testers"])
    page.get_by_role("button", name="Add to Groups").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.type("bu")
    expect(page.locator("#options").get_by_role("option")).to_have_text(["Builders"])
