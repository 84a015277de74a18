"""JSON in the builder's code editor, with a mouse: expressions that are no JSON, and the buttons that make it of them."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from automate_core.models import Step
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = """
name: Order
slug: order
triggers: [{endpoint: github}]
steps: [{key: send, action: http.request, inputs: {method: POST, url: 'https://erp.example.com/', body_type: json, json: {a: 1}}}]
"""
MARKS = """[...document.querySelectorAll(".cm-nonmatchingBracket")]
    .filter((each) => getComputedStyle(each).backgroundColor !== "rgba(0, 0, 0, 0)").length"""


@pytest.mark.extended
def test_the_buttons_make_json_of_expressions(workflow, signed_in, site, faults, shot):
    made = workflow(ORDER, publish=False)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=send")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    here = page.locator(".da-field[data-field='inputs.json']")
    body = here.locator(".cm-content")
    field = page.locator("[name='inputs.json']")

    def write(text):
        body.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)

    def stored(value):
        assert wait_for(lambda: Step.objects.get(key="send").inputs["json"] == value), Step.objects.get().inputs

    def press(label, value):
        button = here.get_by_role("button", name=label)
        box = button.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(field).to_have_value(value)
        expect(body).to_contain_text(f'"{next(iter(json.loads(value)))}": ')
        stored(json.loads(value))
        expect(button).to_have_count(0)

    write('{\n  "a": [1, 2\n}')
    expect(here).to_contain_text("line 3")  # what is really unmatched, by its line
    write('{"order": {{ event.payload }}}')
    expect(page.get_by_role("button", name="Put {{ }} in quotes")).to_be_visible()
    page.keyboard.press("End")
    shot(page, "json-unquoted")
    assert page.evaluate(MARKS) == 0
    press("Put {{ }} in quotes", '{"order": "{{ event.payload }}"}')
    write("{{ event.payload }}\n{{ run.id }}")
    expect(page.get_by_role("button", name="Give each value a key")).to_be_visible()
    shot(page, "json-side-by-side")
    press("Give each value a key", '{\n  "payload": "{{ event.payload }}",\n  "id": "{{ run.id }}"\n}')
    assert [fault for fault in faults(page) if "422" not in fault] == []
