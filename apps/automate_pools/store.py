"""The SQL of handed-out steps. Rows are locked in one order: run, then handed-out step.

A row leaves by its outcome alone. Before a claim it is sent again and again, at growing intervals; after a claim
without an outcome in time it is handed out again under a new token.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from django.db import transaction

from automate_core import database
from automate_core.engine.executor import Message, Pool
from automate_core.outbox import notify
from automate_core.outbox.lifecycle import ADVANCE_JOBS
from automate_core.runs.waits.resolution import RESOLVE_WAITS
from automate_plugins.texts import plain

SEND_MOST = 200
LONGEST_RESEND = 900.0
FAILED_SECONDS = 5.0  #: until messages that could not be sent are tried again
REFUSED_SECONDS = 10.0  #: until a refused message is sent again
MARGIN_SECONDS = 15.0  #: beside the step's timeout, until a claim without an outcome counts as lost

#: Something is to be sent, or a deadline has passed.
DUE = "EXISTS (SELECT FROM automate_core_handedoutstep WHERE due_at <= automate_now())"

_OPEN = "EXISTS (SELECT FROM automate_core_wait wait WHERE wait.id = step.id AND wait.status = 'open')"

_DELETE_CLOSED = f"""
DELETE FROM automate_core_handedoutstep WHERE id IN (
    SELECT step.id FROM automate_core_handedoutstep step
    WHERE step.due_at <= automate_now() AND NOT {_OPEN} LIMIT %(most)s FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 - one of our own texts inside another

_TAKE = """
WITH due_steps AS MATERIALIZED (
    SELECT id FROM automate_core_handedoutstep
    WHERE pool = %(pool)s AND claimed_at IS NULL AND due_at <= automate_now()
    ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE automate_core_handedoutstep step
SET messages = messages + 1, version = %(version)s,
    due_at = automate_now()
        + least(%(resend)s * power(2, least(messages, 10)), %(longest)s) * interval '1 second'
FROM due_steps WHERE step.id = due_steps.id
RETURNING step.id, step.token
"""

_POSTPONE = """
UPDATE automate_core_handedoutstep SET due_at = automate_now() + %(seconds)s * interval '1 second'
WHERE id = ANY(%(ids)s) AND claimed_at IS NULL
"""

_AGAIN = """
WITH late_steps AS MATERIALIZED (
    SELECT id FROM automate_core_handedoutstep
    WHERE claimed_at IS NOT NULL AND claims < most_claims AND due_at <= automate_now()
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE automate_core_handedoutstep step
SET token = token + 1, claimed_at = NULL, performer = '', messages = 0, due_at = automate_now()
FROM late_steps WHERE step.id = late_steps.id RETURNING step.id
"""

_LOST = """
SELECT id, run_id, token, claims FROM automate_core_handedoutstep
WHERE claimed_at IS NOT NULL AND claims >= most_claims AND due_at <= automate_now() LIMIT %(most)s
"""

_LOCK_LIVE_RUN = """
SELECT run.id FROM automate_core_executionrun run
WHERE run.id = (SELECT run_id FROM automate_core_handedoutstep WHERE id = %(id)s)
    AND run.status IN ('queued', 'running', 'waiting') FOR SHARE
"""

_CLAIM = f"""
UPDATE automate_core_handedoutstep step
SET claimed_at = automate_now(), performer = %(performer)s, claims = claims + 1,
    due_at = automate_now() + (seconds + %(margin)s) * interval '1 second'
WHERE step.id = %(id)s AND step.token = %(token)s AND step.claimed_at IS NULL AND step.version = %(version)s AND {_OPEN}
RETURNING step.id, step.run_id, step.path, step.attempt, step.token, step.pool, step.params::text AS params,
    step.seconds, (
        SELECT idempotency_key FROM automate_core_steprun attempt
        WHERE attempt.run_id = step.run_id AND attempt.path = step.path AND attempt.attempt = step.attempt) AS key
"""  # noqa: S608 - one of our own texts inside another

_REFUSE = """
UPDATE automate_core_handedoutstep
SET refused_at = automate_now(), due_at = automate_now() + %(seconds)s * interval '1 second'
WHERE id = %(id)s AND token = %(token)s AND claimed_at IS NULL AND version <> %(version)s RETURNING version
"""

_WANTED = f"""
SELECT step.id FROM automate_core_handedoutstep step WHERE step.id = %(id)s AND step.token = %(token)s AND {_OPEN}
"""  # noqa: S608 - one of our own texts inside another

_LOCK_RUN = "SELECT id FROM automate_core_executionrun WHERE id = %(run)s FOR NO KEY UPDATE"

_RETURN = "DELETE FROM automate_core_handedoutstep WHERE id = %(id)s AND token = %(token)s RETURNING run_id"

_OUTCOME = f"""
WITH resolvable_waits AS MATERIALIZED (
    SELECT id, run_id, %(outcome)s::jsonb AS outcome FROM automate_core_wait WHERE id = %(id)s AND status = 'open'
), {RESOLVE_WAITS}, advance_jobs AS ({ADVANCE_JOBS}), new_logs AS (
    INSERT INTO automate_core_runlog (id, run_id, path, attempt, level, message, at, seq)
    SELECT l.id, locked_runs.id, l.path, l.attempt, l.level, l.message,
        automate_now() - l.ago * interval '1 millisecond', locked_runs.seq + 1
    FROM json_to_recordset(%(logs)s::json) AS l(
        id uuid, path text, attempt int, level text, message text, ago float8)
    CROSS JOIN locked_runs
)
SELECT run_id FROM resolved_waits
"""  # noqa: S608 - our own texts inside another


def take_due(pool: Pool, version: str) -> list[Message]:
    """Take steps of a pool whose messages are due, for this code version; they are due again later."""
    values = {
        "pool": pool.name,
        "most": SEND_MOST,
        "version": version,
        "resend": pool.resend_seconds,
        "longest": LONGEST_RESEND,
    }
    return [Message(row.id, row.token) for row in database.run(None, _TAKE, values)]


def postpone(messages: Sequence[Message]) -> None:
    """Send these again soon: the broker did not take them."""
    database.run(None, _POSTPONE, {"ids": [each.step_id for each in messages], "seconds": FAILED_SECONDS})


def delete_closed() -> None:
    """Delete due steps without a waiting run: the run ended, or a person skipped the step."""
    database.run(None, _DELETE_CLOSED, {"most": SEND_MOST})


def hand_out_again() -> int:
    """Hand out again what was claimed and has no outcome by its deadline; gives how many steps."""
    return len(database.run(None, _AGAIN, {"most": SEND_MOST}))


def lost_steps() -> list[Any]:
    """(id, run_id, token, claims) of overdue steps that may not be claimed again."""
    return database.run(None, _LOST, {"most": SEND_MOST})


def claim(step_id: uuid.UUID, token: int, *, performer: str, version: str) -> Any:
    """Claim a step by its token: its row, or None when another has it, or it is not wanted any more."""
    values = {"id": step_id, "token": token, "performer": performer, "version": version, "margin": MARGIN_SECONDS}
    with transaction.atomic():
        if not database.run(None, _LOCK_LIVE_RUN, {"id": step_id}):
            return None
        return next(iter(database.run(None, _CLAIM, values)), None)


def refuse(step_id: uuid.UUID, token: int, *, version: str) -> str | None:
    """Have a step of another code version sent again later: that version; None when it is not such a step."""
    values = {"id": step_id, "token": token, "version": version, "seconds": REFUSED_SECONDS}
    rows = database.run(None, _REFUSE, values)
    return rows[0].version if rows else None


def is_wanted(step_id: uuid.UUID, token: int) -> bool:
    """Whether the outcome of that claim is still waited for."""
    found = database.run(None, _WANTED, {"id": step_id, "token": token})
    return bool(found)


def write_outcome(
    step_id: uuid.UUID, run_id: uuid.UUID, token: int, outcome: dict[str, Any], logs: Sequence[dict[str, Any]] = ()
) -> bool:
    """Write the outcome of a claim and wake the run: whether it was that claim's to write. Raises django.db.Error."""
    with transaction.atomic():
        database.run(None, _LOCK_RUN, {"run": run_id})
        if not database.run(None, _RETURN, {"id": step_id, "token": token}):
            return False
        values = {
            "id": step_id,
            "outcome": msgspec.json.encode(outcome, enc_hook=plain).decode(),
            "logs": msgspec.json.encode(list(logs)).decode(),
        }
        is_resolved = bool(database.run(None, _OUTCOME, values))
    notify.after_commit()
    return is_resolved
