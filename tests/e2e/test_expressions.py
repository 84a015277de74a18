"""What a first workflow needs of its fields, in a browser: tokens, a second place for a value, sums, functions, output fields."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from automate_connectors.models import Connection
from automate_core.models import Step
from tests.support.axe import violations
from tests.support.processes import wait_for
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = {
    "title": "bug",
    "number": 2381,
    "user": {"login": "tkowalczyk"},
    "customer_organisation": {"billing_addresses": [{"delivery_instructions": {"postcode": "10115"}}]},
}


@pytest.fixture
def opened(workflow, deliver, drain, signed_in, site, owner):
    made = workflow(TRIAGE)
    deliver(ISSUE)
    drain()
    Connection.objects.create(name="Models", slug="models", connector="llm", owner=owner)
    signed_in.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=route/tell")
    signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return signed_in


def add(page, what):
    page.keyboard.press("a")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type(what)
    page.keyboard.press("Enter")


def saved(key, name):
    return Step.objects.get(key=key).inputs.get(name)


@pytest.mark.extended
def test_a_second_place_a_sum_and_functions(opened, faults, shot):
    page = opened
    message = page.get_by_role("textbox", name="Message")
    message.click()
    page.keyboard.press("End")
    page.keyboard.press("Alt+ArrowDown")
    shot(page, "expressions-menu")
    page.get_by_role("menuitem", name="If missing: use another value").click()
    expect(page.locator("#picker h2")).to_have_text("If missing, use")
    page.get_by_role("searchbox", name="Search names").fill("postcode")
    row = page.get_by_role("treeitem", name="customer_organisation.billing_addresses[0].delivery_instructions.postcode")
    expect(row.locator(".key > .tail")).to_have_text(".postcode")
    sizes = row.locator(".key > .clipped").evaluate("each => [each.scrollWidth, each.clientWidth]")
    assert sizes[0] > sizes[1] > 40, "the middle is cut, the start stays"
    end, tree = row.locator(".key > .tail").bounding_box(), page.locator("#picker").bounding_box()
    assert end["x"] + end["width"] <= tree["x"] + tree["width"], "the end stays readable"
    shot(page, "expressions-paths")
    page.get_by_role("searchbox", name="Search names").fill("login")
    expect(page.get_by_role("treeitem", name="user.login, tkowalczyk, text")).to_be_visible()
    page.keyboard.press("Enter")
    both = "{{ first(steps.look.output.title, event.payload.user.login) }}"
    wait_for(lambda: saved("tell", "message") == both)
    expect(message.locator(".da-token")).to_have_text("Look: title, or user.login")
    expect(page.locator("#problem-count")).to_have_text("No problems")

    # a function is applied to the token at the caret
    page.keyboard.press("End")
    page.get_by_role("button", name="Functions").first.click()
    functions = page.get_by_role("dialog", name="Functions")
    expect(functions.locator(".da-offer").first).to_be_visible()
    page.keyboard.type("upper")
    expect(functions.locator(".da-offer:visible").first).to_have_attribute("data-name", "upper")
    page.keyboard.press("ArrowDown")  # to it, while the focus stays where typing goes on
    expect(functions.get_by_role("option", selected=True)).to_have_attribute("data-name", "upper")
    expect(functions.get_by_role("combobox")).to_be_focused()
    shot(page, "expressions-functions")
    assert violations(page) == [], "axe finds nothing in the functions"
    page.keyboard.press("Enter")
    wait_for(lambda: saved("tell", "message") == both.replace(") }}", ") | upper }}"))
    expect(page.locator("#preview-field-inputs-message mark")).to_have_text("BUG")

    # a sum outside the braces is told, and becomes one expression
    page.get_by_role("button", name="Show source").click()
    page.locator("textarea[name='inputs.message']").fill("{{ event.payload.number }} * 2")
    expect(page.locator("#preview-field-inputs-message")).to_contain_text("The result is text")
    expect(page.locator("#field-inputs-message-why")).to_contain_text("This text is not calculated")
    shot(page, "expressions-sum")
    page.get_by_role("button", name="Use as number").click()
    wait_for(lambda: saved("tell", "message") == "{{ (event.payload.number | to_number) * 2 }}")
    expect(page.locator("#preview-field-inputs-message mark")).to_have_text("4762")
    expect(page.get_by_role("button", name="Use as number")).to_have_count(0)
    assert faults(page) == []


@pytest.mark.extended
def test_a_new_step_asks_first_and_has_a_table_of_output_fields(opened, faults, shot):
    page = opened
    page.locator("#card-look").focus()
    add(page, "extract data")
    expect(page.locator("#inspector-name")).to_have_text("Extract data")
    page.get_by_label("Connection", exact=True).select_option("models")  # nobody's own: it is not chosen by itself
    expect(page.locator("#problem-count")).to_have_text("3 to fill in")
    inspector = page.locator("#inspector")
    expect(inspector.locator(".da-help.error, [role=alert]")).to_have_count(0)
    shot(page, "required-asked")

    # left empty it is complained about, and the others are not
    page.get_by_role("combobox", name="Model").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(inspector.get_by_role("alert")).to_contain_text("Model is required.")
    expect(page.get_by_role("combobox", name="Model")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("combobox", name="Model").fill("m")
    page.locator("[name='inputs.text']").fill("{{ event.payload }}")
    expect(inspector.get_by_role("alert")).to_have_count(0)

    # the table
    page.get_by_role("button", name="Add to Output fields").click()
    page.keyboard.type("category")
    row = page.locator(".da-schema-row").first
    expect(row.get_by_role("textbox", name="Choices")).to_be_hidden()
    row.get_by_label("Type").select_option(label="Choice")
    row.get_by_role("textbox", name="Choices").fill("bug, question")
    page.get_by_role("button", name="Add to Output fields").click()
    row = page.locator(".da-schema-row").last
    row.get_by_role("textbox", name="Name").fill("confidence")
    row.get_by_label("Type").select_option(label="Number")
    row.get_by_label("Required").select_option(label="Optional")
    row.get_by_role("textbox", name="Description").fill("0 to 1")
    category = {"type": "string", "enum": ["bug", "question"]}
    confidence = {"type": "number", "description": "0 to 1"}
    schema = {
        "type": "object",
        "properties": {"category": category, "confidence": confidence},
        "required": ["category"],
    }
    wait_for(lambda: saved("extract", "schema") == schema)
    expect(page.locator("#problem-count")).not_to_contain_text("fill in")
    shot(page, "schema-table")
    assert violations(page) == [], "axe finds nothing in the table"

    # as JSON, with what the table does not show, and back
    page.get_by_role("button", name="Edit as JSON").click()
    editor = page.get_by_role("textbox", name="Output fields")
    expect(editor).to_be_visible()
    nested = {**schema, "properties": {**schema["properties"], "lines": {"type": "array", "items": {"type": "object"}}}}
    nested["properties"]["confidence"] = confidence | {"maximum": 1}
    page.locator("textarea[name='inputs.schema']").evaluate(
        "(field, text) => { field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })); }",
        json.dumps(nested),
    )
    wait_for(lambda: saved("extract", "schema") == nested)
    page.get_by_role("button", name="Edit as table").click()
    names = page.locator(".da-schema-row [data-cell=name] input")
    expect(names).to_have_count(3)
    names.first.fill("kind")
    nested["properties"]["kind"] = nested["properties"].pop("category")
    nested["required"] = ["kind"]
    wait_for(lambda: saved("extract", "schema") == nested)
    shot(page, "schema-nested")

    # whoever comes from the list of problems is told at once
    page.locator("#card-look").focus()
    add(page, "write to log")
    expect(page.locator("#problem-count")).to_have_text("1 to fill in")
    expect(inspector.locator(".da-help.error")).to_have_count(0)
    page.locator("#problems [data-problem]").last.click()
    expect(inspector.get_by_role("alert")).to_contain_text("Message is required.")

    # a complaint waits until the pointer is up, so that it does not move what is pressed
    page.locator("#card-look").focus()
    add(page, "write to log")
    expect(page.locator("#problem-count")).to_have_text("2 to fill in")
    page.get_by_role("textbox", name="Message").click()
    page.locator("#inspector-name").hover()
    page.mouse.down()
    expect(page.get_by_role("textbox", name="Message")).not_to_be_focused()
    expect(inspector.get_by_role("alert")).to_have_count(0)
    page.mouse.up()
    expect(inspector.get_by_role("alert")).to_contain_text("Message is required.")
    assert [fault for fault in faults(page) if "422" not in fault] == [], "a choice without choices is not stored"


ONE_LINE = """
name: One line
slug: one-line
triggers: []
steps:
  - key: ask
    name: Ask
    action: http.request
    inputs: {url: 'https://api.example.com/{{ run.id }}', json: {a: 1}}
"""


@pytest.mark.extended
def test_a_token_is_one_character_of_one_line(workflow, signed_in, site, faults):
    made, page, keys = workflow(ONE_LINE, publish=False), signed_in, signed_in.keyboard
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=ask")
    url = page.get_by_role("textbox", name="URL")
    token = url.locator(".da-token")
    expect(token).to_have_text("run id")
    expect(url).to_have_attribute("aria-multiline", "false")
    field = page.locator("[name='inputs.url']")

    # the label leads to it, Enter adds no line, and Tab leaves it
    page.locator("label[for='field-inputs-url']").click()
    keys.press("End")
    keys.press("Enter")
    keys.type("/a")
    expect(field).to_have_value("https://api.example.com/{{ run.id }}/a")
    keys.press("Tab")
    expect(url).not_to_be_focused()
    keys.press("Shift+Tab")
    expect(url).to_be_focused()

    # selected by one key, it is copied as text, opens its menu, and goes
    for key in ("End", "ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "Control+c", "Enter"):
        keys.press(key)
    assert page.evaluate("navigator.clipboard.readText()") == "{{ run.id }}"
    page.get_by_role("menuitemradio", name="Upper case").press("Escape")
    expect(url).to_be_focused()
    keys.press("Delete")
    expect(field).to_have_value("https://api.example.com//a")
    keys.press("Control+z")
    expect(token).to_have_count(1)
    keys.press("Control+y")
    expect(token).to_have_count(0)

    # lines that are pasted come to one
    page.evaluate("navigator.clipboard.writeText('{{ run.id }}\\n  {{ steps.gone.output }}')")
    keys.press("Control+v")
    expect(token).to_have_text(["run id", "gone"])
    expect(field).to_have_value("https://api.example.com/{{ run.id }} {{ steps.gone.output }}/a")
    expect(token.last).to_have_class("da-token lost")
    expect(url).to_have_attribute("aria-invalid", "true")

    # in code as well, the key that tests a step writes nothing
    body = page.get_by_role("textbox", name="JSON body")
    body.press("Control+Enter")
    expect(page.locator("[name='inputs.json']")).to_have_value('{\n  "a": 1\n}')
    assert [fault for fault in faults(page) if "422" not in fault] == []
