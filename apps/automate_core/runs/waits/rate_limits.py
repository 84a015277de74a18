"""Waits for the rate limit of a connection: a step continues when its call is admitted, or when it looks again."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from django.db import transaction

from automate_connectors.limits.calls import AdmittedCall, discard_calls
from automate_core import database
from automate_core.outbox import notify
from automate_core.outbox.lifecycle import ADVANCE_JOBS
from automate_core.runs.waits.resolution import RESOLVE_WAITS

_RESUME = f"""
WITH admitted_calls AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(calls)s::json) AS c(run uuid, path text)
), resolvable_waits AS MATERIALIZED (
    SELECT wait.id, wait.run_id, jsonb_build_object('outcome', 'admitted') AS outcome FROM automate_core_wait wait
    JOIN admitted_calls ON admitted_calls.run = wait.run_id AND admitted_calls.path = wait.path
    WHERE wait.status = 'open' AND wait.kind = 'limit'
), {RESOLVE_WAITS}, advance_jobs AS ({ADVANCE_JOBS})
SELECT admitted_calls.run, admitted_calls.path FROM admitted_calls
WHERE NOT EXISTS (SELECT FROM automate_core_executionrun run
    WHERE run.id = admitted_calls.run AND run.status IN ('queued', 'running', 'waiting'))
"""  # noqa: S608 - one of our own texts inside another


def resume_admitted_steps(sender: Any, calls: list[AdmittedCall], **_: Any) -> None:
    """Resolve the waits of admitted calls; calls of ended runs give their slots back. Receives `calls.admitted`."""
    rows = [{"run": call.run, "path": call.path} for call in calls]
    with transaction.atomic():
        ended = database.run(None, _RESUME, {"calls": msgspec.json.encode(rows).decode()})
    notify.after_commit()
    discard_calls([AdmittedCall(uuid.UUID(str(row.run)), row.path) for row in ended])
