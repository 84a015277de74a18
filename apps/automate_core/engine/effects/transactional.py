"""Transactional actions: what they write by Django's ORM commits together with the record of their success."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

import psycopg
from django.db import DatabaseError, connection, transaction

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core import artifacts
from automate_core.engine.journal import Journal
from automate_core.engine.records import Checkpoint, JobDisposition, WriteResult
from automate_core.faultpoints import reach
from automate_core.models import StepRun
from automate_core.states import StepStatus
from automate_core.triggers.host_events import run_origin
from automate_plugins import text

if TYPE_CHECKING:
    from automate_core.engine.effects.call import EffectCall
    from automate_core.engine.outcomes import EffectOutcome

LOCK_TIMEOUT = "5s"
POLL_SECONDS = 0.5


class _LeaseLostError(Exception):
    """The lease was lost, or the run has ended: the action has to be rolled back."""


def perform(call: EffectCall, act: Callable[[], bytes], outcome: EffectOutcome) -> None:
    """Run `act` and record its output, both or neither. Raises ConnectorError; then nothing was written.

    After a lost database it has thus had no effect, and is performed again (`database_loss`).

    The job's row is locked last, by the checkpoint, so that no other lock is waited for under it.
    """
    walk, milliseconds = call.walk, int(call.effect.node.timeout * 1000)
    try:
        with transaction.atomic(durable=True), run_origin(walk.run.id, walk.program.workflow, walk.run.depth):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
                    [LOCK_TIMEOUT, str(milliseconds)],
                )
            output, file = walk.redact(act()), None
            reach("transactional.acted", call.effect.step.path)
            if artifacts.is_large(output):
                output, file = artifacts.put(output)
            if not call.effect.claim("commit"):
                raise _LeaseLostError  # it took too long, and has been answered for
            done = copy(call.effect.step)
            done.succeed(output, file)
            checkpoint = Checkpoint(call.job, JobDisposition.HOLD, walk.run, [done])
            result = Journal(None, worker=call.worker).write([checkpoint])[call.job.id]
            if result is not WriteResult.HELD:
                raise _LeaseLostError
            reach("transactional.recorded", call.effect.step.path)
    except _LeaseLostError:
        raise ConnectorError(
            text("Nothing was saved: the run ended or continues in another worker."), code="not_ours"
        ) from None
    except (DatabaseError, psycopg.Error) as error:
        known = _committed_output(call)
        if known is None:
            call.effect.release("commit")
            raise ConnectorError(
                text("The database is unavailable: %(reason)s", reason=str(error)), code="database_away", retryable=True
            ) from error
        output, file = known
    outcome.output, outcome.output_file = output, file


def _committed_output(call: EffectCall) -> tuple[bytes, str | None] | None:
    """The committed (output, file) when the answer to the commit got lost; None when nothing was committed.

    Asks until the database answers. Until then the lease runs out, and the next worker reads the journal.
    """
    step, began, postponed = call.effect.step, time.monotonic(), call.effect.postponed
    while not call.walk.cancelled:
        connection.close()
        try:
            rows = StepRun.objects.filter(
                run=uuid.UUID(call.walk.run.id), path=step.path, attempt=step.attempt, status=StepStatus.SUCCEEDED
            )
            outputs = list(rows.values_list("output", "output_file"))
            return (encode_output(outputs[0][0]), outputs[0][1]) if outputs else None
        except DatabaseError:
            time.sleep(POLL_SECONDS)
            call.effect.postponed = postponed + time.monotonic() - began
    return None
