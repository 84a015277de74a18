"""Rights are asked when a run starts: withdrawn, given again, and of people whose account was closed."""

from __future__ import annotations

import logging

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse
from guardian.shortcuts import assign_perm, remove_perm

from automate_authoring import pausing, workflows
from automate_authoring.definitions import yaml_files
from automate_core import database
from automate_core.api import emit
from automate_core.events import run_rights, stops
from automate_core.events.matching import RuleEngine
from automate_core.models import (
    ActiveTrigger,
    Event,
    ExecutionRun,
    HeldEvent,
    OutboxJob,
    StepRun,
    Wait,
    Workflow,
    WorkflowVersion,
)
from automate_core.triggers import manual, model_signals
from automate_operations.offboarding import handover
from automate_operations.retention.pruning import Pruner
from automate_operations.runs import replay
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
name: Theirs
slug: theirs
triggers: [{trigger}]
steps:
{steps}
"""
KEEP = "  - {key: keep, action: data.set, inputs: {seen: '{{ event.payload }}'}}"
WEBHOOK = "{endpoint: github}"
MODEL = "{kind: model, model: auth.User, on: [created]}"
RUN = "{kind: run, workflow: source}"
SOURCE = """
name: Source
slug: source
triggers: [{kind: event, event: go}]
steps: [{key: keep, action: data.set, inputs: {seen: 1}}]
"""


@pytest.fixture
def theirs(colleague):
    """A workflow that the colleague owns, publishes and is."""

    def make(trigger, steps=KEEP):
        text = FLOW.format(trigger=trigger, steps=steps)
        made = workflows.save_definition(yaml_files.read_workflow(text), owner=colleague)
        workflows.publish(made, author=colleague)
        return made

    return make


@pytest.fixture
def grant(colleague):
    """Give the colleague the view of an object's payloads, or take it back."""

    def change(obj, *, give=True):
        kind = obj._meta.model_name
        for verb in ("view", "view_payload"):
            (assign_perm if give else remove_perm)(f"{verb}_{kind}", colleague, obj)

    return change


def started():
    return ExecutionRun.objects.filter(workflow__slug="theirs").count()


def shown(client, workflow):
    return client.get(reverse("admin:automate_core_workflow_change", args=[workflow.pk])).content.decode()


def test_a_delivery_waits_for_whom_it_is_no_longer_theirs_to_read(
    endpoint, grant, theirs, deliver, drain, colleague, sign_in, caplog
):
    grant(endpoint)
    workflow, page = theirs(WEBHOOK), sign_in(colleague)
    deliver()
    drain()
    assert started() == 1 and "Stopped" not in shown(page, workflow)
    grant(endpoint, give=False)
    with caplog.at_level(logging.WARNING, "automate_core.events.run_rights"):
        for _ in range(3):
            assert deliver().status_code == 202
        drain()
    assert started() == 1 and not OutboxJob.objects.exclude(status="completed").exists()
    reason = "the run-as user colleague can no longer view payloads of the webhook github"
    assert [record.getMessage() for record in caplog.records] == [
        f"workflow theirs: its webhook trigger starts nothing for now: its events wait: {reason}"
    ], "once, not for each event"
    assert f"Stopped: {reason}." in shown(page, workflow) and "3 events wait." in shown(page, workflow)
    settle(drain)
    assert started() == 1, "nothing has changed"
    grant(endpoint)
    deliver()
    settle(drain)
    assert started() == 5 and "Stopped" not in shown(page, workflow)
    received = Event.objects.order_by("pk").values_list("pk", flat=True)
    assert set(ExecutionRun.objects.values_list("event", flat=True)) == set(received), "each event once"
    assert not HeldEvent.objects.exists()


@pytest.fixture
def held(endpoint, grant, theirs, deliver, drain):
    """A workflow for which one event waits, because its run-as user may not read it."""
    grant(endpoint)
    workflow = theirs(WEBHOOK)
    grant(endpoint, give=False)
    deliver()
    drain()
    assert HeldEvent.objects.count() == 1 and not ExecutionRun.objects.exists()
    return workflow


def test_an_event_waits_during_a_pause_too_and_is_discarded_with_it(held, endpoint, grant, colleague, drain):
    pausing.pause(held, by=colleague)
    grant(endpoint)
    settle(drain)
    assert ExecutionRun.objects.get().status == "waiting" and not HeldEvent.objects.exists()
    pausing.resume(Workflow.objects.get(pk=held.pk), by=colleague)
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded"


def test_an_event_that_waits_is_discarded_by_a_pause(held, endpoint, grant, colleague, drain):
    pausing.pause(held, by=colleague)
    pausing.resume(Workflow.objects.get(pk=held.pk), by=colleague, backlog="discard")
    grant(endpoint)
    settle(drain)
    assert not ExecutionRun.objects.exists() and Event.objects.count() == 1


def test_a_replay_and_a_held_event_start_one_run(held, endpoint, grant, admin, drain):
    grant(endpoint)
    [event] = Event.objects.all()
    replay.replay_unstarted(event, by=admin)
    settle(drain)
    assert ExecutionRun.objects.count() == 1 and not HeldEvent.objects.exists()


def test_an_event_of_a_trigger_that_there_is_not_waits_no_longer_beside_others_that_do(held, deliver, drain):
    [waiting] = HeldEvent.objects.values_list("pk", flat=True)
    deliver()
    drain()
    HeldEvent.objects.exclude(pk=waiting).update(source="webhook:replaced")
    settle(drain)
    assert list(HeldEvent.objects.values_list("pk", flat=True)) == [waiting] and not ExecutionRun.objects.exists()


def test_an_event_starts_what_is_published_with_another_run_as_user(held, admin, drain):
    Workflow.objects.filter(pk=held.pk).update(run_as=admin)
    workflows.publish(Workflow.objects.get(pk=held.pk), author=admin)
    settle(drain)
    run = ExecutionRun.objects.get()
    assert (run.status, run.version.run_as) == ("succeeded", admin)


def test_an_event_that_waits_is_kept_and_its_page_says_why(held, admin, sign_in, later):
    later(400 * 24 * 3600)
    Pruner().run_once()
    [event] = Event.objects.all()
    assert event.emptied_at is None
    page = sign_in(admin).get(reverse("admin:automate_core_event_change", args=[event.pk])).content.decode()
    assert "The event waits until the run-as user may read it" in page


def test_what_is_gone_or_emptied_starts_nothing_and_waits_no_longer(held, endpoint, grant, drain):
    Event.objects.update(payload=None, emptied_at=database.now())
    grant(endpoint)
    settle(drain)
    assert not ExecutionRun.objects.exists() and not HeldEvent.objects.exists()


@pytest.mark.matrix
@pytest.mark.parametrize("how", ["group", "any", "role"])
def test_a_right_counts_however_one_comes_by_it(endpoint, theirs, deliver, drain, colleague, how):
    """What publishing takes as enough, a delivery takes as well, and no more."""
    group = Group.objects.create(name="readers")
    colleague.groups.add(group)
    any_of_them = Permission.objects.get(codename="view_payload_any_webhookendpoint")
    if how == "any":
        colleague.user_permissions.add(any_of_them)
    elif how == "role":
        group.permissions.add(any_of_them)
    else:
        assign_perm("view_payload_webhookendpoint", group, endpoint)
    theirs(WEBHOOK)
    deliver()
    drain()
    assert started() == 1
    colleague.groups.remove(group)
    colleague.user_permissions.clear()
    deliver()
    drain()
    assert started() == 1


def test_reach_without_the_role_is_not_enough(endpoint, grant, theirs, deliver, drain, colleague):
    grant(endpoint)
    theirs(WEBHOOK)
    colleague.groups.clear()
    deliver()
    drain()
    assert started() == 0


def test_another_workflow_on_the_same_endpoint_goes_on(endpoint, grant, theirs, workflow, deliver, drain):
    grant(endpoint)
    theirs(WEBHOOK)
    own = workflow(FLOW.format(trigger=WEBHOOK, steps=KEEP).replace("theirs", "own"))
    grant(endpoint, give=False)
    deliver()
    drain()
    assert list(ExecutionRun.objects.values_list("workflow", flat=True)) == [own.pk]


def test_the_end_of_a_run_waits_for_whom_it_is_no_longer_theirs_to_read(
    workflow, grant, theirs, drain, colleague, sign_in
):
    source = workflow(SOURCE)
    grant(source)
    made = theirs(RUN)
    emit("go", {})
    settle(drain)
    assert started() == 1
    grant(source, give=False)
    emit("go", {})
    settle(drain)
    assert started() == 1
    assert "can no longer view payloads of the workflow source." in shown(sign_in(colleague), made)
    grant(source)
    emit("go", {})
    settle(drain)
    assert started() == 3, "with the one that waited"


@pytest.fixture
def watched(settings):
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.User": {"fields": ["username"], "mode": "signal"}}
    model_signals.connect_model_signals()
    yield
    settings.AUTOMATE_MODEL_TRIGGERS = {}
    model_signals.disconnect_model_signals()


def test_a_change_waits_for_whom_the_model_is_no_longer_theirs_to_view(watched, theirs, drain, colleague, sign_in):
    view = Permission.objects.get(codename="view_user")
    colleague.user_permissions.add(view)
    made = theirs(MODEL)
    User.objects.create(username="one")
    drain()
    assert started() == 1
    colleague.user_permissions.remove(view)
    User.objects.create(username="two")
    drain()
    assert started() == 1
    assert "can no longer view the model auth.User." in shown(sign_in(colleague), made)
    colleague.groups.add(group := Group.objects.create(name="viewers"))
    group.permissions.add(view)
    User.objects.create(username="three")
    drain()
    assert started() == 3, "with the one that waited"


class AllMayView:
    """A backend that knows rights which are in no table of the database."""

    def authenticate(self, request, **credentials):
        return None

    def has_perm(self, user, perm, obj=None):
        return perm == "auth.view_user" and user.is_active


def test_a_backend_of_the_site_may_know_better(watched, theirs, drain, settings):
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, f"{__name__}.AllMayView"]
    theirs(MODEL)
    User.objects.create(username="one")
    drain()
    assert started() == 1


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["webhook", "event", "manual", "superuser"])
def test_runs_wait_while_the_account_is_closed(
    endpoint, grant, theirs, deliver, drain, colleague, admin, sign_in, kind
):
    grant(endpoint)
    made = theirs("{kind: event, event: go}" if kind == "event" else WEBHOOK)
    User.objects.filter(pk=colleague.pk).update(is_active=False, is_superuser=kind == "superuser")
    if kind == "manual":
        with pytest.raises(
            manual.NotStartableError, match="run-as user colleague of the workflow theirs is not active"
        ):
            manual.start_workflow(Workflow.objects.get(pk=made.pk), {}, by=admin)
    emit("go", {})
    deliver()
    drain()
    assert list(ExecutionRun.objects.values_list("status", flat=True)) == ["waiting"]
    assert shown(sign_in(admin), made).count("Stopped: the run-as user colleague is not active.") == 1
    User.objects.filter(pk=colleague.pk).update(is_active=True)
    emit("go", {})
    deliver()
    settle(drain)
    assert list(ExecutionRun.objects.values_list("status", flat=True)) == ["succeeded"] * 2


def test_a_superuser_needs_no_grant(endpoint, grant, theirs, deliver, drain, colleague):
    grant(endpoint)
    theirs(WEBHOOK)
    grant(endpoint, give=False)
    User.objects.filter(pk=colleague.pk).update(is_superuser=True)
    deliver()
    drain()
    assert started() == 1


def test_a_call_of_a_workflow_that_is_stopped_waits_for_it(theirs, workflow, drain):
    theirs("{kind: event, event: unused}")
    WorkflowVersion.objects.filter(workflow__slug="theirs").update(run_as=closed())
    calling = "[{kind: workflow, key: call, workflow: theirs}]"
    caller = workflow(f"name: C\nslug: caller\ntriggers: [{{kind: event, event: go}}]\nsteps: {calling}", publish=False)
    caller.run_as = caller.owner = User.objects.create_superuser("boss")
    caller.save()
    workflows.publish(caller, author=caller.owner)
    emit("go", {})
    settle(drain)
    assert list(ExecutionRun.objects.values_list("workflow__slug", "status").order_by("workflow__slug")) == [
        ("caller", "waiting"),
        ("theirs", "waiting"),
    ]
    User.objects.update(is_active=True)
    settle(drain)
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"succeeded"}


def closed():
    return User.objects.create(username="closed", is_active=False)


# --- runs that have begun ---------------------------------------------------------------------------------------------

ASKS_OUTSIDE = """
  - {{key: first, action: data.set, inputs: {{seen: 1}}}}
  - {{key: call, action: http.request, inputs: {{method: POST, url: '{url}/x'}}}}
  - {{key: again, action: http.request, inputs: {{method: POST, url: '{url}/y'}}}}
"""
WAITS = """
  - {key: pause, kind: wait, duration: 1h}
  - key: guarded
    kind: try
    steps: [{key: keep, action: data.set, inputs: {seen: 1}}]
    on_error: [{key: caught, action: data.set, inputs: {seen: 2}}]
"""


def test_a_run_goes_no_further_once_the_account_is_closed(
    endpoint, grant, theirs, deliver, drain, colleague, sink, monkeypatch
):
    """While the first call is under way: it ends, and the second never begins."""

    def close_account(number, path):
        User.objects.filter(pk=colleague.pk).update(is_active=False)
        return 200, {}, {}

    sink.answer = close_account
    grant(endpoint)
    theirs(WEBHOOK, ASKS_OUTSIDE.format(url=sink.url))
    monkeypatch.setattr(run_rights, "CACHE_SECONDS", 0.0)
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assert run.status == "waiting"
    assert dict(run.steps.values_list("path", "status")) == {"first": "succeeded", "call": "succeeded"}
    assert [path for path, *_ in sink.calls] == ["/x"]
    sink.answer = lambda number, path: (200, {}, {})
    User.objects.filter(pk=colleague.pk).update(is_active=True)
    settle(drain)
    run.refresh_from_db()
    assert run.status == "succeeded" and run.steps.get(path="again").attempt == 1
    assert [path for path, *_ in sink.calls] == ["/x", "/y"]


def test_a_run_that_waited_goes_on_once_the_account_is_open_again(
    endpoint, grant, theirs, deliver, drain, colleague, later
):
    grant(endpoint)
    made = theirs(WEBHOOK, WAITS)
    deliver()
    drain()
    assert ExecutionRun.objects.get().status == "waiting"
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    later(3_700)
    settle(drain)
    assert ExecutionRun.objects.get().status == "waiting"
    assert dict(StepRun.objects.values_list("path", "status")) == {"pause": "waiting"}, "it begins no further step"
    assert Wait.objects.get(status="open").kind == "paused"
    pausing.pause(made, by=colleague)
    pausing.resume(made, by=colleague, backlog="discard")
    assert ExecutionRun.objects.get().status == "waiting", "only new runs are discarded"
    User.objects.filter(pk=colleague.pk).update(is_active=True)
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded"
    assert not Wait.objects.filter(status="open").exists()


def test_a_decision_counts_that_is_made_while_the_account_is_closed(
    endpoint, grant, theirs, deliver, drain, colleague, stranger, admin, sign_in
):
    steps = "  - {key: ask, kind: approval, assignees: [stranger], timeout: 1h}\n" + KEEP
    grant(endpoint)
    theirs(WEBHOOK, steps)
    deliver()
    drain()
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    task = reverse("studio:approval_page", args=[Wait.objects.get().pk])
    said = sign_in(stranger).post(task, {"outcome": "approved"}, follow=True).content.decode()
    assert "The run continues" not in said and "The run waits, because its workflow is stopped." in said
    settle(drain)
    assert ExecutionRun.objects.get().status == "waiting"
    assert not handover.hand_over(colleague, admin, by=admin).left
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded"
    assert StepRun.objects.get(path="ask").output["outcome"] == "approved"


def test_a_run_that_waited_goes_on_when_the_account_is_open_again(
    endpoint, grant, theirs, deliver, drain, colleague, later
):
    grant(endpoint)
    theirs(WEBHOOK, WAITS)
    deliver()
    drain()
    for is_active in (False, True):
        User.objects.filter(pk=colleague.pk).update(is_active=is_active)
    later(3_700)
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded"


# --- what it costs ----------------------------------------------------------------------------------------------------


def scopes(count):
    event = {"source": "webhook:github", "type": "issues", "headers": {}, "payload": {}}
    return [{"event": event} for _ in range(count)]


@pytest.mark.extended
def test_a_batch_costs_one_query_more_and_the_next_none(endpoint, workflow, monkeypatch):
    for number in range(30):
        workflow(FLOW.format(trigger=WEBHOOK, steps=KEEP).replace("theirs", f"own-{number}"))
    asked, run = [], database.run
    monkeypatch.setattr(database, "run", lambda *call: asked.append(call[1]) or run(*call))
    engine, counts = RuleEngine(), []
    for _ in range(2):
        asked.clear()
        assert [len(matches) for matches in engine.match(scopes(20), [endpoint.pk] * 20)] == [30] * 20
        counts.append(len(asked))
    assert counts == [2, 1]


def test_the_page_and_the_worker_say_the_same(endpoint, grant, theirs, colleague):
    grant(endpoint)
    made = theirs(WEBHOOK)
    made.refresh_from_db()
    assert stops.stop_sentences(made) == [] and len(RuleEngine().match(scopes(1), [endpoint.pk])[0]) == 1
    grant(endpoint, give=False)
    assert len(stops.stop_sentences(made)) == 2 and RuleEngine().match(scopes(1), [endpoint.pk]) == [[]]
    assert ActiveTrigger.objects.filter(workflow=made).exists() and not Event.objects.exists()
