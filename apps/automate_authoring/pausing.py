"""Pausing, resuming, archiving and restoring workflows.

While a workflow is paused, events are accepted and matched, and each new run waits (a wait of kind `paused`). Runs
that have started go on. `events.stops` decides whether a workflow starts its runs: one whose run-as user is not active
does not either, and its runs wait in the same way. So do its runs that have begun (a wait with `begun`), until their
own run-as user is active.
"""

from __future__ import annotations

import uuid
from typing import Literal

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from automate_core import database
from automate_core.database import AutomateNow
from automate_core.events import held_events, stops
from automate_core.models import ExecutionRun, Wait, Workflow
from automate_core.runs import concurrency
from automate_core.runs.cancellation import cancel_run
from automate_core.runs.waits import resolution
from automate_core.states import WaitStatus
from automate_core.triggers import polling
from automate_core.webhooks.registration.activation import activate_webhooks
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, User, can, permitted
from automate_plugins import text
from automate_plugins.errors import AutomateError

BATCH = 100
#: Characters of the reason of a pause.
MOST_REASON: int = Workflow._meta.get_field("pause_reason").max_length or 0
_OPERATED = {"paused", "resumed"}

DISCARDED = ("discarded", text("Cancelled: the runs that waited during a pause of the workflow were discarded."))

# A new run that an event started takes the published version; every other run keeps its own.
_RELEASABLE = f"""
FROM automate_core_wait wait
JOIN automate_core_executionrun run ON run.id = wait.run_id
JOIN automate_core_workflow workflow ON workflow.id = run.workflow_id
WHERE wait.kind = 'paused' AND wait.status = 'open' AND CASE
    WHEN wait.data->'{stops.BEGUN}' IS NOT NULL THEN {stops.acts_sql("run.version_id")}
    ELSE {stops.starts_sql("workflow")} AND (run.cause = 'trigger' OR {stops.acts_sql("run.version_id")}) END
"""

#: SQL: whether `release` has something to do: a run waits, and its workflow starts runs again or its user is active.
DUE = f"EXISTS (SELECT {_RELEASABLE})"

_NEXT = f"""
SELECT wait.run_id {_RELEASABLE} AND (%(workflow)s::bigint IS NULL OR workflow.id = %(workflow)s)
ORDER BY wait.run_id LIMIT {BATCH}
"""


class WorkflowStateError(AutomateError, status=409, code="wrong_workflow_state"):
    """A workflow in that state cannot be paused, resumed, archived or restored; the message says why."""


def pause(workflow: Workflow, by: Person, reason: str = "") -> Workflow:
    """Let new runs wait. The reason is shown as long as that lasts, and in the audit trail.

    Raises NotPermittedError, WorkflowStateError.
    """
    changes = {"reason": reason[:MOST_REASON]} if reason else {}
    return _move(workflow, by, "paused", {Workflow.Status.ACTIVE}, Workflow.Status.PAUSED, **changes)


def resume(workflow: Workflow, by: Person, backlog: Literal["run", "discard"] = "run") -> Workflow:
    """Go on; the runs that waited are cancelled, or run: the first hundred at once, the others by the worker's chores.

    Raises NotPermittedError, WorkflowStateError.
    """
    if backlog == "discard":
        _check(Workflow.objects.get(pk=workflow.pk), by, "resumed", {Workflow.Status.PAUSED})
        _discard(workflow)
    resumed = _move(workflow, by, "resumed", {Workflow.Status.PAUSED}, Workflow.Status.ACTIVE, backlog=backlog)
    polling.resume_polls(resumed)
    release(resumed)
    return resumed


def archive(workflow: Workflow, by: Person) -> Workflow:
    """Start no further runs, and cancel those that wait for the workflow to go on.

    Raises NotPermittedError, WorkflowStateError.
    """
    usual = {Workflow.Status.DRAFT, Workflow.Status.ACTIVE, Workflow.Status.PAUSED}
    archived = _move(workflow, by, "archived", usual, Workflow.Status.ARCHIVED)
    _discard(archived)
    return archived


def restore(workflow: Workflow, by: Person) -> Workflow:
    """Restore an archived workflow: to paused, so that a person can review it before it starts runs again, or to draft.

    Raises NotPermittedError, WorkflowStateError.
    """
    state = Workflow.Status.PAUSED if workflow.published_id else Workflow.Status.DRAFT
    return _move(workflow, by, "restored", {Workflow.Status.ARCHIVED}, state)


def release(workflow: Workflow | None = None) -> float | None:
    """Have runs that wait for their workflow or its run-as user do so no longer: a hundred of them, the oldest first.

    Gives 0 when there are more. Without a workflow: those of all, which also finds runs that were made while their
    workflow was being resumed.
    """
    run_ids = [row.run_id for row in database.run(None, _NEXT, {"workflow": workflow.pk if workflow else None})]
    for run_id in run_ids:
        _go_on(run_id)
    return 0.0 if len(run_ids) == BATCH else None


@transaction.atomic
def _go_on(run_id: uuid.UUID) -> None:
    """Close a run's wait. A new run that a limit counts then waits for its turn; one that had begun continues.

    A new run that an event started has done nothing yet: where the workflow was published with another run-as user
    because the one of its version is not active, it runs the published version.
    """
    run = resolution.lock_run(run_id)
    wait = Wait.objects.filter(run=run_id, kind=Wait.Kind.PAUSED, status=WaitStatus.OPEN).first()
    if run is None or wait is None:
        return
    wait.status, wait.resolved_at = WaitStatus.RESOLVED, AutomateNow()
    wait.save(update_fields=["status", "resolved_at"])
    if stops.BEGUN in (wait.data or {}):
        resolution.wake_runs([run.pk])
        return
    published = run.workflow.published
    if run.cause == ExecutionRun.Cause.TRIGGER and published is not None and not run.version.run_as.is_active:
        run.version = published
        run.save(update_fields=["version"])
    concurrency.start_or_queue(run)


def _discard(workflow: Workflow) -> None:
    """Cancel the new runs of the workflow that wait, and hold its events no longer; runs that have begun stay."""
    held_events.discard_held_events(workflow)
    waits = Wait.objects.filter(kind=Wait.Kind.PAUSED, status=WaitStatus.OPEN, run__workflow=workflow)
    backlog = waits.exclude(data__has_key=stops.BEGUN).order_by("run_id")
    while run_ids := list(backlog.values_list("run", flat=True)[:BATCH]):
        for run_id in run_ids:
            cancel_run(run_id, code=DISCARDED[0], message=DISCARDED[1])


def pausable(user: User, workflows: QuerySet[Workflow]) -> QuerySet[Workflow]:
    """Workflows that this person may pause and resume: those they may publish or operate."""
    return permitted(user, "publish", workflows) | permitted(user, "operate", workflows)


def _check(workflow: Workflow, by: Person, verb: str, usual: set[Workflow.Status]) -> None:
    if verb in _OPERATED:
        if not pausable(by, Workflow.objects.filter(pk=workflow.pk)).exists():
            raise NotPermittedError(
                _("%(person)s needs the Publish or Operate permission for the workflow %(slug)s.")
                % {"person": sign_in_name(by), "slug": workflow.slug}
            )
    elif not can(by, "publish", workflow):
        raise NotPermittedError(
            _("%(person)s needs the Publish permission for the workflow %(slug)s.")
            % {"person": sign_in_name(by), "slug": workflow.slug}
        )
    if workflow.status not in usual:
        raise WorkflowStateError(_state_problem(workflow, verb))


def _state_problem(workflow: Workflow, verb: str) -> str:
    problems = {
        "paused": _("Cannot pause the workflow %(slug)s. Its status is %(status)s."),
        "resumed": _("Cannot resume the workflow %(slug)s. Its status is %(status)s."),
        "archived": _("Cannot archive the workflow %(slug)s. Its status is %(status)s."),
        "restored": _("Cannot restore the workflow %(slug)s. Its status is %(status)s."),
    }
    return problems[verb] % {"slug": workflow.slug, "status": workflow.get_status_display()}


@transaction.atomic
def _move(
    workflow: Workflow,
    by: Person,
    verb: str,
    usual: set[Workflow.Status],
    status: Workflow.Status,
    **changes: str,
) -> Workflow:
    workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    _check(workflow, by, verb, usual)
    workflow.status, workflow.pause_reason = status, changes.get("reason", "")
    workflow.save(update_fields=["status", "pause_reason", "updated_at"])
    activate_webhooks(workflow)
    audit.record(by, f"workflow.{verb}", workflow, changes=changes)
    return workflow
