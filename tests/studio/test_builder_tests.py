"""Tests in the builder over HTTP: what starts one, what is shown of it, what is kept, and who may."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, StepRun, StepSample, Wait, Workflow
from automate_governance.models import AuditEntry
from tests.support.builder import Builder
from tests.support.events import came_to
from tests.support.pages import HOSTILE, Page
from tests.support.workflows import ASKS_THE_OWNER, GROUPS_ARE_WRITABLE, STORY

pytestmark = pytest.mark.django_db(transaction=True)


class Bench(Builder):
    """A builder's browser that tests."""

    def test(self, step="", mode="dry", scope=None, **fields):
        scope = scope or ("step" if step else "whole")
        return self.client.post(self.url("builder_test"), {"step": step, "mode": mode, "scope": scope, **fields})

    def result(self, step="", **query):
        return Page(self.client.get(self.url("builder_test"), {"step": step, **query}))

    def keep(self, step, act, **fields):
        return self.client.post(self.url("builder_test_keep"), {"step": step, "act": act, **fields})

    def badge(self, key):
        return self.open().ids[f"card-{key}"]["aria-label"]


@pytest.fixture
def tester(owner, endpoint, settings, sign_in):
    settings.AUTOMATE_MODELS = GROUPS_ARE_WRITABLE
    owner.user_permissions.set(Permission.objects.filter(content_type__model="group"))
    return Bench(sign_in(owner), workflows.save_definition(yaml_files.read_workflow(STORY), owner=owner))


PAYLOAD = json.dumps({"title": "Ops", "labels": ["a"], "n": 9})


@pytest.mark.extended
def test_a_test_is_202_then_looked_at_until_it_has_ended(tester, drain):
    assert "Not tested yet" in tester.result("make").text
    answer = tester.test("make", scope="to", payload=PAYLOAD)
    page, run = Page(answer), ExecutionRun.objects.get()
    assert answer.status_code == 202 and page.ids["test-result"]["data-test-poll"] == str(run.pk)
    assert "Running" in page.text
    drain()
    page = tester.result("make", run=run.pk)
    assert "data-test-poll" not in page.ids["test-result"] and "Test passed" in page.text
    assert "Would create" in page.text and "Ops" in page.text and "custom data" in page.text
    assert tester.badge("look").split(", ")[-1].startswith("Tested ") and "Tested" not in tester.badge("tell")
    assert not Group.objects.filter(name="Ops").exists()


MISTYPED = """
name: Mistyped
slug: mistyped
triggers: [{kind: manual, key: hand}]
steps: [{key: large, action: data.filter, inputs: {items: [{Betrag: 5}], where: [{field: Betragg, op: ">", value: 1}]}}]
"""


def test_a_test_that_passed_shows_what_was_passed_over(owner, sign_in, drain):
    bench = Bench(sign_in(owner), workflows.save_definition(yaml_files.read_workflow(MISTYPED), owner=owner))
    bench.test("large", payload="{}")
    drain()
    shown = bench.result("large").text
    assert "Test passed" in shown and "No item has the field Betragg. Fields of the items: Betrag." in shown


@pytest.mark.extended
def test_a_step_is_tested_while_it_says_what_was_tested(tester, drain):
    workflows.publish(tester.workflow, author=tester.workflow.owner)
    tester.test("look", payload=PAYLOAD)
    drain()
    changed = {"inputs.title": "New {{ event.payload.title }}"}
    for _ in range(2):
        tester.save("look", **changed)
        assert "Changed since test" in tester.badge("look") and "Changed since test" not in tester.badge("make")
        tester.do("undo", last=tester.state()["data-last"])
        assert ", Tested " in tester.badge("look")
        tester.do("redo", last=tester.state()["data-last"])
        assert "Changed since test" in tester.badge("look")
        rev = Workflow.objects.get().rev
        assert tester.client.post(tester.url("version_restore", 1), {"rev": rev}).status_code == 303
        assert ", Tested " in tester.badge("look")
        tester.test("look", payload=PAYLOAD)
        drain()
    tester.save("look", name="Another name", notes="Nothing that it does")
    assert ", Tested " in tester.badge("look")
    tester.save("look", **changed)
    tester.test("look", payload=PAYLOAD)
    drain()
    assert ", Tested " in tester.badge("look")
    tester.do("undo", last=tester.state()["data-last"])
    assert ", Tested " in tester.badge("look"), "by the test before"


@pytest.mark.extended
def test_the_whole_shows_each_step(tester, drain):
    assert Page(tester.client.get(tester.url("builder_step", "~test"))).all(id="test-form")
    tester.test(mode="preview", payload=PAYLOAD)
    drain()
    page = tester.result()
    assert "Test failed" in page.text, "the preview of a step that needs what another gives"
    assert page.all(data_path="make") and page.all(data_path="rename") and not page.all(data_path="tell")
    tester.test(mode="dry", payload=PAYLOAD)
    drain()
    assert "Would create" in tester.result().text, "each step says what it would do"


def test_for_real_is_confirmed_by_name(tester, drain):
    asked = tester.test("tell", "real", "to", payload=PAYLOAD)
    page = Page(asked)
    assert asked.status_code == 200 and not ExecutionRun.objects.exists()
    assert "Tell (Email: Send email)" in page.text and "auth.Group" in page.text
    fields = {each["name"]: each.get("value") for each in page.all(type="hidden")}
    assert (fields["mode"], fields["scope"], fields["step"], fields["confirmed"]) == ("real", "to", "tell", "yes")
    assert tester.client.post(tester.url("builder_test"), fields).status_code == 202
    drain()
    assert len(mail.outbox) == 1 and "Test passed" in tester.result("tell").text


@pytest.mark.extended
def test_the_outcome_of_an_approval_is_chosen_in_the_form(owner, endpoint, sign_in, drain):
    bench = Bench(sign_in(owner), workflows.save_definition(yaml_files.read_workflow(ASKS_THE_OWNER), owner=owner))
    page = bench.result()
    assert page.ids["decision:ask:amount"]["value"] == "1" and page.ids["decision:ask:amount"]["inputmode"] == "decimal"
    assert "Approved (a real run asks the approvers)" in page.text and "Deadline passes" in page.text
    assert not bench.result("last").all(id="decision:ask:sum") and bench.result("last").all(id="decision:ask")
    chosen = {"decision:ask": "approved", "decision:ask:amount": "250", "payload": "{}"}
    assert bench.test(**chosen).status_code == 202
    drain()
    assert StepRun.objects.get(path="ask/pay").output == {"sum": 250}
    assert "Assumed: Approved" in bench.result().text
    refused = bench.test(**chosen | {"decision:ask:amount": "much"})
    assert refused.status_code == 422 and "amount must be a number" in Page(refused).text
    asked = Page(bench.test(mode="real", **chosen))
    assert "Refund the order: Approved, without asking the approvers." in asked.text
    fields = {each["name"]: each.get("value") for each in asked.all(type="hidden")}
    assert (
        fields["decision:ask:amount"] == "250"
        and bench.client.post(bench.url("builder_test"), fields).status_code == 202
    )
    drain()
    assert not Wait.objects.exists() and ExecutionRun.objects.filter(status="succeeded").count() == 2
    assert AuditEntry.objects.get(verb="workflow.tested").changes["decisions"] == {"ask": "approved"}


def test_what_a_test_carried_is_shown_as_trees(tester, drain):
    """Each tree is served by the page of the run: input and output, what a call would send, and why it failed."""
    tester.test("tell", "dry", "to", payload=PAYLOAD)
    drain()
    page = tester.result("tell")
    trees = {each["id"]: each["data-url"] for each in page.all(role="tree")}
    assert trees.keys() == {"jt-input", "jt-output", "jt-effect-0"}, "an output that is null is shown, too"
    assert tester.result("look").ids["jt-output"]
    sent = Page(tester.client.get(trees["jt-effect-0"]))
    assert "a@example.com" in sent.text and "a@example.com" in page.text
    assert "a@example.com" in tester.client.get(f"{trees['jt-input']}&copy=1").content.decode()
    run, path = ExecutionRun.objects.get(), "tell"
    values = reverse("studio:run_value", args=[run.pk, path])
    for part in ("effect-9", "effect-", "effect-x"):
        assert tester.client.get(values, {"part": part, "attempt": 1}).status_code == 404
    ExecutionRun.objects.update(error={"message": "No", "code": "no", "details": {"reason": "late"}})
    whole = Page(tester.client.get(reverse("studio:run_value", args=[run.pk, "~trigger"]), {"part": "details"}))
    assert "late" in whole.text


@pytest.mark.extended
def test_pin_mock_and_delete(tester, drain):
    tester.test("look", payload=PAYLOAD)
    drain()
    run = ExecutionRun.objects.get()
    assert "Remove sample" in Page(tester.keep("look", "pin", run=run.pk)).text
    assert StepSample.objects.get().output == {"title": "Ops"}
    assert {tester.keep("look", "mock", output=bad).status_code for bad in ("{", '"\\ud800"')} == {422}
    assert tester.keep("look", "mock", output='{"title": "Mocked"}').status_code == 200
    assert tester.badge("look").endswith("Mocked")
    tester.keep("look", "unpin")
    tester.test("make", payload=PAYLOAD)
    drain()
    made = StepRun.objects.get(path="make")
    assert made.input["values"] == {"name": "Mocked"}
    tester.keep("look", "unmock")
    assert not StepSample.objects.exists()
    assert tester.keep("look", "delete", run=run.pk).status_code == 200
    assert not ExecutionRun.objects.filter(pk=run.pk).exists()
    for act, fields in {"pin": {"run": "x"}, "no": {}, "delete": {"run": run.pk}}.items():
        assert tester.keep("look", act, **fields).status_code in {404, 422}


def test_what_cannot_be_tested_is_told(tester):
    for fields in (
        {"mode": "no"},
        {"scope": "whole"},
        {"payload": "{"},
        {"payload": "NaN"},
        {"payload": "[" * 100_000},
        {"payload": '"\\u0000"'},
        {"payload": '"\\ud800"'},
        {"event": "x"},
        {"event": "0199c0de-0000-7000-8000-000000000000"},
    ):
        asked = {"step": "look", "mode": "dry", "scope": "step", **fields}
        answer = tester.client.post(tester.url("builder_test"), asked)
        assert answer.status_code == 422 and Page(answer).all(role="alert"), fields
    assert not ExecutionRun.objects.exists()


def test_problems_are_led_to(tester):
    tester.save("make", **{"inputs.model": ""})
    page = Page(tester.test("make"))
    assert page.status == 422 and page.all(data_problem="make")
    assert tester.client.get(tester.url("builder_test"), {"step": "no/key"}).status_code == 404


@pytest.mark.extended
def test_tests_are_left_out_until_asked_for(tester, drain, sign_in, owner):
    tester.test("look", payload=PAYLOAD)
    drain()
    run = ExecutionRun.objects.get()
    runs = reverse("admin:automate_core_executionrun_changelist")
    assert str(run.pk)[-8:] not in sign_in(owner).get(runs).content.decode()
    assert str(run.pk)[-8:] in sign_in(owner).get(runs, {"show": "tests"}).content.decode()
    about = reverse("admin:automate_core_workflow_change", args=[tester.workflow.pk])
    assert str(run.pk) not in sign_in(owner).get(about).content.decode()
    page = Page(sign_in(owner).get(reverse("admin:automate_core_executionrun_change", args=[run.pk])))
    assert page.status == 200 and page.ids["card-look"]["data-st"] == "succeeded"
    review = Page(sign_in(owner).get(tester.url("review")))
    assert "Not tested: " in review.text and "look" not in review.text.split("Not tested: ")[1][:40]


def test_who_may_not(tester, sign_in, colleague, owner):
    for verb in ("view", "change"):
        assign_perm(f"{verb}_workflow", colleague, tester.workflow)
    theirs = Bench(sign_in(colleague), tester.workflow)
    assert theirs.test("look").status_code == 403 and theirs.test("look", "preview").status_code == 403
    tester.test("look", payload=PAYLOAD)
    page = theirs.result("look")
    assert "View payloads permission" in page.text and "Ops" not in page.text
    other = came_to("other", type="issues", payload={"s": 1}, trace_id="0" * 32)
    assert tester.test("look", event=other.pk).status_code == 422, "an event that is not this workflow's"


def test_a_hostile_payload_is_inert_text(tester, drain):
    tester.test("look", payload=json.dumps({"title": HOSTILE, "labels": [], "n": 1}))
    drain()
    content = tester.client.get(tester.url("builder_test"), {"step": "look"}).content.decode()
    assert "<script>window" not in content and "<img src=x" not in content and "\u202e" not in content


CALLS = """
name: Calls
slug: calls
triggers: [{kind: manual}]
steps:
  - {key: tell, action: email.send, inputs: {to: a@example.com, subject: Hi, text: Hello}}
  - {kind: wait, key: later, duration: 2h}
  - {key: last, action: data.set, inputs: {a: 1}}
"""


def test_a_step_that_was_only_described_is_not_called_tested(workflow, sign_in, owner, drain):
    bench = Bench(sign_in(owner), workflow(CALLS, publish=False))
    bench.test(payload="{}")
    drain()
    assert "Not called in a dry run" in bench.badge("tell") and "Tested" not in bench.badge("tell")
    assert bench.badge("later").endswith("Not waited for in a dry run")
    assert ", Tested " in bench.badge("last")
    page = bench.result("tell")
    assert "Not called in a dry run" in page.text and "Test passed" not in page.text
    assert page.all(data_test_real="") and page.all(data_st="skipped")
    assert "Not waited for in a dry run" in bench.result("later").text
    assert "Test passed" in bench.result("last").text and not bench.result("last").all(data_test_real="")
    asked = Page(bench.test("tell", "real", payload="{}"))
    assert asked.status == 200 or asked.status == 422, "a real run asks first"
    assert mail.outbox == []


EXTRACTS = """
name: Extracts
slug: extracts
triggers: [{kind: manual}]
steps:
  - key: read
    action: llm.extract
    connection: model
    inputs:
      model: m
      text: Disk full
      schema:
        properties:
          severity: {type: string}
          hours: {type: number}
          place: {type: object, properties: {city: {type: string}}}
        required: [severity]
  - {key: keep, action: data.set, inputs: {a: ''}}
  - {kind: branch, key: route, arms: [{key: one, when: {'==': [{var: event.payload.x}, 1]}}]}
"""


@pytest.mark.parametrize("is_tested", [False, True])
def test_declared_fields_of_a_model_step_are_chosen_before_any_call(workflow, sign_in, owner, drain, is_tested):
    Connection.objects.create(name="Model", slug="model", connector="llm", owner=owner, config={})
    bench = Bench(sign_in(owner), workflow(EXTRACTS, publish=False))
    if is_tested:
        bench.test("read", payload="{}")
        drain()
        assert StepRun.objects.filter(path="read", status="succeeded").exists()
    page = Page(bench.client.get(bench.url("builder_data", "keep"), {"q": "severity"}))
    assert page.all(data_insert="{{ steps.read.output.data.severity }}")
    names = {found.get("data-value") for _, found in bench.panel("route").tags}
    assert {"steps.read.output.data.severity", "steps.read.output.data.place.city", "steps.read.output.usage"} <= names


HEARS = """
name: Hears
slug: hears
triggers: [{kind: manual}]
steps:
  - {key: send, action: data.set, inputs: {url: '{{ callbacks.hear }}'}}
  - {kind: wait, key: hear, name: Supplier, callback: true, timeout: 1h}
  - {key: last, action: data.set, inputs: {number: '{{ steps.hear.output.payload.number }}'}}
"""


def test_the_payload_of_a_callback_is_assumed_or_given_in_the_form(workflow, sign_in, owner, drain):
    bench = Bench(sign_in(owner), workflow(HEARS, publish=False))
    bench.test(payload="{}")
    drain()
    page = bench.result()
    assert "Test passed" in page.text and "Assumed: example payload" in page.text
    assert "Supplier" in page.text and page.ids["decision:hear:payload"]
    refused = bench.test(payload="{}", **{"decision:hear:payload": "{"})
    assert refused.status_code == 422 and "Invalid JSON" in Page(refused).text
    bench.test(payload="{}", **{"decision:hear:payload": '{"number": "PO-9"}'})
    drain()
    assert StepRun.objects.filter(path="last").latest("id").output == {"number": "PO-9"}
    asked = bench.test(mode="real", payload="{}", **{"decision:hear:payload": '{"number": "PO-9"}'})
    assert {each["name"] for each in Page(asked).all(type="hidden")} >= {"decision:hear:payload"}
