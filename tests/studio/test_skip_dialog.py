"""Skipping a step: the dialog names the later steps that read its output, and begins with what they read."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.urls import reverse

from automate_authoring.output_readers import example_output, find_output_readers
from automate_core.definition.parsing import parse
from automate_core.models import ExecutionRun
from tests.support.pages import Page

FLOW = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - {kind: wait, key: hear, name: Supplier, callback: true, timeout: 3h}
  - {kind: wait, key: nap, name: Nap, duration: 1h}
  - kind: branch
    key: check
    name: Check
    arms: [{key: big, when: {'>': [{var: steps.hear.output.payload.total}, 5]}}]
    otherwise: [{key: note, name: Note, action: data.set, inputs: {n: '{{ steps.hear.output.payload.lines[0].sku }}'}}]
  - {key: other, name: Other, action: data.set, inputs: {n: 'steps.hear.output is only named'}}
  - {key: off, name: Off, disabled: true, action: data.set, inputs: {n: '{{ steps.hear.output.payload.no }}'}}
"""
SHAPE = {"outcome": "received", "payload": {"total": None, "lines": [{"sku": None}]}}


def _prefilled(answer):
    found = re.search(r'<textarea[^>]*id="skip-output"[^>]*>(.*?)</textarea>', answer.content.decode(), re.DOTALL)
    return unescape(found[1]).strip()


@pytest.mark.django_db(transaction=True)
def test_the_dialog_names_the_readers_and_begins_with_what_they_read(
    workflow, deliver, drain, sign_in, owner, stranger
):
    workflow(FLOW)
    deliver()
    drain()
    client, run = sign_in(owner), ExecutionRun.objects.get()
    answer = client.get(reverse("studio:run_step", args=[run.pk, "hear"]))
    assert "Later steps read this output: Check, Note." in Page(answer).text
    shape = json.loads(_prefilled(answer))
    assert shape["payload"] == SHAPE["payload"] | {"no": None} and shape["outcome"] == "received"
    skip = reverse("studio:run_skip", args=[run.pk, "hear"])
    assert sign_in(stranger).post(skip, {"output": "null"}).status_code == 404
    given = {"outcome": "received", "payload": {"total": 1, "lines": [{"sku": "A1"}]}}
    assert client.post(skip, {"output": json.dumps(given)}).status_code in (200, 303)
    drain()
    nap = client.get(reverse("studio:run_step", args=[run.pk, "nap"]))
    assert "Later steps read this output" not in Page(nap).text and _prefilled(nap) == ""
    client.post(reverse("studio:run_skip", args=[run.pk, "nap"]), {"output": ""})
    drain()
    run.refresh_from_db()
    assert (run.status, run.error) == ("succeeded", None), "what the dialog begins with is enough once it is filled in"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ steps.a.output.b }}", {"b": "example"}),
        ("{{ steps['a'].output['b'].c | upper }}", {"b": {"c": "example"}}),
        ("{{ steps.a.output.b }} {{ steps.a.output.b.c }}", {"b": {"c": "example"}}),
        ("{{ steps.a.output.b[1] }}", {"b": [None, "example"]}),
        ("{{ steps.a.output.b[999999999].c }}", {"b": []}),
        ("{{ steps.a.output }}", {}),
        ("{{ steps.ab.output.b }}", {}),
    ],
)
def test_an_example_has_what_is_looked_up(text, expected):
    steps = [{"key": key, "action": "data.set"} for key in ("a", "ab")] + [
        {"key": "z", "action": "data.set", "inputs": {"n": text}}
    ]
    definition = parse({"name": "N", "slug": "n", "steps": steps})
    assert example_output(definition, "a", {}) == expected
    assert bool(find_output_readers(definition, "a")) == ("steps.ab" not in text)


def test_the_condition_of_a_loop_reads_what_its_steps_return():
    body = [{"key": "a", "kind": "wait", "callback": True, "timeout": "1h"}]
    until = {"==": [{"var": "steps.a.output.payload.done"}, True]}
    loop = {"key": "loop", "kind": "repeat", "until": until, "maximum": 3, "steps": body}
    definition = parse({"name": "N", "slug": "n", "steps": [loop]})
    assert [step.key for step in find_output_readers(definition, "a")] == ["loop"]
