"""A list that is an entry of a list is warned about by every door, and a button makes it the whole list."""

from __future__ import annotations

import json

import pytest

from automate_authoring.definitions import yaml_files
from automate_authoring.lint_rules.lint import find_cautions
from automate_core.models import Step
from tests.support.builder import Builder

pytestmark = pytest.mark.django_db(transaction=True)

SAID = "is itself a list: the step receives a list in a list"
NESTED = """
name: Orders
slug: orders
triggers: [{kind: form, slug: order, inputs: [{name: picked, kind: choices, choices: [a, b]}]}]
vars: {codes: [1, 2]}
steps:
  - {key: read, action: data.parse_csv, inputs: {text: "a"}}
  - {key: large, action: data.filter, inputs: {items: %s, where: [{field: a, op: "==", value: "1"}]}}
"""


def cautions(items):
    found = find_cautions(yaml_files.read_workflow(NESTED % json.dumps(items)))
    return [each.path for each in found if SAID in each.reason]


@pytest.mark.parametrize(
    ("items", "places"),
    [
        (["{{ steps.read.output.items }}"], [0]),
        (["{{ steps.read.output.items | default([]) }}"], [0]),
        (["{{ event.payload.picked }}"], [0]),
        (["a", "{{ vars.codes }}"], [1]),
        ("{{ steps.read.output.items }}", []),
        (["{{ steps.read.output.count }}", "{{ steps.read.output.items | first }}"], []),
        (["{{ steps.read.output.items }} in all"], []),
    ],
)
def test_an_entry_that_is_a_list_is_warned_about(items, places):
    assert cautions(items) == [f"steps[1].inputs.items[{index}]" for index in places]


def test_lists_of_lists_are_wanted_by_the_merge_and_by_rows_of_a_sheet():
    text = NESTED % '"{{ steps.read.output.items }}"'
    for action, field in (("data.merge_lists", "lists"), ("google_sheets.append_rows", "rows")):
        step = f'\n  - {{key: more, action: {action}, inputs: {{{field}: ["{{{{ steps.read.output.items }}}}"]}}}}\n'
        found = find_cautions(yaml_files.read_workflow(text + step))
        assert not [each for each in found if SAID in each.reason]


def test_the_panel_and_the_preview_say_so_and_a_button_repairs_it(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(NESTED % '["{{ vars.codes }}"]', publish=False))
    asked = {"name": "inputs.items::item", "text": "{{ [1, 2] }}", "id": "x"}
    shown = builder.client.post(builder.url("builder_preview", "large"), asked).content.decode()
    assert SAID in shown and 'data-use-whole="x"' in shown
    panel = builder.panel("large")
    assert SAID in panel.text
    [fix] = [tag["data-do-now"] for _, tag in panel.tags if "data-do-now" in tag and "items" in tag["data-do-now"]]
    command = json.loads(fix)
    assert builder.do(command.pop("do"), **command).status_code == 200
    assert Step.objects.get(key="large").inputs["items"] == "{{ vars.codes }}"
    assert SAID not in builder.panel("large").text


def test_the_hint_of_a_row_of_the_picker_is_a_text_that_can_be_translated(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(NESTED % '"{{ vars.codes }}"', publish=False))
    shown = builder.client.get(builder.url("builder_data", "large"), {"q": "count"}).content.decode()
    assert 'class="insert-hint"' in shown
    assert "Insert" in shown.split('class="insert-hint"')[1].partition("</span>")[0]
