"""Sifting: which workflows an event starts, where their filters cost too much for the thread that walks.

The job is held meanwhile. Once its filters are decided, it is opened as any other.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from automate_connectors.invocation import encode_output
from automate_core.engine.outcomes import EffectOutcome
from automate_core.engine.records import StepRecord
from automate_core.engine.scheduler import Effect
from automate_core.expressions.json_logic import Rule, RuleCostError
from automate_core.outbox.store import ClaimedJob

log = logging.getLogger(__name__)

#: One condition at a time in a process: more of them would take turns from the thread that walks.
DECIDING = threading.Lock()


@dataclass(frozen=True, slots=True)
class SiftNode:
    """The filters, by the triggers that they belong to. `timeout` is for all of them, after those of others."""

    filters: Mapping[int, Rule]
    timeout: float = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class SiftCall:
    """The effect of deciding an event's filters, as performers take it."""

    job: ClaimedJob
    effect: Effect

    @property
    def job_id(self) -> uuid.UUID:
        """The job that holds it."""
        return self.job.id

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for the outcome."""
        return not self.effect.cancelled

    def let_go(self) -> None:
        """Nobody does."""
        self.effect.cancelled = True


def call(job: ClaimedJob, scope: Mapping[str, Any], filters: Mapping[int, Rule]) -> SiftCall:
    """The call that decides these filters of the event in `scope`."""
    return SiftCall(job, Effect(StepRecord("", 1), SiftNode(filters), scope))


def perform(given: SiftCall) -> EffectOutcome:
    """Decide each. One that costs too much passes nothing, as a filter that cannot be read."""
    decided: dict[str, bool] = {}
    for trigger, rule in given.effect.node.filters.items():
        try:
            with DECIDING:
                decided[str(trigger)] = rule.holds(given.effect.params)
        except RuleCostError as error:
            log.error("job %s: the filter of trigger %s costs too much: %s", given.job_id, trigger, error)
            decided[str(trigger)] = False
    return EffectOutcome(output=encode_output(decided))


def decisions(outcome: EffectOutcome) -> dict[int, bool]:
    """What was decided, by trigger."""
    found: dict[str, bool] = msgspec.json.decode(outcome.output or b"{}")
    return {int(trigger): passes for trigger, passes in found.items()}
