"""Failed runs: each is processed once, by one worker, with all rules that it may concern.

The run's own column `noticed` marks it, so that none is missed, whichever transaction made it fail.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import QuerySet

from automate_core import database
from automate_core.definition.step_names import step_name_in
from automate_core.models import ExecutionRun, NotificationRule
from automate_core.states import RunStatus
from automate_operations.notifications import messages, texts
from automate_operations.notifications.rule_values import Incident

BATCH = 200

_FAILED = {"status": RunStatus.FAILED, "cause__in": [ExecutionRun.Cause.TRIGGER, ExecutionRun.Cause.RETRY]}
_Kind = NotificationRule.Kind

#: SQL: whether there are failed runs that nobody looked at.
DUE = """EXISTS (SELECT FROM automate_core_executionrun
    WHERE status = 'failed' AND cause IN ('trigger', 'retry') AND NOT noticed)"""

# How the run ended that ended last before each of these, of the hundred that started before and after it.
_PREVIOUS_STATUS = """
SELECT run.id, (
    SELECT prior.status FROM (
        (SELECT id, status, finished_at FROM automate_core_executionrun
         WHERE workflow_id = run.workflow_id AND cause <> 'test' AND id < run.id ORDER BY id DESC LIMIT 100)
        UNION ALL
        (SELECT id, status, finished_at FROM automate_core_executionrun
         WHERE workflow_id = run.workflow_id AND cause <> 'test' AND id > run.id ORDER BY id LIMIT 100)) prior
    WHERE prior.status IN ('succeeded', 'failed') AND (prior.finished_at, prior.id) < (run.finished_at, run.id)
    ORDER BY prior.finished_at DESC, prior.id DESC LIMIT 1) AS status
FROM automate_core_executionrun run WHERE run.id = ANY(%(runs)s)
"""


@transaction.atomic
def detect_failures() -> float | None:
    """Process a batch of failed runs; gives 0 when there may be more."""
    unseen = ExecutionRun.objects.filter(**_FAILED, noticed=False).order_by("id")
    runs = list(
        unseen.select_related("workflow__owner")
        .defer("vars", "output")
        .select_for_update(no_key=True, skip_locked=True, of=("self",))[:BATCH]
    )
    rules = messages.lock_rules(kind__in=[_Kind.FIRST_FAILURE, _Kind.FAILURES]) if runs else []
    first = _first_failures(runs) if any(rule.kind == _Kind.FIRST_FAILURE for rule in rules) else set()
    for rule in rules:
        concerned = [run for run in runs if rule.workflow_id in (None, run.workflow_id)]
        if rule.kind == _Kind.FIRST_FAILURE:
            messages.record_incidents(rule, [_failure_incident(run) for run in concerned if run.pk in first])
        else:
            messages.record_incidents(rule, _repeated_failures(rule, concerned))
    ExecutionRun.objects.filter(pk__in=[run.pk for run in runs]).update(noticed=True)
    return 0.0 if len(runs) == BATCH else None


def _first_failures(runs: Iterable[ExecutionRun]) -> set[uuid.UUID]:
    """The runs that are the first failure of their workflow since its last success."""
    rows = database.run(None, _PREVIOUS_STATUS, {"runs": [run.pk for run in runs]})
    return {row.id for row in rows if row.status != RunStatus.FAILED}


def _failure_incident(run: ExecutionRun) -> Incident:
    error = run.error or {}
    path = str(error.get("step") or "")
    step = step_name_in(run.version_id, path) if path else ""
    return Incident(
        key=f"run:{run.pk}",
        fact=texts.build_fact(
            texts.run_failed(run.workflow.name, step, str(error.get("code") or "")),
            run.finished_at or run.created_at,
            "admin:automate_core_executionrun_change",
            run.pk,
        ),
        at=run.finished_at or run.created_at,
        workflow=run.workflow,
        owner=run.workflow.owner,
    )


def _codes(failed: QuerySet[ExecutionRun]) -> Counter[str]:
    """The codes of the errors of failed runs, of a batch at most."""
    errors = failed.order_by("-finished_at").values_list("error", flat=True)[:BATCH]
    return Counter(code for error in errors if (code := str((error or {}).get("code") or "")))


def _repeated_failures(rule: NotificationRule, runs: Iterable[ExecutionRun]) -> Iterator[Incident]:
    """One incident at most for each workflow: so many failures in the span, none of them part of the last message."""
    newest: dict[int, ExecutionRun] = {}
    for run in runs:
        known = newest.get(run.workflow_id)
        if run.finished_at is not None and (known is None or run.finished_at > (known.finished_at or run.finished_at)):
            newest[run.workflow_id] = run
    wanted, span = rule.failures, rule.span
    if wanted is None or span is None:
        return
    for run in newest.values():
        if run.finished_at is None:
            continue
        since = max(filter(None, (run.finished_at - span, messages.latest_incident_at(rule, run.workflow_id))))
        failed = ExecutionRun.objects.filter(
            **_FAILED, workflow=run.workflow_id, finished_at__gt=since, finished_at__lte=run.finished_at
        )
        if failed[:wanted].count() >= wanted:
            yield Incident(
                key=f"failures:{run.pk}",
                fact=texts.build_fact(
                    texts.repeated_failures(run.workflow.name, wanted, span, _codes(failed)),
                    run.finished_at,
                    "admin:automate_core_workflow_change",
                    run.workflow_id,
                ),
                at=run.finished_at,
                workflow=run.workflow,
                owner=run.workflow.owner,
            )
