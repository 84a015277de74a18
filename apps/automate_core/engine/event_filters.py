"""Event filters that cost too much for the database thread: decided in the effect pool.

The dispatch job is held meanwhile. Once its filters are decided, it is dispatched as any other.
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
class FiltersNode:
    """The filters by trigger id. `timeout` is for all of them, including the wait for those of other events."""

    filters: Mapping[int, Rule]
    timeout: float = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class FiltersCall:
    """A call of the effect pool that decides the filters of an event."""

    job: ClaimedJob
    effect: Effect

    @property
    def job_id(self) -> uuid.UUID:
        """The job that holds it."""
        return self.job.id

    @property
    def is_wanted(self) -> bool:
        """Whether the outcome is still waited for."""
        return not self.effect.cancelled

    def cancel(self) -> None:
        """Drop the outcome: the lease is lost."""
        self.effect.cancelled = True


def build_filters_call(job: ClaimedJob, scope: Mapping[str, Any], filters: Mapping[int, Rule]) -> FiltersCall:
    """The call that decides these filters for the event in `scope`."""
    return FiltersCall(job, Effect(StepRecord("", 1), FiltersNode(filters), scope))


def decide_filters(given: FiltersCall) -> EffectOutcome:
    """Decide each filter. One that costs too much lets nothing pass, as one that cannot be read."""
    decided: dict[str, bool] = {}
    for trigger, rule in given.effect.node.filters.items():
        try:
            with DECIDING:
                decided[str(trigger)] = rule.holds(given.effect.params)
        except RuleCostError as error:
            log.error("job %s: the filter of trigger %s costs too much: %s", given.job_id, trigger, error)
            decided[str(trigger)] = False
    return EffectOutcome(output=encode_output(decided))


def read_decisions(outcome: EffectOutcome) -> dict[int, bool]:
    """The decisions by trigger id."""
    found: dict[str, bool] = msgspec.json.decode(outcome.output or b"{}")
    return {int(trigger): passes for trigger, passes in found.items()}
