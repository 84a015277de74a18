"""EffectCall: what a thread of the effect pool is given to perform."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from automate_core.engine.program import Program
from automate_core.engine.records import RunRecord
from automate_core.engine.sandbox import Sandbox
from automate_core.engine.scheduler import Effect
from automate_core.outbox.store import ClaimedJob


class CallContext(Protocol):
    """What an effect sees of its run: the walk in a worker, or a handed-out step in a performer of a pool."""

    run: RunRecord
    program: Program
    run_info: dict[str, Any]
    log_ids: dict[str, str]
    cancelled: bool

    def redact(self, document: bytes) -> bytes: ...
    def sandbox(self) -> Sandbox: ...


@dataclass(frozen=True, slots=True)
class EffectCall:
    """An effect with all that a thread needs to perform it."""

    job: ClaimedJob
    effect: Effect
    walk: CallContext
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
