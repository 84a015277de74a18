"""Workflows by their steps alone, runs to their end, and time that passes."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db.models import F

from automate_core.models import ExecutionRun, Wait
from automate_core.worker.worker import Worker
from tests.support.walks import settle


@pytest.fixture
def publish(workflow):
    """Publish a workflow whose steps are given."""

    def make(steps, *, slug="flow", head="", triggers="[{endpoint: github}]"):
        return workflow(f"name: Flow\nslug: {slug}\ntriggers: {triggers}\n{head}\nsteps:\n{steps}")

    return make


@pytest.fixture
def run(deliver, drain):
    """Deliver a payload, work until nothing is left, and give the run."""

    def go(payload=None):
        assert deliver(payload or {}).status_code == 202
        settle(drain)
        return ExecutionRun.objects.filter(parent=None).latest("id")

    return go


@pytest.fixture
def later():
    """Let so many seconds pass for all that waits."""

    def pass_by(seconds):
        due_at, remind_at = (F(name) - dt.timedelta(seconds=seconds) for name in ("due_at", "remind_at"))
        Wait.objects.filter(status="open").update(due_at=due_at, remind_at=remind_at)

    return pass_by


@pytest.fixture
def working():
    """A worker in a thread of this process, stopped at the end."""
    started = []

    def start(*, name="hardy", **options):
        worker = Worker(name=name, **options)
        thread = threading.Thread(target=worker.run)
        thread.start()
        started.append((worker, thread))
        return worker

    yield start
    for worker, thread in started:
        worker.stop()
        worker.shutdown_now()
        thread.join(60)
        assert not thread.is_alive()
