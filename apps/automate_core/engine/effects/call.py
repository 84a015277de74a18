"""EffectCall: what a thread of the effect pool is given to perform."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from automate_core.engine.run_walker import Walk
from automate_core.engine.scheduler import Effect
from automate_core.outbox.store import ClaimedJob


@dataclass(frozen=True, slots=True)
class EffectCall:
    """An effect with all that a thread needs to perform it."""

    job: ClaimedJob
    effect: Effect
    walk: Walk
    worker: str

    @property
    def job_id(self) -> uuid.UUID:
        """The job that holds it."""
        return self.job.id

    @property
    def is_wanted(self) -> bool:
        """Whether the outcome is still waited for."""
        return not self.walk.cancelled and not self.effect.cancelled

    def cancel(self) -> None:
        """Drop the outcome and let the action know: its lease is lost."""
        self.walk.cancelled = True
