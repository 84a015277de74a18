"""Failure groups: failures of one workflow, at one step, with one code and one form of message.

Operations on a group need the permission to run its workflow, and are audited.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from automate_core import database
from automate_core.definition.step_paths import without_items
from automate_core.models import ExecutionRun, FailureGroup
from automate_core.runs import control
from automate_core.runs.doubts import unknown_outcomes
from automate_core.states import RunStatus
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_plugins import text

MOST_AT_ONCE = 200  #: runs that are run again by one request

_QUOTED = re.compile("|".join(f"{a}[^{b}]*{b}" for a, b in ('""', "''", "``", "“”", "\u2018\u2019")))
_NUMBERED = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b|\d+(?:[.,:]\d+)*")


def message_form(message: str) -> str:
    """A message without quoted parts, ids and numbers, which differ from one failure to the next."""
    return " ".join(_NUMBERED.sub("#", _QUOTED.sub("…", message.casefold())).split())


def fingerprint(path: str, code: str, message: str) -> str:
    """The fingerprint of a failure's group."""
    return hashlib.sha256("\n".join([without_items(path), code, message_form(message)]).encode()).hexdigest()[:32]


# The rows of a group are given in the order of their ends, so that the last one is the latest.
_ADD = """
WITH new_failures AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(failures)s::json) AS f(
        run uuid, workflow bigint, fingerprint text, path text, code text, message text, at timestamptz)
), updated_groups AS (
    INSERT INTO automate_core_failuregroup AS had
        (workflow_id, fingerprint, path, code, message, first_at, last_at, last_run)
    SELECT DISTINCT ON (workflow, fingerprint) workflow, fingerprint, path, code, message,
        min(at) OVER (PARTITION BY workflow, fingerprint), at, run
    FROM new_failures ORDER BY workflow, fingerprint, at DESC, run DESC
    ON CONFLICT (workflow_id, fingerprint) DO UPDATE
    SET first_at = least(had.first_at, excluded.first_at), last_at = greatest(had.last_at, excluded.last_at),
        message = CASE WHEN excluded.last_at >= had.last_at THEN excluded.message ELSE had.message END,
        last_run = CASE WHEN excluded.last_at >= had.last_at THEN excluded.last_run ELSE had.last_run END,
        resolved_at = CASE WHEN had.resolved_at > excluded.last_at THEN had.resolved_at END
    RETURNING id, workflow_id, fingerprint
), grouped_failures AS MATERIALIZED (
    SELECT updated_groups.id, new_failures.run, new_failures.at FROM new_failures
    JOIN updated_groups ON updated_groups.workflow_id = new_failures.workflow
        AND updated_groups.fingerprint = new_failures.fingerprint
), new_failed_runs AS (
    INSERT INTO automate_core_failedrun (run_id, group_id) SELECT run, id FROM grouped_failures ON CONFLICT DO NOTHING
)
INSERT INTO automate_core_failurecount AS had (group_id, at, count)
SELECT id, date_trunc('hour', at, 'UTC'), count(*) FROM grouped_failures GROUP BY 1, 2
ON CONFLICT (group_id, at) DO UPDATE SET count = had.count + excluded.count
"""


def add_failures(rows: Iterable[Any]) -> None:
    """Put failures into their groups: rows of (id, workflow_id, finished_at, code, message, path), none without id."""
    failures = [_failure(row) for row in rows if row.id is not None]
    if failures:
        database.run(None, _ADD, {"failures": msgspec.json.encode(failures).decode()})


def _failure(row: Any) -> Mapping[str, Any]:
    code, message = (row.code or "unknown")[:200], row.message or ""
    return {
        "run": row.id,
        "workflow": row.workflow_id,
        "fingerprint": fingerprint(row.path, code, message),
        "path": without_items(row.path),
        "code": code,
        "message": message[:500],
        "at": row.finished_at,
    }


# --- what people do ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupRetry:
    """The number of runs that were re-run, the reasons of refused ones, and the number of runs left.

    `unknown` counts runs that are left out because the outcome of a step is unknown.
    """

    done: int
    refused: Mapping[str, str]
    left: int
    unknown: int = 0


@transaction.atomic
def rerun_and_resolve(run: ExecutionRun, *, by: Person | None, **options: Any) -> ExecutionRun:
    """Re-run one run as `control.rerun` does, and resolve its failure group when it was the last one left there."""
    made = control.rerun(run, by=by, **options)
    resolve_retried([run.pk], by=by)
    return made


def retryable_runs(group: FailureGroup) -> QuerySet[ExecutionRun]:
    """The runs of a group that were not re-run yet."""
    return ExecutionRun.objects.filter(failure__group=group, status=RunStatus.FAILED, retries__isnull=True)


def retry_group(
    group: FailureGroup, *, by: Person, version: control.Version = "original", unknown: bool = False
) -> GroupRetry:
    """Re-run the group's runs from the failed step, the oldest first, MOST_AT_ONCE at most, each by itself.

    Those whose outcome is unknown are left out unless `unknown`.

    When none is left the group is resolved: a further failure reopens it. Raises NotPermittedError.
    """
    _check(by, group)
    chosen, in_doubt = split_retryable(group, unknown=unknown)
    oldest = ExecutionRun.objects.filter(pk__in=chosen[:MOST_AT_ONCE])
    result = control.rerun_many(oldest, by, version=version, once=True, again=True, unknown=True)
    left = retryable_runs(group).count() - len(result.refused)
    if not left and not result.refused:
        _mark(group, by, "failures.retried", {"runs": result.done}, resolved_at=database.AutomateNow())
    return GroupRetry(done=result.done, refused=result.refused, left=max(left - in_doubt, 0), unknown=in_doubt)


def split_retryable(group: FailureGroup, *, unknown: bool = False) -> tuple[list[uuid.UUID], int]:
    """(the runs that `retry_group` re-runs, oldest first, how many it leaves out)."""
    there = list(retryable_runs(group).order_by("pk").values_list("pk", flat=True))
    in_doubt = set() if unknown else unknown_outcomes(there)
    return [key for key in there if key not in in_doubt], len(in_doubt)


def resolve_retried(runs: Iterable[uuid.UUID], *, by: Person | None) -> None:
    """Resolve the groups of re-run runs that have no other run left."""
    for group in FailureGroup.objects.filter(resolved_at=None, runs__run__in=runs).distinct():
        if (by is None or can(by, "run", group)) and not retryable_runs(group).exists():
            resolve_group(group, by=by)


def resolve_group(group: FailureGroup, *, by: Person | None) -> None:
    """Mark a group as resolved: a further failure reopens it. Raises NotPermittedError."""
    _mark(group, by, "failures.resolved", {}, resolved_at=database.AutomateNow())


def reopen_group(group: FailureGroup, *, by: Person) -> None:
    """Reopen a resolved group. Raises NotPermittedError."""
    _mark(group, by, "failures.reopened", {}, resolved_at=None)


def mute_group(group: FailureGroup, *, by: Person) -> None:
    """Exclude a group from attention, however often it occurs. Raises NotPermittedError."""
    _mark(group, by, "failures.muted", {}, muted_at=database.AutomateNow())


def unmute_group(group: FailureGroup, *, by: Person) -> None:
    """Include a muted group again. Raises NotPermittedError."""
    _mark(group, by, "failures.unmuted", {}, muted_at=None)


@transaction.atomic
def _mark(group: FailureGroup, by: Person | None, verb: str, changes: dict[str, Any], **values: Any) -> None:
    _check(by, group)
    FailureGroup.objects.filter(pk=group.pk).update(**values)
    audit.record(by, verb, group, changes={"workflow": group.workflow.slug, **changes})


def _check(by: Person | None, group: FailureGroup) -> None:
    """None is the host's own code, which needs no permission. Raises NotPermittedError."""
    if by is not None and not can(by, "run", group):
        raise NotPermittedError(
            text(
                "%(person)s needs the Run permission for the workflow %(workflow)s.",
                person=sign_in_name(by),
                workflow=group.workflow.slug,
            )
        )
