"""Expressions side by side in JSON are a problem of the definition, by whatever door it comes."""

from __future__ import annotations

import msgspec
import pytest
from django.core.management import CommandError, call_command

from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_authoring.definitions.side_by_side import side_by_side
from automate_core.definition.document import DefinitionError
from automate_core.models import ExecutionRun, Step
from tests.support.builder import Builder

pytestmark = pytest.mark.django_db(transaction=True)

GLUED = "{{ event.payload }}\\n{{ run.id }}"
SAID = "Several values side by side are not JSON"
ORDER = """
name: Order
slug: order
triggers: [{endpoint: github}]
steps: [{key: write, action: data.write_json, inputs: {value: "%s"}}]
"""


def problems_of(steps):
    text = f"name: A\nslug: a\ntriggers: [{{endpoint: github}}]\nsteps: [{steps}]\n"
    return {each.path: each.reason for each in validation.find_problems(yaml_files.read_workflow(text))}


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ('{key: a, action: http.request, inputs: {method: POST, url: "https://a.example", json: "%s"}}', "inputs.json"),
        ('{key: a, action: http.request, inputs: {url: "https://a.example", query: "%s"}}', "inputs.query"),
        ('{key: a, action: data.log, inputs: {message: m}, on_error: {value: "%s"}}', "on_error.value"),
        ('{key: a, kind: reply, body: "%s"}', "body"),
        ('{key: a, kind: workflow, workflow: b, payload: "%s"}', "payload"),
        ('{key: a, kind: for_each, items: "%s", steps: [{key: b, kind: stop}]}', "items"),
    ],
)
def test_each_place_that_wants_json_refuses_them(step, place):
    found = problems_of(step % GLUED)[f"steps[0].{place}"]
    assert found.startswith(SAID) or (place == "items" and found.startswith("Several values need brackets"))


@pytest.mark.parametrize(
    "step",
    [
        '{key: a, action: data.write_json, inputs: {value: "{{ event.payload }}"}}',
        "{key: a, action: data.write_json, inputs: {value: \"{{ run.id ~ ' ' ~ run.id }}\"}}",
        '{key: a, action: data.write_json, inputs: {value: {both: "{{ run.id }} {{ run.id }}"}}}',
        '{key: a, action: data.write_json, inputs: {value: "Order {{ event.payload.no }}"}}',
        '{key: a, action: email.send, inputs: {to: "{{ event.payload.a }}, {{ run.id }}", subject: s, text: t}}',
        '{key: a, action: data.log, inputs: {message: "{{ run.id }} {{ run.id }}"}}',
        '{key: a, kind: reply, content_type: text/plain, body: "{{ run.id }} {{ run.id }}"}',
    ],
)
def test_texts_stay_texts(step):
    assert not problems_of(step)


def test_only_several_expressions_alone_are_side_by_side():
    assert side_by_side("{{ a }}{{ '}}' }};\n{{ b }}") == ["{{ a }}", "{{ '}}' }}", "{{ b }}"]
    assert not any(
        map(side_by_side, ("{{ a }}", "{{ '}} {{' }}", "{{ a }} and {{ b }}", "{% if a %}{{ a }}{% endif %}"))
    )


def test_import_and_api_refuse_them(workflow, api, owner, tmp_path):
    workflow(ORDER % "{{ run.id }}")
    client, glued = api(owner), ORDER % GLUED
    assert SAID in client.put("workflows/order/draft", {"yaml": glued}, **{"If-Match": "*"}).content.decode()
    assert SAID in client.post("workflows", {"yaml": glued.replace("slug: order", "slug: made")}).content.decode()
    file = tmp_path / "order.yaml"
    file.write_text(glued)
    with pytest.raises(CommandError, match=SAID):
        call_command("automate_import", str(file), owner=owner.username)


def test_a_stored_draft_says_so_and_a_published_version_runs_on(
    workflow, api, owner, sign_in, deliver, drain, monkeypatch
):
    with monkeypatch.context() as before:
        before.setattr(validation, "refuse_side_by_side", lambda value, **_: None)
        made = workflow(ORDER % GLUED)
    deliver({"number": 7})
    drain()
    run = ExecutionRun.objects.get()
    assert run.status == "succeeded", "what is published does what it did"
    client = api(owner)
    [problem] = client.get("workflows/order/draft").json()["problems"]
    assert SAID in msgspec.json.encode(problem).decode()
    with pytest.raises(DefinitionError, match=SAID):
        workflows.publish(made, author=owner)
    builder = Builder(sign_in(owner), made)
    assert SAID in builder.panel("write").text, "at the field"
    assert "Give each a key" in builder.client.get(builder.url("review")).content.decode()
    Step.objects.filter(key="write").update(inputs={"value": "{{ run.id }}"})
    assert client.get("workflows/order/draft").json()["problems"] == []
