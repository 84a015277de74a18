"""Rows of runs, in few queries and without payloads."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_connectors.registry import find_action
from automate_core.definition.document import ActionStep, Definition, StopStep
from automate_core.definition.slots import StepIndex, walk
from automate_core.definition.step_names import step_name
from automate_core.definition.step_paths import key_of, without_items_in
from automate_core.models import ExecutionRun, StepRun, Wait, Workflow
from automate_core.runs import reruns
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_governance.permissions import User, permitted
from automate_governance.texts import error_message, escape_invisible, translated
from automate_operations.queries.run_filters import WITH_ERRORS
from automate_operations.queries.run_subjects import subject_of_run
from automate_operations.runs.service_words import with_service_words
from automate_plugins import text
from automate_ui.describe import stop_reason
from automate_ui.formatting import format_ago, format_duration, format_elapsed
from automate_ui.versions import step_paths, version_definitions

_WAIT_REASONS = {
    Wait.Kind.APPROVAL.value: text("Waiting for an approval"),
    Wait.Kind.TIMER.value: text("Waiting for a time"),
    Wait.Kind.CALLBACK.value: text("Waiting for a callback"),
    Wait.Kind.FORM.value: text("Waiting for the answer to a form"),
    Wait.Kind.RETRY.value: text("Waiting for the next attempt"),
    Wait.Kind.CHILD.value: text("Waiting for a sub-run"),
    Wait.Kind.SLOT.value: text("Waiting for a concurrency slot"),
    Wait.Kind.PAUSED.value: text("Workflow paused"),
    Wait.Kind.RECONNECT.value: text("Waiting for a connection to be reconnected"),
    Wait.Kind.LIMIT.value: text("Waiting for the rate limit of a connection"),
    Wait.Kind.POOL.value: text("Waiting for a pool"),
    Wait.Kind.REVIEW.value: text("Outcome unknown, waiting for a review"),
}
_STOPPED = text("Workflow stopped")  #: because of its run-as user, not by a pause


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run in a list. `reason` is (step, error or wait), `tile` (icon, hue) of its connector.

    `rerun` is the re-run of a failed one. `subject` is empty for people who may not view payloads.
    """

    run: ExecutionRun
    state: str
    reason: tuple[str, str]
    segments: list[str]
    duration: str
    started: str
    tile: tuple[str, int] | None
    rerun: reruns.Rerun | None
    subject: str = ""
    to_review: bool = False

    @property
    def bulk_states(self) -> str:
        """Which bulk actions apply to it."""
        return "ended" if self.has_ended else "open review" if self.to_review else "open"

    @property
    def progress(self) -> str:
        """Segments in words."""
        reached, total = sum(state != "none" for state in self.segments), len(self.segments)
        words = ngettext("%(reached)s of %(total)s step reached", "%(reached)s of %(total)s steps reached", total)
        return words % {"reached": reached, "total": total}

    @property
    def has_ended(self) -> bool:
        """Whether it can be re-run, and no longer cancelled."""
        return self.run.status in FINAL_RUN_STATES


@dataclass(frozen=True)
class _RunFacts:
    """Facts of a run: latest state and message by step, open wait, and retrying steps."""

    steps: dict[str, tuple[str, str]]
    wait: Any  #: of `_open_waits`, or None
    retrying: set[str]
    may_see: bool
    rerun: reruns.Rerun | None
    to_review: bool


def build_run_rows(ids: Sequence[uuid.UUID], user: User, now: dt.datetime) -> list[RunRow]:
    """Rows of those runs, in that order."""
    runs = _select_run_columns(ExecutionRun.objects.filter(pk__in=ids)).in_bulk() if ids else {}
    return _run_rows([runs[key] for key in ids if key in runs], user, now)


def recent_runs(workflow: Workflow, user: User, now: dt.datetime) -> list[RunRow]:
    """Latest runs of a workflow."""
    return _run_rows(
        list(_select_run_columns(workflow.runs.exclude(cause=ExecutionRun.Cause.TEST)).order_by("-pk")[:10]), user, now
    )


def _select_run_columns(runs: QuerySet[ExecutionRun]) -> QuerySet[ExecutionRun]:
    shown = runs.annotate(
        failed_step=KT("error__step"),
        message=KT("error__message"),
        message_text=F("error__text"),
        answer_body=KT("error__details__body"),
        subject=subject_of_run(),
    )
    return shown.select_related("workflow", "version").defer("version__definition", "vars", "output", "error")


def _run_rows(rows: list[ExecutionRun], user: User, now: dt.datetime) -> list[RunRow]:
    if not rows:
        return []
    keys = [row.pk for row in rows]
    definitions = version_definitions(row.version_id for row in rows)
    paths = {path for definition in definitions.values() for path in step_paths(definition.steps)}
    steps: dict[uuid.UUID, dict[str, tuple[str, str]]] = {key: {} for key in keys}
    attempts = (
        StepRun.objects.filter(run__in=keys, path__in=paths)  # what is inside loops is the run page's
        .order_by("started_at", "path", "attempt")
        .annotate(message=KT("error__message"), message_text=F("error__text"))
        .values_list("run_id", "path", "status", "message", "message_text")
    )
    for run_id, path, status, message, kept in attempts:
        steps[run_id][path] = (status, error_message({"message": message, "text": kept}))
    readable = permitted(user, "view_payload", ExecutionRun.objects.filter(pk__in=keys))
    seen = set(readable.values_list("pk", flat=True))
    waiting = [row.pk for row in rows if row.status == ExecutionRun.Status.WAITING]
    found = _open_waits(waiting) if waiting else []
    waits = {wait.run_id: wait for wait in found}
    retrying: dict[uuid.UUID, set[str]] = {key: set() for key in keys}
    for wait in found:
        if wait.kind == Wait.Kind.RETRY:
            retrying[wait.run_id].add(wait.path)
    to_review = {wait.run_id for wait in found if wait.kind == Wait.Kind.REVIEW}
    rerun = reruns.find_reruns(row.pk for row in rows if row.rerun_at and row.status in WITH_ERRORS)
    return [
        _run_row(
            row,
            definitions[row.version_id],
            _RunFacts(
                steps[row.pk],
                waits.get(row.pk),
                retrying[row.pk],
                row.pk in seen,
                rerun.get(row.pk),
                row.pk in to_review,
            ),
            now,
        )
        for row in rows
    ]


def _open_waits(runs: list[uuid.UUID]) -> list[Any]:
    """The first wait of each step, however many loop items wait there; oldest last.

    Each has its `place`, the `error` that left an outcome unknown, and the `key` that the attempt sent.
    """
    attempts = StepRun.objects.filter(run=OuterRef("run"), path=OuterRef("path")).order_by("-attempt")
    key = Subquery(attempts.values("idempotency_key")[:1])
    first = (
        Wait.objects.filter(run__in=runs, status=WaitStatus.OPEN)
        .annotate(place=without_items_in("path"), error=F("data__error"), key=key)
        .order_by("run_id", "place", "id")
        .distinct("run_id", "place")
    )
    rows = first.values_list("id", "run_id", "kind", "path", "due_at", "error", "key", "place", named=True)
    return sorted(rows, key=attrgetter("id"), reverse=True)


def _run_row(run: ExecutionRun, definition: Definition, facts: _RunFacts, now: dt.datetime) -> RunRow:
    waits = run.status == ExecutionRun.Status.WAITING
    failed = _failure_reason(run, facts)
    key, shown = failed or _stop_reason(run, definition, facts) or _wait_reason(run, facts, now)
    if failed:
        shown = shown if facts.may_see else _("Hidden: View payloads permission required")
        shown = _("%(reason)s (retrying)") % {"reason": shown} if waits else shown
    return RunRow(
        run=run,
        state="retrying" if failed and waits else str(run.status),
        reason=(step_name(definition, key) if key else "", shown),
        segments=[_segment_state(path, facts) for path in step_paths(definition.steps)],
        duration=format_elapsed(run.started_at, run.finished_at or (now if run.started_at else None)),
        started=format_ago(run.started_at or run.created_at, now),
        tile=_connector_tile(definition),
        rerun=facts.rerun,
        subject=escape_invisible(run.subject) if facts.may_see else "",  # type: ignore[attr-defined]
        to_review=facts.to_review,
    )


def _segment_state(path: str, facts: _RunFacts) -> str:
    """The state of one step."""
    return "retrying" if path in facts.retrying else facts.steps[path][0] if path in facts.steps else "none"


def _failure_reason(run: ExecutionRun, facts: _RunFacts) -> tuple[str, str] | None:
    """(step, message) of the failure, final or until the next attempt."""
    step: str = run.failed_step or ""  # type: ignore[attr-defined]
    message = error_message({"message": run.message, "text": run.message_text})  # type: ignore[attr-defined]
    message = with_service_words(message, run.answer_body)  # type: ignore[attr-defined]
    if step or message:
        return step, message
    if run.status != ExecutionRun.Status.WAITING or (facts.wait and facts.wait.kind != Wait.Kind.RETRY):
        return None
    failures = ((path, message) for path, (status, message) in reversed(facts.steps.items()) if status == "failed")
    return next(((key_of(path), message) for path, message in failures), None)


def _stop_reason(run: ExecutionRun, definition: Definition, facts: _RunFacts) -> tuple[str, str] | None:
    """(step, route) of a run that a stop step ended as succeeded; without a route, its message unless that has data."""
    if run.status != ExecutionRun.Status.SUCCEEDED:
        return None
    for position in StepIndex(definition.steps):
        status, _message = facts.steps.get("/".join(position.path), ("", ""))
        if not isinstance(position.step, StopStep) or status != "succeeded":
            continue
        return position.step.key, stop_reason(position.step, position)
    return None


def _wait_reason(run: ExecutionRun, facts: _RunFacts, now: dt.datetime) -> tuple[str, str]:
    """(step, wait in words)."""
    if (wait := facts.wait) is None:
        return "", ""
    is_stopped = wait.kind == Wait.Kind.PAUSED and run.workflow.status != Workflow.Status.PAUSED
    reason = translated(_STOPPED if is_stopped else _WAIT_REASONS[wait.kind])
    if wait.kind == Wait.Kind.REVIEW:
        why = error_message(wait.error) if facts.may_see else ""
        key = _("Idempotency key: %(key)s") % {"key": wait.key} if wait.key else ""
        reason = " · ".join(filter(None, [reason, why, key]))
    if wait.due_at and wait.due_at < now:
        late = format_duration((now - wait.due_at).total_seconds())
        reason = _("%(reason)s, overdue by %(duration)s") % {"reason": reason, "duration": late}
    elif wait.due_at:
        left = format_duration((wait.due_at - now).total_seconds())
        reason = _("%(reason)s, %(duration)s left") % {"reason": reason, "duration": left}
    return key_of(wait.path), reason


def _connector_tile(definition: Definition) -> tuple[str, int] | None:
    """Tile of the first step with a connector."""
    for _path, step in walk(definition.steps):
        if isinstance(step, ActionStep):
            try:
                adapter, _action = find_action(step.action)
            except LookupError:
                continue
            return adapter.icon, adapter.hue
    return None
