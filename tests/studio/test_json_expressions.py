"""Expressions in JSON fields: those that stand beside other text, or without quotes, are asked back."""

from __future__ import annotations

import json

import pytest

from automate_core.models import Step
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = """
name: Order
slug: order
triggers: [{endpoint: github}]
steps:
  - {key: send, action: http.request, inputs: {method: POST, url: 'https://erp.example.com/', body_type: json}}
  - {key: text, action: data.write_json, inputs: {value: 1}}
  - {key: values, action: data.set, inputs: {more: {x: 1}}}
  - {kind: reply, key: answer}
  - {kind: workflow, key: other, workflow: two}
  - {key: mail, action: email.send, inputs: {to: [ann@example.com], subject: Hi, text: Hello}}
"""
GLUED = "{{ event.payload }}\n{{ run.id }}"
FIELDS = [("send", "inputs.json"), ("text", "inputs.value"), ("answer", "body")]


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(ORDER, publish=False))


def buttons(page):
    return {attributes["data-proposal"] for _, attributes in page.tags if "data-proposal" in attributes}


def save(builder, key, name, text):
    response = builder.save(key, **{name: text})
    return response.status_code, Page(response)


@pytest.mark.parametrize(("key", "name"), FIELDS)
def test_values_side_by_side_are_not_json(builder, key, name):
    status, page = save(builder, key, name, GLUED)
    assert status == 422
    meant = '{"payload": "{{ event.payload }}", "id": "{{ run.id }}"}'
    assert f"Several values side by side are not JSON. Give each a key: {meant}" in page.text
    [proposal] = buttons(page)
    assert json.loads(proposal) == json.loads(meant)
    assert save(builder, key, name, proposal)[0] == 200


def test_a_value_in_a_group_is_asked_back(builder):
    response = builder.save("send", **{"on_error.then": "value", "on_error.value": GLUED})
    assert response.status_code == 422 and "Value: Several values side by side" in Page(response).text


def test_text_around_an_expression_needs_quotes(builder):
    status, page = save(builder, "send", "inputs.json", "Order {{ event.payload.no }}")
    assert status == 422 and 'put it in double quotes: "Order {{ event.payload.no }}"' in page.text
    [proposal] = buttons(page)
    assert save(builder, "send", "inputs.json", proposal)[0] == 200
    assert Step.objects.get(key="send").inputs["json"] == "Order {{ event.payload.no }}"
    assert '"Order {{ event.payload.no }}"' in builder.panel("send").text, "shown as it has to be typed"
    assert save(builder, "send", "inputs.json", proposal)[0] == 200


def test_entries_mappings_and_lists_are_asked_back_alike(builder):
    rows = {
        "inputs.more::rows": "1",
        "inputs.more::key": ["a"],
        "inputs.more::value": [GLUED],
        "inputs.more::type": ["json"],
    }
    assert builder.save("values", **rows).status_code == 422
    assert builder.save("other", payload=GLUED).status_code == 422
    response = builder.save("send", **{"inputs.files": GLUED})
    assert response.status_code == 422
    [proposal] = buttons(Page(response))
    assert json.loads(proposal) == ["{{ event.payload }}", "{{ run.id }}"]


def test_texts_stay_texts(builder):
    for key, name, text in (
        ("send", "inputs.json", "{{ event.payload }}"),
        ("mail", "inputs.to", "{{ event.payload.a }}, {{ event.payload.b }}"),
        ("send", "inputs.json", "{% if event.payload.a %}{{ event.payload.a }}{% else %}none{% endif %}"),
        ("answer", "content_type", "text/plain"),
        ("answer", "body", "Order {{ event.payload.no }}\n{{ run.id }}"),
    ):
        assert save(builder, key, name, text)[0] == 200, (key, name)


@pytest.mark.parametrize(
    ("typed", "line", "example", "meant"),
    [
        (
            '{\n  "order": {{ event.payload }},\n  "n": 1\n}',
            2,
            '"order": "{{ event.payload }}"',
            {"order": "{{ event.payload }}", "n": 1},
        ),
        ('[{{ run.id }}, "{{ run.id }}"]', 1, '"{{ run.id }}"', ["{{ run.id }}", "{{ run.id }}"]),
        (
            '{"a": {{ event.payload["b-c"] }}, "d": {{ run.id }}}',
            1,
            '"a": "{{ event.payload[\\"b-c\\"] }}"',
            {"a": '{{ event.payload["b-c"] }}', "d": "{{ run.id }}"},
        ),
    ],
)
def test_an_expression_without_quotes_is_named(builder, typed, line, example, meant):
    status, page = save(builder, "send", "inputs.json", typed)
    assert status == 422
    assert f"Not saved: line {line}: put {{{{ }}}} in quotes: {example}. The value keeps its type." in page.text
    [proposal] = buttons(page)
    assert json.loads(proposal) == meant
    assert save(builder, "send", "inputs.json", proposal)[0] == 200


def test_other_faults_keep_their_advice(builder):
    for typed, advice in (
        ('{"a": {{ run.id }}, "b": }', "put {{ }} in quotes"),
        ('{"a": 1 {{ run.id }}}', "add a comma before this value"),
        ('{"a": "{{ run.id }}",}', "remove the comma before }"),
    ):
        status, page = save(builder, "send", "inputs.json", typed)
        assert status == 422 and advice in page.text, page.text
        assert not buttons(page)
