"""A run whose run-as user is deactivated while effects are under way: nothing new begins, and no run fails for it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from automate_authoring import pausing
from automate_connectors.adapters.base import ConnectorError
from automate_core.engine.outcomes import NOT_BEGUN
from automate_core.events import run_rights
from automate_core.models import ExecutionRun, StepRun, Wait
from automate_core.runs import control
from tests.support.walks import Slow, fatal, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

BRANCHES = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - kind: parallel
    key: all
    arms:
      - key: one
        steps:
          - {key: long, action: http.request, inputs: {url: 'URL/long'}}
      - key: two
        steps:
          - {key: quick, action: http.request, inputs: {url: 'URL/quick'}}
          - {key: next, action: http.request, inputs: {url: 'URL/next'}}
"""


@pytest.fixture(autouse=True)
def _rights_are_always_read(monkeypatch):
    monkeypatch.setattr(run_rights, "CACHE_SECONDS", 0.0)


def activate(person, is_active):
    User.objects.filter(pk=person.pk).update(is_active=is_active)


@pytest.fixture
def slow(workflow, deliver, owner, sink):
    """A run whose branch `long` is under way, and whose branch beside it gets to `next` after the deactivation."""
    workflow(BRANCHES.replace("URL", sink.url))
    assert deliver().status_code == 202
    worker = Slow()
    worker.begin()
    assert sorted(worker.paths()) == ["all/long", "all/quick"]
    activate(owner, False)
    worker.answer("all/quick")
    assert worker.paths() == ["all/long"], "nothing new begins"
    return worker


def stored():
    return states(ExecutionRun.objects.get())


def test_it_waits_when_the_other_effects_have_ended(slow, owner, drain, sink):
    assert stored() == {"all": "running", "all/long": "running", "all/quick": "succeeded"}
    slow.answer("all/long")
    run = ExecutionRun.objects.get()
    assert (run.status, run.error) == ("waiting", None)
    assert stored() == {"all": "running", "all/long": "succeeded", "all/quick": "succeeded"}
    assert Wait.objects.get(kind="paused", status="open").data == {"begun": True}
    activate(owner, True)
    pausing.release()
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded"
    assert [path for path, *_ in sink.calls] == ["/next"] and StepRun.objects.filter(path="all/next").count() == 1


def test_it_goes_on_at_once_when_the_user_is_active_again_before(slow, owner):
    activate(owner, True)
    slow.answer("all/long")
    assert slow.paths() == ["all/next"] and stored()["all/next"] == "running"
    slow.answer("all/next")
    assert ExecutionRun.objects.get().status == "succeeded" and not Wait.objects.filter(kind="paused").exists()


def test_a_failure_beside_it_ends_the_run(slow):
    slow.answer("all/long", error=fatal())
    assert slow.paths() == ["all/next"]
    [call] = slow.calls
    assert not call.is_wanted, "no thread performs it"
    slow.answer("all/next", error=ConnectorError("Cancelled before it started.", code=NOT_BEGUN))
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"], run.error["step"]) == ("failed", "http_400", "long")
    assert stored()["all/next"] == "cancelled"


def test_a_cancelled_run_keeps_no_trace_of_it(slow, owner):
    control.cancel(ExecutionRun.objects.get(), by=owner)
    slow.engine.poll_external_changes()
    slow.go_on()
    slow.answer("all/long")
    run = ExecutionRun.objects.get()
    assert run.status == "cancelled" and "all/next" not in stored()
    assert not slow.engine.held
