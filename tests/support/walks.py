"""Working until nothing is left, and what came of it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from automate_connectors.adapters.base import ConnectorError
from automate_core.engine.effects.performer import perform
from automate_core.engine.execution import ExecutionEngine
from automate_core.engine.journal import Journal
from automate_core.engine.outcomes import EffectOutcome
from automate_core.events.matching import RuleEngine
from automate_core.models import OutboxJob, StepRun
from automate_core.outbox.store import OutboxStore
from automate_core.runs.waits import sub_run_outcomes


def settle(drain):
    """Work until nothing is ready and no run waits for one that has ended."""
    for _ in range(50):
        drain()
        sub_run_outcomes.resolve_waits()
        OutboxStore().wake_due()
        if not OutboxJob.objects.filter(status="ready").exists():
            return
    raise AssertionError("there is always more to do")


def output(run, path):
    return StepRun.objects.get(run=run, path=path, status="succeeded").output


def states(run):
    return dict(StepRun.objects.filter(run=run).order_by("attempt").values_list("path", "status"))


class Slow:
    """A worker in slow motion: effects are collected and answered by hand, and a crash forgets the engine."""

    def __init__(self):
        self.outbox = OutboxStore(worker="w")
        self.restart()

    def restart(self):
        self.calls = []
        self.engine = ExecutionEngine(Journal(None, worker="w"), RuleEngine(), lambda call: self.calls.append(call))

    def begin(self):
        self.engine.run_once(self.outbox.claim_batch(10))
        self.go_on()

    def go_on(self):
        for _ in range(20):
            if not self.engine.has_more:
                return
            self.engine.run_once([])

    def paths(self):
        return [call.effect.step.path for call in self.calls]

    def perform(self):
        calls, self.calls = self.calls, []
        self.engine.deliver_results([(call, perform(call)) for call in calls])
        self.go_on()

    def answer(self, path, output=b"{}", error=None):
        [call] = [c for c in self.calls if c.effect.step.path == path]
        self.calls.remove(call)
        self.engine.deliver_results([(call, EffectOutcome(error=error) if error else EffectOutcome(output=output))])
        self.go_on()

    def crash(self):
        self.restart()
        OutboxJob.objects.filter(status="leased").update(lease_until=timezone.now() - timedelta(seconds=1))
        self.outbox.rescue()
        self.engine.run_once([self.outbox.claim_quarantined()])
        self.go_on()


def fatal(message="no"):
    return ConnectorError(message, code="http_400")
