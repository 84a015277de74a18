"""What people do to runs while workers die or race with them: limits hold, cancelled is cancelled, old runs stay."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress

import pytest
from django.db import connections

from automate_core.models import Event, ExecutionRun, OutboxJob, StepRun, Wait
from automate_core.runs import control
from automate_core.runs.waits import approvals
from automate_operations import dead_jobs
from tests.faults.harness import at_once, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


# --- limits -----------------------------------------------------------------------------------------------------------

LIMITED = """
name: Limited
slug: limited
concurrency: {{limit: 3, key: '{{{{ event.payload.key }}}}'}}
triggers: [{{endpoint: github}}]
steps:
  - {{key: call, action: http.request, inputs: {{method: POST, url: '{url}/{{{{ event.payload.n }}}}'}}}}
"""


@pytest.mark.extended
def test_a_limit_of_three_holds_while_workers_are_killed(workflow, mill, deliver, sink):
    """F24: a killed worker's runs keep their place until others have ended them, and then it is free."""
    calls, lock = defaultdict(list), threading.Lock()

    def answer(number, path):
        started = time.monotonic()
        time.sleep(0.15)
        with lock:
            calls[path].append((started, time.monotonic()))
        return 200, {}, {}

    sink.answer = answer
    workflow(LIMITED.format(url=sink.url))
    workers = [mill.standby("--concurrency", "4", AUTOMATE_LEASE_SECONDS="8") for _ in range(3)]
    for number in range(100):
        deliver({"n": number, "key": "a" if number % 10 else "b"})
    for worker in workers:  # together, so that none has done everything before the next has started
        worker.signal(signal.SIGCONT)
    for _ in range(2):
        made = len(sink.calls)
        wait_for(lambda made=made: len(sink.calls) > made + 15)
        # whoever ends a run takes the next one of the limit, so that another worker may have nothing to do
        victim = wait_for(lambda: next((each for each in workers if has_work(each)), None))
        workers.remove(victim)
        victim.kill()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 100)
    assert len(calls) == 100
    for key, most in (("a", 3), ("b", 3)):
        of_key = {path: made for path, made in calls.items() if (int(path[1:]) % 10 > 0) == (key == "a")}
        last = [made[-1] for made in of_key.values()]  # what a killed worker had begun stays open for a while
        assert most_at_once(last) <= most, key
    assert most_at_once([made[-1] for made in calls.values()]) > 1, "nothing went on side by side"


def has_work(worker):
    """Whether the worker holds a lease."""
    return OutboxJob.objects.filter(status="leased", worker=worker.name).exists()


def most_at_once(intervals):
    """The highest number of intervals that overlap."""
    steps = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    going_on = most = 0
    for _, step in steps:
        going_on += step
        most = max(most, going_on)
    return most


# --- cancel -----------------------------------------------------------------------------------------------------------

STATES = {
    "effect": "- {{key: act, {call}}}\n  - {{key: after, {call}}}",
    "timer": "- {{kind: wait, key: act, duration: {short}}}\n  - {{key: after, {call}}}",
    "approval": "- {{kind: approval, key: act, assignees: [owner], timeout: 1h}}\n  - {{key: after, {call}}}",
    "retry": "- {{key: act, retry: {{attempts: 9, base: {short}, factor: 1}}, {call}}}\n  - {{key: after, action: data.set}}",
    "parallel": "- kind: parallel\n    key: act\n    arms:\n      - {{key: a, steps: [{{key: one, {call}}}]}}\n"
    "      - {{key: b, steps: [{{kind: wait, key: two, duration: {short}}}, {{key: after, {call}}}]}}",
    "loop": "- {{kind: for_each, key: act, items: [1, 2, 3, 4, 5], steps: [{{key: one, {call}}}]}}",
    "queued": "- {{key: act, {call}}}",
}
STATE = """
name: {name}
slug: {name}
triggers: [{{endpoint: github, filter: {{'==': [{{var: event.payload.to}}, {to}]}}}}]
steps:
  {steps}
"""


@pytest.fixture
def in_state(workflow, sink):
    """A workflow for each state, whose calls go to the path of its name; `short` is how long they wait."""

    def make(short):
        for name, steps in STATES.items():
            call = f"action: http.request, inputs: {{method: POST, url: '{sink.url}/{name}'}}"
            to = "effect" if name == "queued" else name  # two runs of one event: one of them is queued
            workflow(STATE.format(name=name, to=to, steps=steps.format(call=call, short=short)))

    return make


def attempts(run):
    """What has been started of a run."""
    return set(StepRun.objects.filter(run=run).values_list("path", "attempt"))


@pytest.mark.extended
def test_a_run_is_cancelled_in_each_state(in_state, mill, deliver, sink, owner):
    """F26: the calls on their way are broken off, and nothing follows."""
    let_go = threading.Event()
    sink.answer = lambda number, path: (503 if path == "/retry" else 200 if let_go.wait(60) else 500, {}, {})
    in_state(3600)
    mill.worker("--concurrency", "3", AUTOMATE_LEASE_SECONDS="30")
    for name in ("timer", "approval", "retry", "parallel", "loop"):
        deliver({"to": name})
    wait_for(lambda: len(sink.calls) == 3 and Wait.objects.filter(status="open").count() == 4)
    deliver({"to": "effect"})  # starts two runs, for which there is one slot
    wait_for(lambda: len(sink.calls) == 4)
    runs = list(ExecutionRun.objects.select_related("workflow"))
    assert Counter(run.status for run in runs) == {"waiting": 3, "running": 3, "queued": 1}
    kinds = Wait.objects.filter(status="open").values_list("kind", flat=True)
    assert sorted(kinds) == ["approval", "retry", "timer", "timer"]
    began = {}
    for run in runs:
        control.cancel(run, by=owner)
        began[run] = attempts(run)
    wait_for(lambda: not OutboxJob.objects.filter(status__in=["ready", "leased"]).exists())
    let_go.set()
    assert {run: attempts(run) for run in runs} == began
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"cancelled"}
    assert set(Wait.objects.values_list("status", flat=True)) == {"cancelled"}
    assert not StepRun.objects.filter(status__in=["running", "waiting"]).exists()
    assert StepRun.objects.filter(status="failed", error__code="cancelled").count() == 3, "what was under way"
    assert len(sink.calls) == 4


@pytest.mark.extended
def test_cancelling_races_with_all_that_goes_on(in_state, mill, deliver, sink, owner):
    """F26: at any moment; who was told that a run is cancelled sees no further step of it."""
    chance, began, ended, deciding = random.Random(11), {}, set(), []

    def answer(number, path):
        time.sleep(0.1)
        return (503 if path == "/retry" and number % 2 else 200), {}, {}

    def decide(run):
        with suppress(approvals.NotOpenError), closing_connections():
            waits = Wait.objects.filter(run=run, kind="approval")
            over = ExecutionRun.objects.filter(pk=run.pk, status="cancelled")
            wait_for(lambda: waits.exists() or over.exists())
            if wait := waits.first():
                approvals.decide_approval(wait, by=owner, outcome="approved", form={})

    def race(moment):
        name, pause = moment
        with closing_connections():
            trace_id = deliver({"to": name}).json()["trace_id"]
            count = 2 if name == "effect" else 1
            runs = ExecutionRun.objects.filter(trace_id=trace_id)
            wait_for(lambda: len(runs.all()) == count)
            for run in runs.select_related("workflow"):
                if name == "approval":
                    deciding.append(threading.Thread(target=decide, args=[run]))
                    deciding[-1].start()
                time.sleep(pause / 3 if name == "approval" else pause)
                try:
                    control.cancel(run, by=owner)
                    began[run.pk] = attempts(run)
                except control.EndedError:
                    ended.add(run.pk)

    sink.answer = answer
    in_state(0.2)
    for _ in range(2):
        mill.worker("--concurrency", "3")
    wait_for(lambda: all(worker.said(" slots") for worker in mill.processes))
    latest = 0.8  # how long a run takes depends on the machine: until some were cancelled and some came too late
    while len(began) <= 5 or len(ended) <= 2:
        moments = [(name, chance.uniform(0, latest)) for name in STATES if name != "queued" for _ in range(6)]
        chance.shuffle(moments)
        at_once(race, moments, threads=4)
        latest *= 2 if len(ended) <= 2 else 0.5
    for thread in deciding:
        thread.join()
    wait_for(lambda: not OutboxJob.objects.filter(status__in=["ready", "leased"]).exists())
    statuses = dict(ExecutionRun.objects.values_list("pk", "status"))
    assert {pk for pk, status in statuses.items() if status == "cancelled"} == set(began)
    assert {pk: statuses[pk] for pk in ended} == dict.fromkeys(ended, "succeeded")
    assert {pk: attempts(pk) for pk in began} == began


@contextmanager
def closing_connections():
    """For a thread of the test."""
    try:
        yield
    finally:
        connections.close_all()


# --- replay -----------------------------------------------------------------------------------------------------------

TWO_CALLS = """
name: Effect
slug: effect
triggers: [{{endpoint: github}}]
steps:
  - {{key: first, action: http.request, inputs: {{method: POST, url: '{url}/first'}}}}
  - {{key: second, action: http.request, inputs: {{method: POST, url: '{url}/second'}}}}
"""


def given_up():
    """Whether the job of the frozen worker is dead; it has but one attempt left."""
    return OutboxJob.objects.filter(status="dead").first()


@pytest.mark.extended
@pytest.mark.parametrize("wakes", ["during", "after"])
def test_a_dead_job_is_replayed_while_its_zombie_lives(workflow, mill, deliver, sink, owner, wakes):
    """F27: the zombie wakes while the new run goes on, with its write in hand, or when all is over."""
    workflow(TWO_CALLS.format(url=sink.url))
    point, fault = {"during": ("journal.writing", "stop@2"), "after": ("effect.done", "stop@1")}[wakes]
    zombie, second = mill.worker(AUTOMATE_FAULTS=f"{point}={fault}"), mill.standby()
    deliver()
    wait_for(lambda: mill.reached(point) and zombie.is_stopped)

    def answer(number, path):
        if path == "/second" and wakes == "during":
            zombie.signal(signal.SIGCONT)
            wait_for(lambda: zombie.said("lease lost"))
        return 200, {}, {}

    sink.answer = answer
    OutboxJob.objects.update(attempts=5)  # the others are behind it
    second.signal(signal.SIGCONT)
    dead = wait_for(given_up)
    old = ExecutionRun.objects.filter(pk=dead.run_id)
    before = snapshot(old)
    with pytest.raises(control.UnknownOutcomeError):
        dead_jobs.requeue_job(dead, by=owner)
    new = dead_jobs.requeue_job(dead, by=owner, unknown=True)
    wait_for(lambda: ExecutionRun.objects.filter(pk=new.pk, status="succeeded").exists())
    if wakes == "after":
        done = snapshot(ExecutionRun.objects.filter(pk=new.pk))
        zombie.signal(signal.SIGCONT)
        wait_for(lambda: zombie.said("lease lost"))
        assert snapshot(ExecutionRun.objects.filter(pk=new.pk)) == done
    assert snapshot(old) == before and old.get().status == "failed"
    assert (new.retried_from_id, new.pk != dead.run_id) == (dead.run_id, True)
    assert [path for path, _, _ in sink.calls] == ["/first", "/first", "/second"]
    with pytest.raises(control.ControlError, match="already requeued"):
        dead_jobs.requeue_job(dead, by=owner)


def snapshot(run):
    """All that is recorded of a run, but for what others write of it: that its failure was told, and its re-run."""
    return [
        [
            {name: value for name, value in row.items() if name not in {"noticed", "rerun_at"}}
            for row in rows.order_by("pk").values()
        ]
        for rows in (run, *(model.objects.filter(run__in=run) for model in (StepRun, Wait, OutboxJob)))
    ]


@pytest.mark.parametrize("workflows", [1, 2])
def test_an_event_that_is_matched_again_makes_no_second_run(workflow, deliver, drain, evidence, workflows):
    """I7: one match goes on in its own job, several get jobs of their own; neither is made twice."""
    for number in range(workflows):
        workflow(
            f"{{name: W, slug: w{number}, triggers: [{{endpoint: github}}], steps: [{{key: a, action: data.set}}]}}"
        )
    deliver()
    for _ in range(2):
        drain()
        OutboxJob.objects.create(kind="dispatch", event=Event.objects.get())
    drain()
    assert ExecutionRun.objects.count() == workflows
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"succeeded"}
