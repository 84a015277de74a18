"""Operations of people on runs: cancel and re-run, one or many. Screens, the API and commands call these."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from automate_core.database import AutomateNow
from automate_core.definition.document import Definition, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.step_paths import key_of
from automate_core.events import search_terms, stops
from automate_core.events.scope import event_scope
from automate_core.models import (
    Event,
    ExecutionRun,
    SearchTerm,
    StepRun,
    Wait,
    Workflow,
    WorkflowVersion,
)
from automate_core.outbox import subjects
from automate_core.runs import concurrency, doubts, reruns
from automate_core.runs.cancellation import cancel_run
from automate_core.runs.rerun_plan import Plan, Record, RunnableSteps, is_repeated_first, plan
from automate_core.runs.waits import approvals
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus, WaitStatus
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_plugins import text
from automate_plugins.errors import AutomateError
from automate_plugins.texts import joined, marked

BATCH = 100

type Version = Literal["original", "newest"]


class ControlError(AutomateError, status=409, code="wrong_run_state"):
    """The operation is not possible in the present state; the message says why, and what to do instead."""


class EndedError(ControlError):
    """The run has ended; an ended run never changes."""


class NotEndedError(ControlError):
    """The run has not ended; only an ended run can be re-run."""


class AlreadyRerunError(ControlError, code="already_rerun"):
    """A re-run of the run succeeded or has not ended: another one would repeat its effects. `rerun` is its ID.

    Of a deleted re-run, `rerun` is the run that it repeated.
    """

    def __init__(self, message: str, rerun: uuid.UUID) -> None:
        super().__init__(message)
        self.rerun = rerun


class UnknownOutcomeError(ControlError, code="unknown_outcome"):
    """Steps that the re-run would repeat may have taken effect. `paths` are those of the run whose ID is `run`."""

    def __init__(self, run: ExecutionRun, paths: list[str]) -> None:
        super().__init__(
            text(
                "The outcome of these steps of the run %(run)s is unknown: %(steps)s. A re-run may repeat an effect.",
                run=str(run),
                steps=", ".join(paths),
            )
        )
        self.run = run.pk
        self.paths = paths


class NoSuchStepError(ControlError, status=422, code=""):
    """A re-run cannot start from this step. `paths` are the steps that it can start from."""

    def __init__(self, message: str, paths: list[str]) -> None:
        if paths:
            hint = text("A re-run can start from: %(steps)s.", steps=", ".join(paths))
        else:
            hint = text("A re-run can only start from the beginning.")
        super().__init__(joined([message, hint]), "from_step")
        self.paths = paths


# --- cancel -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def cancel(run: ExecutionRun, *, by: Person | None, reason: str = "") -> ExecutionRun:
    """Cancel a run and its sub-runs: none of their steps starts after the commit.

    A worker finishes the attempts in progress and records them. `by` None is the host's own code, which needs no
    permission. Raises NotPermittedError, EndedError.
    """
    check_may_run(by, run.workflow)
    if by is None:
        message = text("Cancelled by code: %(reason)s", reason=reason) if reason else text("Cancelled by code.")
    elif reason:
        message = text("Cancelled by %(person)s: %(reason)s", person=sign_in_name(by), reason=reason)
    else:
        message = text("Cancelled by %(person)s.", person=sign_in_name(by))
    cancelled = cancel_run(run.pk, code="cancelled", message=message)
    if not cancelled:
        status = ExecutionRun.objects.filter(pk=run.pk).values_list("status", flat=True).first()
        if status is None:
            raise EndedError(text("The run %(run)s was deleted.", run=str(run)))
        raise EndedError(
            text("The run %(run)s has already ended (%(status)s).", run=str(run), status=_status_word(status))
        )
    for each in cancelled:
        concurrency.admit_after_commit(each)
    audit.record(by, "run.cancelled", run, changes={"reason": reason}, trace_id=run.trace_id)
    return cancelled[0]


# --- re-run -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def rerun(
    run: ExecutionRun,
    *,
    by: Person | None,
    start: str = "failed",
    version: Version = "original",
    payload: Any = msgspec.UNSET,
    variables: Mapping[str, Any] | None = None,
    request: uuid.UUID | None = None,
    once: bool = False,
    again: bool = True,
    unknown: bool = False,
) -> ExecutionRun:
    """Create a new run from an ended one, with the same trace id; its `retried_from` is the ended run.

    `start` is `start`, `failed` (the step that ended the run) or a step's path: the records of earlier steps are copied
    and the steps do not run again. `payload` replaces the event's payload, `variables` replaces some of the workflow's
    for this run.

    Repeating a `request` returns the run that it created. `once` rejects a run that was re-run before; `again=False`
    rejects one whose re-run succeeded or has not ended. One with a step whose outcome is unknown is rejected unless
    `unknown`: its effect may be repeated.

    A step in doubt before which nothing is repeated sends the idempotency key of the attempt that it repeats, if its
    input is the same. `by` None is the host's own code, which needs no permission.

    Raises NotPermittedError, NotEndedError, AlreadyRerunError, UnknownOutcomeError, NoSuchStepError, ControlError.
    """
    check_may_run(by, run.workflow)
    _hold(run)
    if request is not None and (earlier := run.retries.filter(request=request).first()):
        return earlier
    if once and run.retries.exists():
        raise ControlError(text("The run %(run)s was already re-run.", run=str(run)))
    if not again:
        _refuse_repetition(run)
    if run.erasure is not None:
        raise ControlError(text("The data of the run %(run)s was erased, so it cannot be re-run.", run=str(run)))
    if run.cause == ExecutionRun.Cause.TEST:
        raise ControlError(text("The run %(run)s is a test and cannot be re-run. Test the draft again.", run=str(run)))
    if run.workflow.status == Workflow.Status.ARCHIVED:
        raise ControlError(
            text("The workflow %(workflow)s is archived. Publish it again first.", workflow=run.workflow.slug)
        )
    if run.status not in FINAL_RUN_STATES:
        raise NotEndedError(text("The run %(run)s has not ended yet. Cancel it, or wait until it ends.", run=str(run)))
    found = doubts.find_doubts([run.pk]).get(run.pk, [])
    if not unknown and (paths := [doubt.path for doubt in found if doubt.is_unknown]):
        raise UnknownOutcomeError(run, paths)
    chosen = _version(run, version)
    taken_over = _taken_over(run, chosen, start)
    event = run.event if payload is msgspec.UNSET else _edited(run, payload)
    keys = doubts.inherited_keys(_repeated_first(run, chosen, found, taken_over), run.inherited_keys)
    made = _new_run(run, chosen, event, _variables(run, chosen, variables or {}), request, keys)
    _copy(run, made, taken_over)
    ExecutionRun.objects.filter(pk=run.pk).update(rerun_at=AutomateNow())
    changes = {
        "run": str(made.pk),
        "start": start,
        "version": str(chosen),
        "edited": payload is not msgspec.UNSET or bool(variables),
    }
    audit.record(by, "run.retried", run, changes=changes, trace_id=run.trace_id)
    return made


def default_start(run: ExecutionRun) -> str:
    """The `start` of a re-run when a person chose none: the failed step; the beginning after a success."""
    return "start" if run.status == RunStatus.SUCCEEDED else "failed"


def _hold(run: ExecutionRun) -> None:
    """Lock the run against deletion and against the same request. Raises ControlError when it was deleted."""
    if not ExecutionRun.objects.select_for_update(no_key=True).filter(pk=run.pk).values_list("pk").first():
        raise ControlError(text("The run %(run)s was deleted.", run=str(run)))


def _refuse_repetition(run: ExecutionRun) -> None:
    rerun = reruns.find_reruns([run.pk]).get(run.pk)
    if rerun is not None and rerun.repeats_effects:
        raise AlreadyRerunError(_repetition(run, rerun), rerun.run)


def _version(run: ExecutionRun, version: Version) -> WorkflowVersion:
    if version == "original":
        return run.version
    newest = run.workflow.published
    if newest is None:
        raise ControlError(text("The workflow %(workflow)s has no published version.", workflow=run.workflow.slug))
    return newest


def _definition(version: WorkflowVersion) -> Definition:
    try:
        return parse(version.definition)
    except DefinitionError as error:
        raise ControlError(
            text("Version %(version)s cannot be read: %(reason)s", version=str(version), reason=str(error))
        ) from error


def _taken_over(run: ExecutionRun, version: WorkflowVersion, start: str) -> Plan:
    """Return the records that the re-run copies from the earlier run. Raises NoSuchStepError."""
    if start == "start":
        return Plan((), {})
    was, now = RunnableSteps(_definition(run.version)), RunnableSteps(_definition(version))
    rows = StepRun.objects.filter(run=run).order_by("started_at", "attempt", "id")
    records = [Record(*row) for row in rows.values_list("path", "attempt", "status", "output")]
    target = _failed_path(run, records) if start == "failed" else start
    if not target:
        return plan(records, "", was, now)
    reached = list(dict.fromkeys(record.path for record in records))
    there = [path for path in reached if now.same_kind(path, was)]
    if target not in reached:
        raise NoSuchStepError(
            text("The run %(run)s did not reach the step %(step)s.", run=str(run), step=repr(target)), there
        )
    if target not in there:
        raise NoSuchStepError(
            text(
                "Version %(version)s has no step %(step)s of the same kind in the same place.",
                version=str(version),
                step=repr(target),
            ),
            there,
        )
    return plan(records, target, was, now)


def _repeated_first(
    run: ExecutionRun, version: WorkflowVersion, found: list[doubts.Doubt], made: Plan
) -> list[doubts.Doubt]:
    """Those steps in doubt that the re-run repeats without an effect before them."""
    if not found:
        return []
    now, acting = RunnableSteps(_definition(version)), doubts.acting_steps(version.pk)
    records = [Record(*row) for row in StepRun.objects.filter(run=run).values_list("path", "attempt", "status")]
    return [doubt for doubt in found if is_repeated_first(doubt.path, records, made, now, acting)]


def _failed_path(run: ExecutionRun, records: list[Record]) -> str:
    """Path of the step that ended the run; empty when it ended between two steps. Raises ControlError."""
    if run.status == RunStatus.SUCCEEDED:
        raise ControlError(
            text("The run %(run)s did not fail. Choose a step to start from, or the beginning.", run=str(run))
        )
    by_path: dict[str, Record] = {}
    for each in records:
        by_path.pop(each.path, None)
        by_path[each.path] = each
    latest = list(by_path.values())
    key = (run.error or {}).get("step")
    named = [each for each in latest if key_of(each.path) == key]
    unfinished = [each for each in latest if each.status not in {StepStatus.SUCCEEDED, StepStatus.SKIPPED}]
    failed = [each for each in named if each.status == StepStatus.FAILED]
    for candidates in (failed, named, unfinished):
        if candidates:
            deepest = max(each.path.count("/") for each in candidates)
            return [each for each in candidates if each.path.count("/") == deepest][-1].path
    return ""


def _edited(run: ExecutionRun, payload: Any) -> Event:
    """Store a copy of the run's event with another payload. No job is created for it, so no workflow is matched."""
    event = run.event
    return Event.objects.create(
        source=f"retry:{run.pk}",
        type=event.type if event else "",
        payload=payload,
        headers=event.headers if event else {},
        trace_id=run.trace_id,
        received_at=AutomateNow(),
        subject=subjects.guess_subject(payload),
    )


def _variables(run: ExecutionRun, version: WorkflowVersion, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the run's own variable values. Raises ControlError for a variable that the workflow does not have."""
    there = _definition(version).vars
    if unknown := [name for name in given if name not in there]:
        raise ControlError(_unknown_variable(unknown[0], there))
    return {**(run.vars or {}), **given} or None


def _new_run(
    run: ExecutionRun,
    version: WorkflowVersion,
    event: Event | None,
    variables: dict[str, Any] | None,
    request: uuid.UUID | None,
    inherited_keys: dict[str, Any] | None,
) -> ExecutionRun:
    """Create the new run."""
    again = ExecutionRun(
        workflow=run.workflow,
        version=version,
        event=event,
        cause=ExecutionRun.Cause.RETRY,
        origin=run.origin,
        retried_from=run,
        request=request,
        trace_id=run.trace_id,
        vars=variables,
        inherited_keys=inherited_keys,
    )
    return create_run(again)


def create_run(run: ExecutionRun) -> ExecutionRun:
    """Store a new run that a person started, and queue it.

    It starts at once, when its workflow starts runs again, or when the concurrency limit admits it. Raises ControlError
    when its version can no longer be parsed.
    """
    definition = _definition(run.version)
    run.priority, run.created_at, run.seq = definition.priority, AutomateNow(), 1
    run.save(force_insert=True)
    store_search_terms(run, definition)
    if stops.must_wait(run.workflow_id):
        run.status = RunStatus.WAITING
        run.save(update_fields=["status"])
        Wait.objects.create(run=run, path="", kind=Wait.Kind.PAUSED, seq=1)
    else:
        concurrency.start_or_queue(run)
    return run


def store_search_terms(run: ExecutionRun, definition: Definition) -> None:
    """Store the search terms of a new run: from its event, or those of the earlier run when it has no event."""
    if run.event is not None:
        found = search_terms.find_search_terms(definition, event_scope(run.event))
    else:
        found = dict(SearchTerm.objects.filter(run=run.retried_from_id).values_list("name", "value"))
    SearchTerm.objects.bulk_create(SearchTerm(run=run, name=name, value=value) for name, value in found.items())


def _copy(run: ExecutionRun, again: ExecutionRun, taken_over: Plan) -> None:
    """Copy the kept attempts with new numbers, and reopen the containers around the start step."""
    wanted = {(record.path, record.attempt): record for record in taken_over.kept}
    numbers: Counter[str] = Counter()
    copies = []
    for step in StepRun.objects.filter(run=run).order_by("path", "attempt"):
        if (step.path, step.attempt) in wanted:
            numbers[step.path] += 1
            copies.append(_copied(step, again, numbers[step.path]))
        elif step.path in taken_over.entered and not numbers[step.path]:
            numbers[step.path] += 1
            entered = _copied(step, again, 1)
            entered.status, entered.error, entered.finished_at = StepStatus.RUNNING, None, None
            entered.output, entered.output_file = taken_over.entered[step.path], None
            copies.append(entered)
    StepRun.objects.bulk_create(copies, batch_size=500)


def _copied(step: StepRun, again: ExecutionRun, attempt: int) -> StepRun:
    return StepRun(
        run=again,
        path=step.path,
        attempt=attempt,
        status=step.status,
        input=step.input,
        output=step.output,
        error=step.error,
        input_file=step.input_file,
        output_file=step.output_file,
        idempotency_key=step.idempotency_key,
        started_at=step.started_at,
        finished_at=step.finished_at,
        seq=again.seq,
    )


# --- many runs --------------------------------------------------------------------------------------------------------


@dataclass
class BulkResult:
    """Result of an operation on many runs.

    `done` is a number, `refused` holds the reasons by run id, and `left_out` counts the runs that were re-run before.
    `suitable` are the runs whose state allows the operation: it applies to no others.
    """

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    left_out: reruns.RerunExclusions = field(default_factory=reruns.RerunExclusions)
    suitable: frozenset[uuid.UUID] = frozenset()


def cancel_many(runs: QuerySet[ExecutionRun], by: Person, *, reason: str = "", dry_run: bool = False) -> BulkResult:
    """Cancel those of `runs` that have not ended, each in its own transaction. With `dry_run`, only count them."""
    going_on = runs.exclude(status__in=FINAL_RUN_STATES)
    return _each(_ids(going_on), lambda run: cancel(run, by=by, reason=reason), dry_run=dry_run)


def rerun_many(
    runs: QuerySet[ExecutionRun],
    by: Person,
    *,
    start: str = "failed",
    version: Version = "original",
    once: bool = False,
    again: bool = False,
    unknown: bool = False,
    dry_run: bool = False,
) -> BulkResult:
    """Re-run those of `runs` that have ended, each in its own transaction. With `dry_run`, only count them.

    Runs whose effects a re-run would repeat are left out unless `again`, those with an unknown outcome unless
    `unknown`.
    """
    ended = _ids(runs.filter(status__in=FINAL_RUN_STATES))
    chosen, left_out = reruns.choose_reruns(ended, again=again, unknown=unknown)

    def act(run: ExecutionRun) -> None:
        rerun(run, by=by, start=start, version=version, once=once, again=again, unknown=unknown)

    result = _each(chosen, act, dry_run=dry_run)
    result.left_out, result.suitable = left_out, frozenset(ended)
    return result


def retry_step_now_many(runs: QuerySet[ExecutionRun], path: str, by: Person, *, dry_run: bool = False) -> BulkResult:
    """Retry the step at `path` now, in those of `runs` that wait for its next attempt."""
    there = Wait.objects.filter(path=path, status=WaitStatus.OPEN, kind=Wait.Kind.RETRY)
    waiting = runs.filter(pk__in=there.values("run"))
    return _each(_ids(waiting), lambda run: approvals.retry_step_now(there.get(run=run), by=by), dry_run=dry_run)


@transaction.atomic
def set_outcome(
    run: ExecutionRun,
    *,
    by: Person,
    outcome: approvals.Review,
    output: Any = None,
    reason: str = "",
    step: str = "",
    counted_at: dt.datetime | None = None,
) -> ExecutionRun:
    """Set the outcome of the run's attempts in doubt, or of that of one step.

    With `counted_at`, only of attempts that were in doubt then: nobody has checked later ones. Raises
    NotPermittedError, ControlError when none waits for a review.
    """
    waits = list(_open_reviews(step).filter(run=run).order_by("pk"))
    if not waits:
        raise ControlError(text("No step of this run waits for a review."))
    if counted_at is not None:
        waits = [wait for wait in waits if wait.created_at <= counted_at]
    if not waits:
        raise ControlError(
            text(
                "A later attempt of this run has an unknown outcome. Check at the service whether it acted, then set"
                " its outcome."
            )
        )
    try:
        for wait in waits:
            approvals.resolve_review(wait, by=by, outcome=outcome, output=output, reason=reason)
    except approvals.NotOpenError as error:
        raise ControlError(str(error)) from error
    return run


def set_outcome_many(
    runs: QuerySet[ExecutionRun], by: Person, *, step: str = "", dry_run: bool = False, **options: Any
) -> BulkResult:
    """Set the outcome in those of `runs` that wait for a review; `options` are those of `set_outcome`."""
    waiting = runs.filter(pk__in=_open_reviews(step).values("run"), status=RunStatus.WAITING)
    return _each(_ids(waiting), lambda run: set_outcome(run, by=by, step=step, **options), dry_run=dry_run)


def _open_reviews(step: str) -> QuerySet[Wait]:
    waits = Wait.objects.filter(status=WaitStatus.OPEN, kind=Wait.Kind.REVIEW)
    return waits.filter(path=step) if step else waits


def skip_step_many(
    runs: QuerySet[ExecutionRun],
    path: str,
    by: Person,
    *,
    output: Any = None,
    reason: str = "",
    dry_run: bool = False,
) -> BulkResult:
    """Skip the step at `path`, in those of `runs` that wait there."""
    there = Wait.objects.filter(path=path, status=WaitStatus.OPEN)
    waiting = runs.filter(pk__in=there.values("run"))

    def act(run: ExecutionRun) -> None:
        approvals.skip_step(there.get(run=run), by=by, output=output, reason=reason)

    return _each(_ids(waiting), act, dry_run=dry_run)


def _ids(runs: QuerySet[ExecutionRun]) -> list[uuid.UUID]:
    """Ids of the runs, oldest first; runs created later are not included."""
    return list(runs.order_by("id").values_list("pk", flat=True))


def _each(ids: list[uuid.UUID], act: Callable[[ExecutionRun], Any], *, dry_run: bool) -> BulkResult:
    """Act on each run in its own transaction."""
    result = BulkResult(done=len(ids) if dry_run else 0, suitable=frozenset(ids))
    for first in range(0, 0 if dry_run else len(ids), BATCH):
        batch = ExecutionRun.objects.select_related("workflow__published", "version", "event")
        for run in batch.filter(pk__in=ids[first : first + BATCH]).order_by("id"):
            try:
                act(run)
            except (ControlError, NotPermittedError, approvals.NotOpenError) as error:
                result.refused[str(run.pk)] = str(error)
            else:
                result.done += 1
    return result


def may_not_run(by: Person, slug: str) -> str:
    """The reason why a person may not run a workflow."""
    return text(
        "%(person)s does not have permission to run the workflow %(workflow)s.", person=sign_in_name(by), workflow=slug
    )


def _status_word(status: str) -> str:
    return marked(
        {"succeeded": text("succeeded"), "failed": text("failed"), "cancelled": text("cancelled")}.get(status, status)
    )


def _repetition(run: ExecutionRun, rerun: reruns.Rerun) -> str:
    if rerun.status == reruns.DELETED:
        return text("The run %(run)s was already re-run, and the re-run was deleted.", run=str(run))
    name = str(rerun.run)[-8:]
    if rerun.is_open:
        return text("The run %(run)s was already re-run as %(rerun)s, which has not ended.", run=str(run), rerun=name)
    return text(
        "The run %(run)s was already re-run as %(rerun)s (%(status)s).",
        run=str(run),
        rerun=name,
        status=_status_word(rerun.status),
    )


def _unknown_variable(name: str, known: Collection[str]) -> str:
    if not known:
        return text("There is no variable %(missing)s. The workflow has no variables.", missing=repr(name))
    return text("There is no variable %(missing)s. Variables: %(names)s.", missing=repr(name), names=", ".join(known))


def check_may_run(by: Person | None, workflow: Workflow) -> None:
    """Raise NotPermittedError when the person may not run the workflow. None is the host's own code."""
    if by is not None and not can(by, "run", workflow):
        raise NotPermittedError(may_not_run(by, workflow.slug))
