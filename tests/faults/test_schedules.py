"""Schedulers that die and freeze in the middle of a slot: each slot has its one event, and that its one run."""

from __future__ import annotations

import signal
import time
from collections import Counter

import pytest

from automate_core.models import Event, ExecutionRun, Schedule
from tests.faults.harness import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

TICKING = """
name: Ticking
slug: ticking
triggers:
  - {kind: schedule, key: second, every: 1s}
  - {kind: schedule, key: other, every: 2s, missed: all}
steps: [{key: note, action: data.set, inputs: {n: '{{ event.payload.scheduled_for }}'}}]
"""


def slots(key="second"):
    return Event.objects.filter(source="schedule:ticking", type=key).count()


@pytest.mark.extended
def test_schedulers_die_and_freeze_while_a_slot_is_fired(workflow, mill, drain, children_find_us):
    """F23: of three, one dies and one freezes with the events written and not committed, and one dies between slots.

    Who fires knows when the next slot is and goes on to fire; the others look every two seconds, and take over.
    """
    doomed = mill.worker(AUTOMATE_FAULTS="schedules.fired=kill@3")
    workflow(TICKING)
    assert doomed.wait(180) == -signal.SIGKILL
    frozen = mill.worker(AUTOMATE_FAULTS="schedules.fired=stop@2")
    wait_for(lambda: mill.reached("schedules.fired", 2) and frozen.is_stopped)
    before = slots()
    others = [mill.worker() for _ in range(2)]
    wait_for(lambda: all(worker.said(" slots") for worker in others))
    time.sleep(1)
    assert slots() == before, "the frozen one holds the schedules: nobody fires in its place, and none waits for it"
    frozen.signal(signal.SIGCONT)
    wait_for(lambda: slots() > before + 4)
    frozen.kill()  # between two slots, whichever of the three leads now
    before = slots()
    wait_for(lambda: slots() > before + 2)
    for worker in others:
        mill.terminate(worker)
    assert [worker.wait() for worker in others] == [0, 0]
    Schedule.objects.update(next_at=None)  # no more of them: what has fired is worked off
    drain()
    assert slots() >= 10 and slots("other") >= 5
    runs = Counter(ExecutionRun.objects.values_list("event", flat=True))
    assert set(runs) == set(Event.objects.values_list("pk", flat=True)) and set(runs.values()) == {1}
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"succeeded"}
