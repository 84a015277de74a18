"""Re-runs of steps that may have taken effect: what a service receives, and what people are told before."""

from __future__ import annotations

import json
import threading
from collections import Counter

import pytest
from django.core.management import call_command
from django.urls import reverse

from automate_core.models import BulkAction, ExecutionRun, FailureGroup, StepRun
from automate_core.runs import control
from automate_operations import bulk
from automate_operations.statistics.rollup import count_ended_runs
from tests.support.pages import Page
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

BULK = reverse("studio:runs_bulk")
FLOW = """
name: Ship
slug: ship
triggers: [{endpoint: github}]
steps:
  - {key: reserve, action: http.request, inputs: {method: POST, url: 'SINK/reserve', json: '{{ event.payload }}'}}
  - key: ship
    action: http.request
    timeout: 1
    inputs: {method: METHOD, url: 'SINK/ship', json: {order: '{{ event.payload.order }}', weight: 1.0}}
"""


@pytest.fixture
def shop(workflow, deliver, drain, sink):
    """A service that acts at once and answers late for the orders that are `late`, and refuses the `refused` ones."""
    late, refused, gate = set(), set(), threading.Event()

    def answer(number, path):
        order = sink.calls[number - 1][2]["order"]
        if path == "/ship" and order in late and not gate.is_set():
            gate.wait(20)
        return (422 if path == "/ship" and order in refused and not gate.is_set() else 200, {}, {})

    sink.answer = answer

    def start(orders, *, late_ones=(), refused_ones=(), method="POST", text=FLOW):
        late.update(late_ones)
        refused.update(refused_ones)
        made = workflow(text.replace("SINK", sink.url).replace("METHOD", method))
        for order in orders:
            deliver({"order": order})
        drain()
        gate.set()
        return made

    return start


def shipped(sink, order=None):
    """(order, key) of the calls that ship."""
    return [
        (body["order"], key) for path, key, body in sink.calls if path == "/ship" and order in (None, body["order"])
    ]


def again(run, owner, drain, **options):
    made = control.rerun(run, by=owner, unknown=True, **options)
    drain()
    made.refresh_from_db()
    return made


def work_off():
    while bulk.run_next_batch() is not None:
        pass


def test_a_rerun_sends_the_key_of_the_attempt_that_it_repeats(shop, sink, owner, drain):
    shop([1], late_ones=[1])
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"]) == ("failed", "timeout")
    done = again(run, owner, drain)
    [(_, first), (_, second)] = shipped(sink)
    assert done.status == "succeeded" and first == second
    assert set(StepRun.objects.filter(path="ship").values_list("idempotency_key", flat=True)) == {first}


def test_a_chain_of_reruns_keeps_the_first_key(shop, sink, owner, drain, settings):
    shop([1], late_ones=[1])
    allowed, settings.AUTOMATE_EGRESS_ALLOW = settings.AUTOMATE_EGRESS_ALLOW, []  # fails before the call
    second = again(ExecutionRun.objects.get(), owner, drain)
    assert second.status == "failed" and len(shipped(sink)) == 1
    assert control.rerun_many(ExecutionRun.objects.filter(pk=second.pk), owner, dry_run=True).left_out.unknown == 1
    third = control.rerun(second, by=owner, unknown=True)
    third = control.cancel(third, by=owner)
    settings.AUTOMATE_EGRESS_ALLOW = allowed
    assert again(third, owner, drain).status == "succeeded"
    assert len({key for _, key in shipped(sink)}) == 1 and len(shipped(sink)) == 2


@pytest.mark.parametrize(
    "options", [{"payload": {"order": 2}}, {"start": "start"}, {"start": "reserve"}], ids=["input", "start", "before"]
)
def test_another_input_or_a_repeated_effect_before_it_has_a_new_key(shop, sink, owner, drain, options):
    shop([1], late_ones=[1])
    assert again(ExecutionRun.objects.get(), owner, drain, **options).status == "succeeded"
    [(_, first), (_, second)] = shipped(sink)
    assert first != second


def test_from_the_start_the_first_step_in_doubt_keeps_its_key(shop, sink, owner, drain):
    only = FLOW.replace(
        FLOW[FLOW.index("  - {key: reserve") : FLOW.index("  - key: ship")], "  - {key: a, action: data.set}\n"
    )
    shop([1], late_ones=[1], text=only)
    again(ExecutionRun.objects.get(), owner, drain, start="start")
    assert len(shipped(sink)) == 2 and len(set(shipped(sink))) == 1


def test_a_refused_call_is_a_new_one(shop, sink, owner, drain):
    shop([1], refused_ones=[1])
    again(ExecutionRun.objects.get(), owner, drain)
    [(_, first), (_, second)] = shipped(sink)
    assert first != second


@pytest.mark.parametrize("start", ["failed", "start"])
def test_a_step_that_a_person_set_to_failed_keeps_its_key(shop, sink, owner, drain, start):
    """It counts as an ordinary failure, so that many are re-run; the service may have acted all the same."""
    text = FLOW.replace("    timeout: 1\n", "    timeout: 1\n    at_most_once: true\n")
    text = text.replace(text[text.index("  - {key: reserve") : text.index("  - key: ship")], "")
    shop([1], late_ones=[1], text=text)
    run = ExecutionRun.objects.get()
    assert control.set_outcome(run, by=owner, outcome="failed")
    settle(drain)
    assert ExecutionRun.objects.get().error["code"] == "did_not_happen"
    assert control.rerun_many(ExecutionRun.objects.all(), owner, start=start).done == 1
    drain()
    [(_, first), (_, second)] = shipped(sink)
    assert first == second


def test_what_only_reads_is_rerun_with_many(shop, sink, owner):
    shop([1], late_ones=[1], method="GET")
    result = control.rerun_many(ExecutionRun.objects.all(), owner, dry_run=True)
    assert (result.done, result.left_out.unknown) == (1, 0)


def test_many_are_rerun_without_a_repeated_effect(shop, sink, owner, drain, sign_in, capsys):
    """Three dozen deliveries: the service acts on all of them but the refused ones, for six it answers too late."""
    late, refused = range(6), range(6, 18)
    shop(range(36), late_ones=late, refused_ones=refused)
    assert ExecutionRun.objects.filter(status="failed").count() == 18
    client, url = sign_in(owner), f"{BULK}?show=attention"
    asked = Page(client.post(url, {"do": "retry", "all": "on"}))
    assert "12 runs will be re-run. The outcome of 6 runs is unknown: a service may have acted." in asked.text
    assert "A service that ignores it repeats the effect." in asked.text
    call_command("automate_runs", "rerun", "--status", "failed", "--dry-run", "--as", "owner")
    assert "12 would be re-run. The outcome of 6 runs is unknown" in capsys.readouterr().out
    client.post(url, {"do": "retry", "all": "on", "confirm": "1"})
    work_off()
    drain()
    calls = Counter(order for order, _ in shipped(sink))
    assert [calls[order] for order in late] == [1] * 6, "at a service without keys nothing is repeated"
    assert [calls[order] for order in refused] == [2] * 12
    client.post(url, {"do": "retry", "all": "on", "confirm": "1", "unknown": "on"})
    work_off()
    drain()
    assert BulkAction.objects.latest("id").done == 6
    effects = set(shipped(sink))  # of a service that honours keys, whose refusals are none
    assert Counter(order for order, _ in effects if order not in refused) == Counter(
        [*late, *(order for order in range(18, 36))]
    )


def test_the_group_leaves_unknown_outcomes_out(shop, sink, owner, drain, sign_in):
    shop(range(3), late_ones=range(3))
    count_ended_runs()
    group = FailureGroup.objects.get()
    client, url = sign_in(owner), reverse("studio:failures_rerun", args=[group.pk])
    asked = Page(client.get(url))
    assert "Include 3 runs with an unknown outcome" in asked.text
    assert [button["disabled"] for button in asked.all(id="retry-submit")] == [""]
    ticked = Page(client.get(url, {"unknown": "on"}))
    assert "Re-run 3 runs of Ship" in ticked.text and "Nothing to re-run" not in ticked.text
    assert not [button for button in ticked.all(id="retry-submit") if "disabled" in button]
    client.post(url)
    group.refresh_from_db()
    assert not ExecutionRun.objects.filter(cause="retry").exists() and group.resolved_at is None
    client.post(url, {"unknown": "on"})
    drain()
    group.refresh_from_db()
    assert group.resolved_at is not None and len(set(shipped(sink))) == 3 and len(shipped(sink)) == 6


def test_people_are_told_at_the_run(shop, sign_in, owner):
    shop([1], late_ones=[1])
    run = ExecutionRun.objects.get()
    client = sign_in(owner)
    page = Page(client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk]))).text
    assert "the service may have acted. Check there first" in page
    dialog = Page(client.get(reverse("studio:run_rerun", args=[run.pk]))).text
    assert "is unknown: the service may have acted" in dialog and "sends a new key" in dialog


def test_programs_leave_unknown_outcomes_out(shop, sink, owner, api):
    shop([1], late_ones=[1])
    client, run = api(owner), ExecutionRun.objects.get()
    wanted = {"action": "rerun", "runs": [str(run.pk)]}
    counted = client.post("bulk-actions", {**wanted, "dry_run": True}).json()
    assert (counted["applies_to"], counted["unknown_outcome"]) == (0, 1)
    refused = client.post("bulk-actions", wanted)
    assert refused.status_code == 409 and "outcome of these runs is unknown" in refused.json()["detail"]
    for body in ({}, {"from_step": "start"}, {"unknown": False}):
        refused = client.post(f"runs/{run.pk}/rerun", body)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (409, "unknown_outcome"), body
        assert "unknown: ship. A re-run may repeat" in problem["detail"]
        [error] = problem["errors"]
        assert (error["field"], error["run"], error["step"]) == ("unknown", str(run.pk), "ship")
    with pytest.raises(control.UnknownOutcomeError):
        control.rerun(run, by=owner)
    count_ended_runs()
    group = f"failure-groups/{FailureGroup.objects.get().pk}/rerun"
    result = client.post(group, {}).json()
    assert (result["done"], result["left"], result["unknown_outcome"]) == (0, 0, 1)
    assert client.post("bulk-actions", {**wanted, "unknown": True}).status_code == 202
    work_off()
    assert ExecutionRun.objects.filter(retried_from=run).count() == 1
    assert client.post(f"runs/{run.pk}/rerun", {"unknown": True}).json()["code"] == "already_rerun"
    assert client.post(f"runs/{run.pk}/rerun", {"unknown": True, "again": True}).status_code == 201
    assert ExecutionRun.objects.filter(retried_from=run).count() == 2


def test_a_connection_that_was_never_made_is_no_doubt(workflow, deliver, drain, owner, settings):
    settings.AUTOMATE_EGRESS_ALLOW = ["127.0.0.1:9"]
    workflow(
        "name: N\nslug: n\ntriggers: [{endpoint: github}]\nsteps:\n"
        "  - {key: a, action: http.request, at_most_once: true, inputs: {method: POST, url: 'http://127.0.0.1:9/'}}\n"
    )
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"], json.dumps(run.error["details"])) == (
        "failed",
        "connection_failed",
        '{"sent": false}',
    )
    assert control.rerun_many(ExecutionRun.objects.all(), owner, dry_run=True).done == 1
