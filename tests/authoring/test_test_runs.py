"""Test runs of drafts: same engine, on terms that say what may happen; nothing else hears of them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.test_runs import results, samples
from automate_authoring.test_runs import start as starting
from automate_authoring.test_runs.decisions import Decision
from automate_authoring.test_runs.start import NotTestableError, Request
from automate_connectors.models import Connection
from automate_core import api
from automate_core.models import Event, ExecutionRun, RunLog, StepRun, StepSample, Wait, WorkflowVersion
from automate_core.runs import control
from automate_core.runs.waits.callbacks import receive_callback
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from tests.support.workflows import ASKS_THE_OWNER, GROUPS_ARE_WRITABLE, STORY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def story(owner, endpoint, settings):
    settings.AUTOMATE_MODELS = GROUPS_ARE_WRITABLE
    owner.user_permissions.set(Permission.objects.filter(content_type__model="group"))
    return workflows.save_definition(yaml_files.read_workflow(STORY), owner=owner)


@pytest.fixture
def tested(story, owner, drain):
    """Test the story, and give the run as it ended."""

    def run(mode, scope="whole", step="", by=None, **more):
        payload = {"title": "Ops", "labels": ["a", "b"], "n": 9}
        asked = {"payload": payload, **more} if "event" not in more else more
        made = starting.start_test(story, Request(mode=mode, scope=scope, step=step, **asked), by=by or owner)
        drain()
        made.refresh_from_db()
        return made

    return run


def steps(run):
    return {step.path: step for step in StepRun.objects.filter(run=run)}


def effects(run, key):
    return results.result_in_run(run, key).effects


def test_a_dry_run_happens_in_one_transaction_that_is_rolled_back(tested):
    run = tested("dry")
    assert (run.status, run.error) == ("succeeded", None)
    assert not Group.objects.filter(name__startswith="Ops").exists() and not mail.outbox
    [made] = effects(run, "make")
    assert (made["kind"], made["model"]) == ("created", "auth.group")
    assert {"name": "name", "label": "name", "before": None, "after": "Ops"} in made["fields"]
    [renamed] = effects(run, "rename")
    assert renamed["pk"] == made["pk"] and renamed["kind"] == "changed", "a later step finds what an earlier one made"
    assert renamed["fields"] == [{"name": "name", "label": "name", "before": "Ops", "after": "Ops 2"}]
    [told] = effects(run, "tell")
    assert told["summary"] == "Email to a@example.com: About Ops" and told["details"]["text"] == "Hello"
    assert steps(run)["last"].output == {"sent": None} and "each[1]/note" in steps(run)


def test_a_preview_renders_and_calls_nothing(tested):
    run = tested("preview")
    found = steps(run)
    assert found["make"].input["values"] == {"name": "Ops"} and found["make"].output is None
    assert run.status == "failed" and "make" in found["rename"].error["message"], "no output of it is known yet"
    assert not Group.objects.filter(name="Ops").exists() and not mail.outbox


def test_a_real_test_does_it_and_is_audited(tested, owner):
    run = tested("real", "to", "tell")
    assert run.status == "succeeded" and Group.objects.filter(name="Ops 2").exists()
    assert [message.subject for message in mail.outbox] == ["About Ops"]
    assert set(steps(run)) == {"look", "make", "rename", "tell"}
    entry = AuditEntry.objects.get(verb="workflow.tested")
    assert str(run.pk) in str(entry.changes)


@pytest.mark.extended
def test_one_step_takes_the_outputs_of_those_before_from_what_is_known(tested, story, owner):
    assert tested("preview", "step", "rename").status == "failed"
    tested("dry", "to", "tell")
    run = tested("preview", "step", "tell")
    assert steps(run)["tell"].input["subject"] == "About Ops" and set(steps(run)) == {"tell"}
    samples.keep_sample(story, "make", StepSample.Kind.PIN, {"name": "Pinned"}, by=owner)
    assert steps(tested("preview", "step", "tell"))["tell"].input["subject"] == "About Pinned"
    inside = steps(tested("dry", "step", "note"))
    assert inside["each[0]/note"].output == {"n": "a"} and "each[1]/note" not in inside, "one item of a loop"


def test_a_mock_is_used_in_place_of_its_step(tested, story, owner):
    samples.keep_sample(story, "make", StepSample.Kind.MOCK, {"pk": 0, "name": "Mocked"}, by=owner)
    samples.keep_sample(story, "rename", StepSample.Kind.MOCK, {"count": 1}, by=owner)
    run = tested("real", "to", "tell")
    assert not Group.objects.filter(name="Ops").exists() and mail.outbox[0].subject == "About Mocked"
    assert results.result_in_run(run, "make").logs == ["Mocked: the step did not run."]
    assert results.mocked_keys(story) == {"make", "rename"}


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("mode", "chosen", "reached"),
    [
        ("dry", {}, ("pay", {"sum": 1}, "approved")),
        ("preview", {}, ("pay", {"sum": 1}, "approved")),
        ("dry", {"outcome": "approved", "form": {"amount": "250"}}, ("pay", {"sum": 250}, "approved")),
        ("dry", {"outcome": "rejected"}, ("refuse", {"by": "owner"}, "rejected")),
        ("dry", {"outcome": "timeout"}, ("late", {"late": True}, "timeout")),
        ("real", {"outcome": "rejected"}, ("refuse", {"by": "owner"}, "rejected")),
    ],
)
def test_an_approval_takes_the_chosen_outcome_and_the_test_goes_on(owner, endpoint, drain, mode, chosen, reached):
    story = workflows.save_definition(yaml_files.read_workflow(ASKS_THE_OWNER), owner=owner)
    decisions = {"ask": Decision(**chosen)} if chosen else {}
    run = starting.start_test(story, Request(mode=mode, scope="whole", payload={}, decisions=decisions), by=owner)
    drain()
    run.refresh_from_db()
    found, (key, output, outcome) = steps(run), reached
    assert (run.status, set(found)) == ("succeeded", {"ask", f"ask/{key}", "last"})
    assert (found[f"ask/{key}"].output, found["last"].output) == (output, {"came": outcome})
    assert not Wait.objects.exists() and not AuditEntry.objects.filter(verb="approval.decided").exists()
    assert "approval" in RunLog.objects.get(run=run).message


def test_an_outcome_that_cannot_be_taken_is_refused(owner, endpoint):
    story = workflows.save_definition(yaml_files.read_workflow(ASKS_THE_OWNER), owner=owner)
    for chosen, said in (
        (Decision(outcome="maybe"), "Refund the order has no outcome 'maybe'"),
        (Decision(outcome="approved", form={"amount": "much"}), "Refund the order: amount must be a number."),
    ):
        asked = Request(mode="dry", scope="whole", payload={}, decisions={"ask": chosen})
        with pytest.raises(NotTestableError, match=said):
            starting.start_test(story, asked, by=owner)
    assert not ExecutionRun.objects.exists()


@pytest.mark.extended
def test_the_last_five_of_each_are_kept(tested, story):
    runs = [tested("preview", "step", "look") for _ in range(7)]
    kept = results.results_of_step(story, "look")
    assert [each.run.pk for each in kept] == [run.pk for run in reversed(runs[2:])]
    assert WorkflowVersion.snapshots.count() == 5 and Event.objects.filter(source="test:story").count() == 5
    starting.delete_test(kept[0].run)
    assert ExecutionRun.objects.count() == 4 and not StepRun.objects.filter(run=kept[0].run.pk).exists()


@pytest.mark.extended
def test_nothing_else_hears_of_a_test(tested, story, owner, workflow, deliver, drain):
    workflow("name: After\nslug: after\ntriggers: [{kind: run, workflow: story}]\nsteps: [{key: a, action: data.set}]")
    workflows.publish(story, author=owner)
    story.refresh_from_db()
    run = tested("dry", "to", "look")
    failed = tested("preview", "step", "rename")
    assert (run.status, failed.status) == ("succeeded", "failed")
    assert not Event.objects.filter(source="run:story").exists()
    assert [version.number for version in story.versions.all()] == [1] and run.version.number == 0
    with pytest.raises(control.ControlError):
        control.rerun(failed, by=owner)
    deliver({"title": "Real", "labels": [], "n": 1})
    drain()
    newest = tested("preview", "step", "look", event=None)
    assert steps(newest)["look"].input == {"title": "Real"} and newest.event.source == "webhook:github"


def test_who_may_test(story, owner, colleague, admin):
    from guardian.shortcuts import assign_perm

    def start(by, mode):
        return starting.start_test(story, Request(mode=mode, scope="step", step="look"), by=by)

    for verb in ("view", "change"):
        assign_perm(f"{verb}_workflow", colleague, story)
    with pytest.raises(NotPermittedError, match="View payloads"):
        start(colleague, "preview")
    assign_perm("view_payload_workflow", colleague, story)
    assert start(colleague, "preview")
    with pytest.raises(NotPermittedError, match="runs as owner"):
        start(colleague, "dry")
    assert start(admin, "dry") and start(owner, "real")


def test_what_is_in_the_way_is_told(story, owner, admin):
    hidden = Connection.objects.create(name="Hidden", slug="hidden", connector="http", owner=admin)
    story.steps.filter(key="look").update(action="http.request", connection=hidden.slug, inputs={"url": "https://a.b"})
    with pytest.raises(NotTestableError) as caught:
        starting.start_test(story, Request(mode="dry", scope="step", step="look"), by=owner)
    assert [problem.field for problem in caught.value.problems] == ["connection"]
    assert starting.start_test(story, Request(mode="preview", scope="step", step="look"), by=owner)
    for request in (
        Request(mode="dry", scope="step", step="nope"),
        Request(mode="dry", scope="step", step="last", payload={"x": "y" * 1_000_001}),
    ):
        with pytest.raises(NotTestableError):
            starting.start_test(story, request, by=owner)


ORDER = """
name: Orders
slug: orders
triggers: [{kind: manual}]
steps:
  - {key: send, action: data.set, inputs: {url: '{{ callbacks.hear }}'}}
  - kind: wait
    key: hear
    callback: true
    timeout: 1h
  - kind: branch
    key: check
    arms:
      - {key: big, when: {'==': [{var: steps.hear.output.payload.state.code}, ok]}, steps: []}
    otherwise:
      - {key: note, action: data.set, inputs: {first: '{{ steps.hear.output.payload.lines[1].sku }}'}}
  - {kind: for_each, key: each, items: '{{ steps.hear.output.payload.rows }}', steps: [{key: one, action: data.set, inputs: {n: '{{ item.n }}'}}]}
  - {key: last, action: data.set, inputs: {number: '{{ steps.hear.output.payload.number }}'}}
"""


def _orders(owner):
    return workflows.save_definition(yaml_files.read_workflow(ORDER), owner=owner)


@pytest.mark.parametrize("mode", ["dry", "preview"])
def test_a_wait_for_a_callback_gives_an_example_of_what_other_steps_read(owner, drain, mode):
    story = _orders(owner)
    for scope, step in (("whole", ""), ("whole", ""), ("step", "last"), ("to", "last")):
        run = starting.start_test(story, Request(mode=mode, scope=scope, step=step, payload={}), by=owner)
        drain()
        run.refresh_from_db()
        assert (run.status, run.error) == ("succeeded", None), (scope, run.error)
        assert steps(run)["last"].output == {"number": "example"}
    assert run.version.test["assumed"] == ["hear"] and steps(run)["check/note"].output == {"first": "example"}
    assert "example" in results.result_in_run(run, "hear").logs[0] and not Wait.objects.exists()


def test_a_wait_for_a_callback_gives_what_came_in_an_earlier_run(owner, drain):
    story = _orders(owner)
    workflows.publish(story, author=owner)
    api.start("orders", {})
    drain()
    came = {"state": {"code": "ok"}, "rows": [{"n": 1}], "number": "PO-7"}
    assert receive_callback(ExecutionRun.objects.get().pk, "hear", came).status == 202
    drain()
    for _ in range(2):
        api.start("orders", {})
        drain()
    assert Wait.objects.filter(status="open").count() == 2, "newer runs still wait"
    run = starting.start_test(story, Request(mode="dry", scope="whole", payload={}), by=owner)
    drain()
    run.refresh_from_db()
    assert steps(run)["last"].output == {"number": "PO-7"} and run.version.test["assumed"] == []
    mocks = {"hear": {"outcome": "received", "payload": came | {"number": "PO-8"}}}
    run = starting.start_test(story, Request(mode="dry", scope="whole", payload={}, mocks=mocks), by=owner)
    drain()
    assert steps(run)["last"].output == {"number": "PO-8"}
