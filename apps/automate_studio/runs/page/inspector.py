"""Panel of a step of a run, or of its event: contents of its tabs, and available actions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _

from automate_connectors.models import Connection
from automate_core.definition.document import ActionStep, BranchStep, ReplyStep, Step, WaitStep, WorkflowStep
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import START, key_of
from automate_core.models import Event, ExecutionRun, RunLog, RunReply, StepRun, Wait
from automate_core.runs.doubts import find_doubts
from automate_core.runs.waits import approvals
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_core.webhooks.callback_urls import token_of
from automate_governance import audit
from automate_governance.audit.verification import last_verification
from automate_governance.middleware import show_once
from automate_governance.models import AuditEntry
from automate_governance.permissions import User, can, permitted
from automate_governance.texts import error_message, escape_invisible, translated
from automate_llm.models import LLMUsage
from automate_operations.runs.open_waits import OpenWait
from automate_plugins import text
from automate_studio.runs.page.given_output import GivenOutput, describe_given_output
from automate_studio.runs.page.header import ModelCost, model_cost, sub_runs_of_step
from automate_studio.runs.page.hints import ErrorHint, error_hint, external_request_id
from automate_studio.runs.page.page import RunPage
from automate_studio.runs.page.route_facts import route_lines
from automate_studio.runs.page.wait_facts import WaitFact, wait_facts
from automate_studio.view_models.condition_lines import ConditionLine
from automate_studio.view_models.run_data import StepHistory
from automate_studio.view_models.run_values import run_value_tree, step_value_trees
from automate_studio.view_models.step_tree import StepCard
from automate_ui.audit.actions import action_label
from automate_ui.fields import FormFieldView
from automate_ui.formatting import format_round_duration
from automate_ui.forms import form_fields, remark_error
from automate_ui.json.tree import JsonTree

MOST_LOG_LINES = 500
MOST_AUDITED = 100
MOST_CALLS = 100
LEFT = ("error", "output", "input", "payload", "headers")
RIGHT = ("tries", "log", "cost", "audit")


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """An audit entry in words. `note` may hold payload data."""

    actor: str
    action: str
    note: str
    at: dt.datetime
    is_altered: bool


@dataclass(frozen=True, kw_only=True)
class PendingDecision:
    """An open wait of a step, and the person's options."""

    wait: Wait
    may_run: bool
    is_assignee: bool
    people: list[str] = field(default_factory=list)
    fields: list[FormFieldView] = field(default_factory=list)
    error: str = ""
    remark_error: str = ""
    given: GivenOutput = field(default_factory=GivenOutput)  # what later steps read, for people who may skip the step
    answer_url: str = ""  # of the callback or the form, for people who may run the workflow and view the run's payloads

    @property
    def approving(self) -> str:
        """The approving outcome of an approval."""
        return approvals.approving_outcome(self.wait)

    @property
    def errors(self) -> str:
        """Its errors as one text: while it stays the same, what was entered survives a refresh of the panel."""
        return "".join([*(each.message.text for each in self.fields if each.message), self.error, self.remark_error])

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """(key, name) of each outcome of an approval."""
        return approvals.shown_outcomes(self.wait)

    @property
    def may_try_now(self) -> bool:
        """Whether the next attempt may be started now."""
        return self.may_run and self.wait.kind == Wait.Kind.RETRY

    @property
    def may_skip(self) -> bool:
        """Whether the step may be skipped."""
        return self.may_run and self.wait.kind in approvals.SKIPPABLE

    @property
    def may_review(self) -> bool:
        """Whether the person may set the outcome of an uncertain attempt."""
        return self.may_run and self.wait.kind == Wait.Kind.REVIEW

    @property
    def doubt(self) -> str:
        """Why the outcome of an attempt is unknown."""
        return error_message((self.wait.data or {}).get("error"))

    @property
    def notes(self) -> list[str]:
        """What can be done about a wait for a time, a callback or a form; empty for other waits."""
        kind, found = self.wait.kind, []
        if kind == Wait.Kind.CALLBACK:
            found.append(_("The first POST with a body to its URL is the answer."))
        elif kind == Wait.Kind.FORM:
            found.append(_("Anyone who has its link can answer once."))
        elif kind != Wait.Kind.TIMER:
            return []
        return [*found, _("Skip step continues without waiting.")] if self.may_skip else found

    @property
    def message(self) -> str:
        """Question of the approval."""
        return str((self.wait.data or {}).get("message", ""))


@dataclass(frozen=True, kw_only=True)
class StepInspector:
    """One panel. Values are None where there are none, and for people who may not view payloads."""

    card: StepCard
    recorded: StepHistory
    attempt: StepRun | None = None
    event: Event | None = None
    may_see: bool
    may_change: bool = False
    policy: str = ""
    logs: list[RunLog] = field(default_factory=list)
    calls: list[LLMUsage] = field(default_factory=list)
    cost: ModelCost | None = None
    audit: list[AuditLine] = field(default_factory=list)
    decision: PendingDecision | None = None
    connection: Connection | None = None
    is_connected: bool = True  # whether the step names a connection
    started: list[ExecutionRun] = field(default_factory=list)
    reply_note: str = ""
    unknown_key: str = ""  # the idempotency key of an attempt whose outcome is unknown, of a cancelled run
    wait_facts: list[WaitFact] = field(default_factory=list)
    route_lines: list[ConditionLine] = field(default_factory=list)
    values: Mapping[str, JsonTree] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)
    open_tabs: frozenset[str] = frozenset()
    message: str = ""
    problem: str = ""
    dialog: str = ""
    entered: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_event(self) -> bool:
        """Whether it shows the event instead of a step."""
        return self.card.path == START

    @property
    def is_otherwise(self) -> bool:
        """Whether no condition of a branch was met."""
        return bool(self.route_lines) and not any(line.passed for line in self.route_lines)

    @property
    def routes_taken(self) -> str:
        """The names of the routes that a branch ran, whose output has their keys."""
        return ", ".join(route.name for route in self.card.routes if route.taken) if self.route_lines else ""

    @property
    def error(self) -> dict[str, Any] | None:
        """Error of the shown attempt."""
        return self.attempt.error if self.attempt else None

    @property
    def dialog_errors(self) -> dict[str, str]:
        """Problems with the input of dialogs, by dialog."""
        return {self.dialog: self.problem}

    @property
    def hint(self) -> ErrorHint | None:
        """Hint for the error."""
        if self.error and self.recorded.retry_due:
            return ErrorHint(text("The step is retried automatically. Use Retry now to skip the wait."))
        return error_hint(self.error, connected=self.is_connected) if self.error else None

    @property
    def request_id(self) -> str:
        """Request id of the external system."""
        return external_request_id(self.error) if self.error and self.may_see else ""

    @property
    def left(self) -> str:
        """Open tab of the data side."""
        values = ["output", "input"] if "output" in self.values else ["input", "output"]
        there = ["payload"] if self.is_event else ["error"] * bool(self.error) + values
        there += ["headers"] * bool(self.headers)
        return next((name for name in LEFT if name in self.open_tabs and name in there), there[0])

    @property
    def right(self) -> str:
        """Open tab of the result side."""
        there = ["tries", "log"] + ["cost"] * bool(self.calls) + ["audit"] * bool(self.audit)
        return next((name for name in RIGHT if name in self.open_tabs and name in there), there[0])

    @property
    def state_key(self) -> str:
        """Key of the values: while it stays the same, opened and searched values survive a refresh of the panel."""
        attempt = self.attempt
        return f"{self.card.path}#{attempt.attempt}#{attempt.status}" if attempt else self.card.path


def build_inspector(
    page: RunPage,
    path: str,
    number: int | None,
    user: User,
    *,
    tabs: Iterable[str] = (),
    message: str = "",
    problem: str = "",
    dialog: str = "",
    entered: Mapping[str, str] | None = None,
    given: tuple[Mapping[str, Any], Mapping[str, str]] = ({}, {}),
) -> StepInspector | None:
    """Panel of a step at one of its attempts (None: the last); None for an unknown step.

    `given` holds answers to an approval's form and their errors; `problem` is the reason why other `entered` input was
    refused in the dialog `dialog`.
    """
    may_see = can(user, "view_payload", page.run)
    shared: dict[str, Any] = {
        "may_see": may_see,
        "open_tabs": frozenset(tabs),
        "message": message,
        "problem": problem,
        "dialog": dialog,
        "entered": entered or {},
    }
    if path == START:
        return _event_inspector(page, shared)
    card = next((card for card in page.cards if card.path == path), None)
    if card is None:
        return None
    run, recorded = page.run, page.recorded.get(path, StepHistory())
    shown = number if number is not None else recorded.last.number if recorded.last else None
    attempt = StepRun.objects.filter(run=run, path=path, attempt=shown).first() if shown else None
    step = next((step for _, step in walk(page.definition.steps) if step.key == key_of(path)), None)
    slug = recorded.connection or (step.connection if isinstance(step, ActionStep) else "")
    calls = LLMUsage.objects.filter(run=run.pk, path=path).order_by("attempt", "call")
    return StepInspector(
        card=card,
        recorded=recorded,
        attempt=attempt,
        may_change=attempt is not None and attempt.error is not None and can(user, "change", run.workflow),
        policy=_retry_policy_text(step),
        logs=list(RunLog.objects.filter(run=run, path=path).order_by("id")[:MOST_LOG_LINES]) if may_see else [],
        calls=list(calls[:MOST_CALLS]) if page.cost else [],
        cost=model_cost(run.pk, path) if page.cost else None,
        audit=list(_audit_lines(run, path, may_see=may_see)),
        decision=None if page.ended else _pending_decision(page, path, user, given),
        connection=permitted(user, "view", Connection.objects.filter(slug=slug)).first() if slug else None,
        is_connected=bool(slug),
        started=sub_runs_of_step(run, path, user) if isinstance(step, WorkflowStep) else [],
        reply_note=_reply_note(run, attempt) if isinstance(step, ReplyStep) and attempt else "",
        unknown_key=_unknown_key(run, path),
        wait_facts=wait_facts(recorded) if isinstance(step, WaitStep) else [],
        route_lines=route_lines(step, attempt, may_see=may_see) if isinstance(step, BranchStep) and attempt else [],
        values=step_value_trees(run, attempt) if attempt and may_see else {},
        headers=list(_response_headers(attempt.output)) if attempt and may_see else [],
        **shared,
    )


def _unknown_key(run: ExecutionRun, path: str) -> str:
    """A cancelled run waits for no review any more, and its step may have acted all the same."""
    found = find_doubts([run.pk]).get(run.pk, []) if run.status == RunStatus.CANCELLED else []
    return next((doubt.key for doubt in found if doubt.path == path and doubt.is_unknown), "")


def reveal_answer_url(response: HttpResponse, inspector: StepInspector | None) -> HttpResponse:
    """Let a response show the URL that answers the step. The URLs of all others stay masked."""
    if inspector is not None and inspector.decision is not None and (url := inspector.decision.answer_url):
        show_once(response, token_of(url))
    return response


def _event_inspector(page: RunPage, shared: dict[str, Any]) -> StepInspector | None:
    """The panel of what started the run."""
    event = Event.objects.filter(pk=page.run.event_id).first() if page.run.event_id else None
    may_see = shared["may_see"] and event is not None
    values = {"payload": run_value_tree(page.run, START, 0, "payload", event.payload)} if event and may_see else {}
    return StepInspector(
        card=page.tree.trigger,
        recorded=StepHistory(),
        event=event,
        values=values,
        headers=_header_pairs(event.headers) if event and may_see else [],
        audit=list(_audit_lines(page.run, "", may_see=shared["may_see"])),
        **shared,
    )


def _reply_note(run: ExecutionRun, attempt: StepRun) -> str:
    """What became of the output of a reply step. One query."""
    if attempt.status != StepStatus.SUCCEEDED:
        return ""
    if run.cause == ExecutionRun.Cause.TEST:
        return _("A test run has no caller. The reply is only recorded.")
    first = RunReply.objects.filter(event=run.event_id).values_list("run", "path", "attempt").first()
    if first == (run.pk, attempt.path, attempt.attempt):
        return _("This is the reply to the caller.")
    return _("Not sent: the caller got an earlier reply.") if first else _("Not sent: this run has no caller.")


def _retry_policy_text(step: Step | None) -> str:
    """Retry policy in words."""
    if not isinstance(step, ActionStep) or step.retry is None or step.retry.attempts < 2:
        return ""
    base = format_round_duration(float(step.retry.base))
    if step.retry.factor == 1:
        return _("Fixed, %(delay)s") % {"delay": base}
    return _("Exponential, from %(delay)s") % {"delay": base}


def _response_headers(output: Any) -> list[tuple[str, str]]:
    """Headers of an HTTP response; empty for any other output."""
    is_answer = isinstance(output, dict) and isinstance(output.get("status"), int)
    headers = output.get("headers") if is_answer else None
    return _header_pairs(headers) if isinstance(headers, dict) else []


def _header_pairs(headers: Any) -> list[tuple[str, str]]:
    pairs = headers.items() if isinstance(headers, dict) else ()
    return [(escape_invisible(str(name)), escape_invisible(str(value))[:2_000]) for name, value in pairs][:200]


# --- what it waits for ------------------------------------------------------------------------------------------------


def _pending_decision(
    page: RunPage, path: str, user: User, given: tuple[Mapping[str, Any], Mapping[str, str]]
) -> PendingDecision | None:
    """Open wait of a step, if it concerns this person."""
    run, definition = page.run, page.definition
    wait = Wait.objects.filter(run=run, path=path, status=Wait.Status.OPEN).first()
    if wait is None:
        return None
    is_approval = wait.kind == Wait.Kind.APPROVAL
    values, errors = given
    is_asked = is_approval and approvals.open_approvals_for(user).filter(pk=wait.pk).exists()
    may_run = can(user, "run", run.workflow)
    found = OpenWait(wait=wait, may_view=True, may_view_payload=can(user, "view_payload", run), may_run=may_run)
    return PendingDecision(
        wait=wait,
        may_run=may_run,
        is_assignee=is_asked,
        people=approvals.shown_assignees(wait) if is_approval else [],
        fields=form_fields((wait.data or {}).get("form", []), values, errors) if is_asked else [],
        error=errors.get("", ""),
        remark_error=remark_error(errors),
        answer_url=found.answer_url,
        given=describe_given_output(definition, key_of(path)) if may_run and not is_approval else GivenOutput(),
    )


# --- what people did --------------------------------------------------------------------------------------------------

_AUDIT_VERBS = {
    "run.cancelled": text("Cancelled the run"),
    "run.kept": text("Pinned the run"),
    "run.released": text("Unpinned the run"),
    "callback.refused": text("Callback rejected"),
    "run.retried": text("Re-ran from step %(start)s"),
    "run.reviewed": text("Set the outcome"),
    "run.payload_downloaded": text("Downloaded data (%(part)s)"),
    "approval.decided": text("Decided: %(outcome)s"),
    "approval.reassigned": text("Reassigned from %(from)s to %(to)s"),
    "approval.delegated": text("Delegated from %(from)s to %(to)s"),
    "step.skipped": text("Skipped the step"),
    "step.tried_now": text("Retried now"),
}
_RERUN_STARTS = {"failed": text("Re-ran from the failed step"), "start": text("Re-ran from the beginning")}
_SEEN = "run.payload_viewed"  # which is for auditors, and nothing that is done with a run
_REVIEWED = {
    "succeeded": text("Confirmed as succeeded"),
    "failed": text("Confirmed as failed"),
    "again": text("Confirmed as failed and retried"),
}


def _audit_lines(run: ExecutionRun, path: str, *, may_see: bool) -> Iterator[AuditLine]:
    """Audit entries of the step and of the whole run, newest first."""
    about = AuditEntry.objects.filter(object_type=run._meta.label_lower, object_id=str(run.pk)).exclude(verb=_SEEN)
    rows = about.filter(Q(changes__step=path) | Q(changes__step__isnull=True)).select_related("link").order_by("-id")
    found = list(rows[:MOST_AUDITED])
    altered = audit.altered_entries(found, last_verification()) if found else set()
    for entry in found:
        changes = {name: _joined_names(value) for name, value in audit.readable_changes(entry).items()}
        if changes.get("step", path) != path:  # of an erased entry, which the column no longer holds
            continue
        note = changes.get("remark") or changes.get("reason", "") if may_see else ""
        action, is_altered = _action_text(entry.verb, changes), entry.pk in altered
        yield AuditLine(actor=entry.who, action=action, note=note, at=entry.at, is_altered=is_altered)


def _action_text(verb: str, changes: Mapping[str, str]) -> str:
    """A person's action, in the active language."""
    known = _AUDIT_VERBS.get(verb)
    if known is None:
        return action_label(verb)
    if verb == "run.retried":
        known = _RERUN_STARTS.get(changes.get("start", ""), known)
    if verb == "run.reviewed":
        known = _REVIEWED.get(changes.get("outcome", ""), known)
    return translated(known) % _Changes(changes)


class _Changes(dict[str, str]):
    """Changes of an entry, empty text for missing names."""

    def __missing__(self, key: str) -> str:
        return "…"


def _joined_names(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def pending_approvals(run: ExecutionRun, user: User) -> list[tuple[Wait, str]]:
    """Approvals of a run that this person may decide, with their names. One query."""
    if run.status in FINAL_RUN_STATES:
        return []
    waits = approvals.open_approvals_for(user).filter(run=run).order_by("id")[:5]
    return [(wait, approvals.approval_name(wait)) for wait in waits]
