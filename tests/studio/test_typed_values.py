"""Values that people type to be compared or calculated with: asked back where they are no number, or two."""

from __future__ import annotations

import json

import pytest

from automate_core.models import Step, Workflow
from automate_studio.builder.panel.condition_fields import field_label
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - kind: branch
    key: route
    arms: [{key: large, when: {'>': [{var: event.payload.total}, 1]}, steps: [{kind: stop, key: end}]}]
  - key: pick
    action: data.filter
    inputs: {items: '{{ event.payload.lines }}', where: [{field: price, op: '>', value: 1}]}
  - {key: ask, action: http.request, inputs: {url: 'https://erp.example.com/', max_pages: 5}}
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(ORDERS))


def type_value(builder, value, operator="more", **language):
    row = {"0.field": "event.payload.total", "0.operator": operator, "0.value": value}
    rev = builder.panel("route").ids["rev-route"]["value"]
    url = builder.url("builder_condition", "route")
    return Page(builder.client.post(url, {"arm": "large", "join": "and", "rev": rev, **row}, **language))


def proposals(page):
    return [attributes["data-proposal"] for _, attributes in page.tags if "data-proposal" in attributes]


def stored():
    return Step.objects.get(key="route").settings["arms"][0]["when"][">"][1]


def test_a_stored_number_is_shown_as_its_reader_types_it(builder):
    type_value(builder, "5000,5", HTTP_ACCEPT_LANGUAGE="de")
    assert stored() == 5000.5
    shown = [
        Page(builder.client.get(builder.url("builder_step", "route"), HTTP_ACCEPT_LANGUAGE=language)).all(value=typed)
        for language, typed in (("de", "5000,5"), ("en", "5000.5"))
    ]
    assert all(shown)


GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de"}


def test_a_number_with_separators_is_asked_back_with_its_readings(builder):
    page = type_value(builder, "5,000")
    assert "5,000 is not a number. Did you mean 5000?" in page.text and "No problems" not in page.text
    assert proposals(page) == ["5000"] and stored() == "5,000", "the text is kept as it was typed"
    button = next(attributes for _, attributes in page.tags if "data-proposal" in attributes)
    assert page.ids[button["data-proposal-at"]]["value"] == "5,000"
    assert "5,000" in builder.panel("route").text, "and asked about when the panel is opened again"
    page = type_value(builder, "5.000")
    assert "5.000 has two readings. Did you mean 5 or 5000?" in page.text and proposals(page) == ["5", "5000"]
    page = type_value(builder, "5000 EUR")
    assert proposals(page) == ["5000"]
    page = type_value(builder, "5000")
    assert "No problems" in page.text and proposals(page) == [] and stored() == 5000


def test_the_readers_own_notation_is_taken(builder):
    page = type_value(builder, "1.234,50", **GERMAN)
    assert stored() == 1234.5 and proposals(page) == []
    assert proposals(type_value(builder, "5,000", **GERMAN)) == ["5", "5000"]
    type_value(builder, "1,234.50")
    assert stored() == 1234.5


def test_a_workflow_with_such_a_value_is_not_published(builder, sign_in, owner):
    type_value(builder, "5,000")
    review = Page(builder.client.get(builder.url("review")))
    assert "5,000 is not a number" in review.text
    builder.client.post(builder.url("review"), {"rev": builder.state()["data-rev"], "message": ""})
    assert Workflow.objects.get().versions.count() == 1


def test_a_condition_says_when_its_types_never_compare(builder, deliver):
    deliver({"total": 6152.0, "lines": []})
    said = " ".join(type_value(builder, "5,000").text.split())
    assert "6152.0 is a number; 5,000 is text. This comparison is never true." in said
    said = " ".join(type_value(builder, "large", "is").text.split())
    assert "6152.0 is a number; large is text. This comparison is never true." in said
    assert "never true" not in type_value(builder, "5000").text


def test_a_number_field_is_asked_back(builder):
    saved = Page(builder.save("ask", **{"inputs.max_pages": "1.250"}))
    assert "1.250 has two readings. Did you mean 1.25 or 1250?" in saved.text
    assert proposals(saved) == ["1250"], "a whole number is wanted"
    assert Step.objects.get(key="ask").inputs["max_pages"] == "1.250"
    saved = Page(builder.save("ask", **{"inputs.max_pages": "5000 s"}))
    assert "must be a whole number" in saved.text


def test_a_condition_of_a_list_is_asked_back(builder):
    cells = {"inputs.where::rows": "1", "inputs.where::field": "price", "inputs.where::op": ">"}
    saved = Page(builder.save("pick", **cells, **{"inputs.where::value": "5,000"}))
    said = json.loads(saved.ids["field-inputs-where-why"]["data-cells"])
    assert [(each["row"], each["column"], each["proposals"]) for each in said] == [(0, "value", ["5000"])]
    assert "5,000 is not a number. Did you mean 5000?" in saved.text
    saved = Page(builder.save("pick", **cells, **{"inputs.where::value": "5.000"}))
    assert "Not saved" in saved.text and "5.000 has two readings. Did you mean 5 or 5000?" in saved.text


def test_the_api_and_files_are_told_at_the_place(builder, api, owner):
    client = api(owner)
    draft = client.get("workflows/orders/draft").json()["document"]
    draft["steps"][0]["arms"][0]["when"] = {">": [{"var": "event.payload.total"}, "5,000"]}
    answer = client.put("workflows/orders/draft", {"document": draft}, **{"If-Match": "*"})
    assert answer.status_code == 422 and "5,000 is not a number. Did you mean 5000?" in answer.content.decode()
    assert "steps[0].arms[0].when.>[1]" in answer.content.decode()
    written = ORDERS.replace("event.payload.total}, 1", "event.payload.total}, '5,000'").replace("orders", "copied")
    answer = client.post("workflows", {"yaml": written})
    assert answer.status_code == 422 and "Did you mean 5000?" in answer.content.decode()


def test_a_text_for_a_number_is_asked_about_where_the_sample_has_one(builder, deliver):
    deliver({"total": 5000, "lines": []})
    page = type_value(builder, "5.000", "is")
    assert "5.000 has two readings. Did you mean 5 or 5000?" in page.text and proposals(page) == ["5", "5000"]
    assert "has two readings" in builder.panel("route").text
    page = type_value(builder, "5000", "is")
    assert "has two readings" not in page.text and proposals(page) == []


def test_an_expression_is_corrected_by_a_click(builder, api, owner):
    written = '{{ "large" if event.payload.total > "5,000" else "small" }}'
    saved = Page(builder.save("ask", **{"inputs.url": written}))
    assert "5,000 is not a number. Did you mean 5000?" in saved.text
    assert proposals(saved) == ['{{ "large" if event.payload.total > 5000 else "small" }}']
    draft = api(owner).get("workflows/orders/draft").json()["document"]
    answer = api(owner).put("workflows/orders/draft", {"document": draft}, **{"If-Match": "*"})
    assert answer.status_code == 422 and "Did you mean 5000?" in answer.content.decode()


TWO = """
name: Two
slug: two
triggers:
  - {kind: manual, inputs: [{name: order, required: true}]}
  - {kind: form, slug: two-form, inputs: [{name: mail, kind: email}]}
  - {endpoint: github}
steps:
  - {key: set, action: data.set, inputs: {a: 'Order {{ event.payload.order }}', b: '{{ event.payload.mail | default("") }}'}}
"""


def test_a_field_that_not_every_trigger_sends_wants_a_default(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(TWO))
    page = builder.panel("set")
    assert "Runs that form, webhook starts may have no order, and this step then fails. Use a default." in page.text
    [button] = [attributes for _, attributes in page.tags if "order" in attributes.get("data-do-now", "")]
    builder.do(**json.loads(button["data-do-now"]))
    assert Step.objects.get(key="set").inputs["a"] == "Order {{ event.payload.order | default('') }}"
    assert "may have no order" not in builder.panel("set").text


def test_fields_of_a_condition_have_readable_names(builder, deliver):
    deliver({"total": 1, "lines": []})
    page = builder.panel("route")
    paths = [found["data-value"] for _, found in page.tags if found.get("role") == "option"]
    assert paths[0].startswith("event.payload.")
    assert paths.index("event.headers") > paths.index("event.payload.total")
    named = {"total": "Order total", "sum": "Sum"}.__getitem__
    assert field_label("steps.total.output.items.0.total", named) == "Order total: items.0.total"
    assert field_label("event.payload.amount", named) == "amount" and field_label("steps.sum.output", named) == "Sum"


def test_the_chosen_field_is_shown_by_its_name(builder, deliver):
    deliver({"total": 1, "lines": []})
    page = builder.panel("route")
    [name] = [attributes for _, attributes in page.tags if attributes.get("data-name-of")]
    field = page.ids[name["data-name-of"]]
    assert field["value"] == field["title"] == "event.payload.total", "the path is posted"
