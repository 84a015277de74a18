"""Fields of items, such as columns of a CSV, in the builder: they are offered, and unknown ones are warned of."""

from __future__ import annotations

import pytest

from automate_authoring.drafts import commands
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

BILLS = """
name: Bills
slug: bills
triggers: [{kind: manual}]
steps:
  - {key: read, action: data.parse_csv, inputs: {text: "Supplier,Amount\\nAlpha,1200"}}
  - key: large
    action: data.filter
    inputs:
      items: '{{ steps.read.output.items }}'
      where: [{field: Supplier, value: Alpha}, {field: Amountt, op: '>', value: 5}, {field: '{{ vars.x }}', value: 5}]
  - {key: order, action: data.sort, inputs: {items: '{{ steps.read.output.items }}', by: [-Amount, Total]}}
  - key: total
    action: data.aggregate
    inputs: {items: '{{ steps.read.output.items }}', measures: {sum: sum Amounts, lines: count}}
vars: {x: Supplier}
"""


class Bills(Builder):
    def options(self, path, field):
        answer = self.client.post(self.url("builder_options", path), {"field": field})
        assert answer.status_code == 200
        return Page(answer).text

    def warned(self):
        found = commands.load_state(self.workflow).problems
        return {(each.step, each.field) for each in found if "No item of the sample has" in each.reason}


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Bills(sign_in(owner), workflow(BILLS, publish=False))


def test_a_tested_step_gives_the_fields_of_its_items(builder, drain):
    url = builder.url("builder_data", "large")
    assert "No sample yet" in Page(builder.client.get(url)).text
    assert "Test the step that gives them" in builder.options("large", "inputs.where::field")
    assert builder.warned() == set(), "nothing is known yet"
    builder.client.post(builder.url("builder_test"), {"step": "read", "mode": "dry", "scope": "step"})
    drain()
    tree = Page(builder.client.get(url)).text
    assert "newest test" in tree and "1 item" in tree
    opened = builder.client.get(url, {"open": '["steps", "read", "output", "items", 0]', "level": "3"})
    assert "Supplier" in Page(opened).text and "Alpha" in Page(opened).text
    for path, field in (
        ("large", "inputs.where::field"),
        ("order", "inputs.by"),
        ("total", "inputs.by"),
        ("total", "inputs.measures::field"),
    ):
        offered = builder.options(path, field)
        assert "Supplier" in offered and "Amount" in offered, (path, field)
    unknown = {("large", "inputs.where[1].field"), ("order", "inputs.by"), ("total", "inputs.measures.sum")}
    assert builder.warned() == unknown
    assert "No item of the sample has the field Total." in builder.panel("order").text
