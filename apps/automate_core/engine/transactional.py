"""Transactional actions: what they write by Django's ORM commits together with the record that they were done."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

from django.db import connection, transaction

from automate_connectors.adapters.base import ConnectorError
from automate_core.engine.journal import Checkpoint, Journal, Outcome, Verdict
from automate_core.triggers import originating
from automate_governance.redaction import redact_json

if TYPE_CHECKING:
    from automate_core.engine.effects import EffectCall
    from automate_core.engine.walk import EffectOutcome

LOCK_TIMEOUT = "5s"


class _NotOursError(Exception):
    """The lease was lost, or the run has ended: nothing of the action may stay."""


def perform(call: EffectCall, act: Callable[[], bytes], outcome: EffectOutcome) -> None:
    """Run `act` and record its output, both or neither. Raises ConnectorError; then nothing was written.

    The job's row is locked last, by the checkpoint, so that no other lock is waited for under it.
    """
    walk, milliseconds = call.walk, int(call.effect.node.timeout * 1000)
    try:
        with transaction.atomic(durable=True), originating(walk.run.id, walk.program.workflow):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
                    [LOCK_TIMEOUT, str(milliseconds)],
                )
            output = redact_json(act().decode()).encode()
            done = copy(call.effect.step)
            done.succeed(output)
            checkpoint = Checkpoint(call.job, Outcome.HOLD, walk.run, [done])
            verdict = Journal(None, worker=call.worker).write([checkpoint])[call.job.id]
            if verdict is not Verdict.HELD:
                raise _NotOursError
    except _NotOursError:
        raise ConnectorError("the run was taken over or has ended; nothing was written", code="not_ours") from None
    outcome.output = output
