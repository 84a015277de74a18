"""Decisions of people on waiting steps: approvals, reviews of attempts in doubt, retries and skips."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from django.contrib.auth.models import AnonymousUser, Group
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from automate_core import database
from automate_core.definition import form_validation
from automate_core.definition.step_names import shown_name, title_of_key
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, Wait, WaitAssignee
from automate_core.runs.waits import decisions, resolution
from automate_core.states import FINAL_RUN_STATES, StepStatus, WaitStatus
from automate_governance import audit
from automate_governance.people.labels import group_label
from automate_governance.people.names import display_name, sign_in_name
from automate_governance.permissions import NotPermittedError, Person, User, can, narrowed_workflows, permitted
from automate_plugins import text
from automate_plugins.errors import AutomateError
from automate_plugins.typed_values import write_moment

type Review = Literal["succeeded", "failed", "again"]
#: Outcomes of a review: it took effect, it did not, or it did not and runs again.
REVIEWS: tuple[Review, ...] = ("succeeded", "failed", "again")

#: Kinds of waits of single steps that can be skipped.
SKIPPABLE = frozenset(
    {
        Wait.Kind.RETRY,
        Wait.Kind.TIMER,
        Wait.Kind.CALLBACK,
        Wait.Kind.FORM,
        Wait.Kind.CHILD,
        Wait.Kind.RECONNECT,
        Wait.Kind.LIMIT,
        Wait.Kind.POOL,
        Wait.Kind.REVIEW,
    }
)


REMARK = "~remark"  #: names the remark in the errors of a form; no field's name looks like it
LONGEST_REMARK = 1_000  #: characters
LONGEST_QUESTION = 100  #: characters of a question in the label of an approval


class NotOpenError(AutomateError, status=409, code="already_decided"):
    """The wait was resolved, its run has ended, or it is of another kind; the message says which."""


class OutcomeError(AutomateError, ValueError, code="unknown_outcome"):
    """The approval has no such outcome; the message lists its outcomes."""


class HandOverError(AutomateError, ValueError, code="not_delegable"):
    """These people cannot become assignees; the message says why."""


def open_approvals_for(user: User) -> QuerySet[Wait]:
    """Open approvals assigned to this person or to one of their groups."""
    return approvals_for(user).filter(status=WaitStatus.OPEN).exclude(run__status__in=FINAL_RUN_STATES)


def approvals_for(user: User) -> QuerySet[Wait]:
    """Approvals in any state assigned to this person or to one of their groups, without those that exclude them."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return Wait.objects.none()
    assigned = WaitAssignee.objects.filter(Q(user=user) | Q(group__user=user), excluded=False)
    barred = WaitAssignee.objects.filter(user=user, excluded=True)
    waits = Wait.objects.filter(pk__in=assigned.values("wait"), kind=Wait.Kind.APPROVAL)
    return within_limits(user, waits.exclude(Exists(barred.filter(wait=OuterRef("pk")))))


def within_limits(user: User, waits: QuerySet[Wait]) -> QuerySet[Wait]:
    """The waits without those of workflows that a token of the person is not for. No permission covers an approval."""
    workflows = narrowed_workflows(user)
    return waits if workflows is None else waits.filter(run__workflow__in=workflows)


def visible_approvals(user: User) -> QuerySet[Wait]:
    """Approvals whose page this person may open: those assigned to them, decided by them, or that they may reassign."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return Wait.objects.none()
    waits = Wait.objects.filter(kind=Wait.Kind.APPROVAL)
    reassignable = reassignable_approvals(user).values("pk")
    theirs = Q(pk__in=approvals_for(user).values("pk")) | Q(decided_by=user) | Q(pk__in=reassignable)
    return within_limits(user, waits.filter(theirs))


def reassignable_approvals(user: User) -> QuerySet[Wait]:
    """Approvals in any state that this person may reassign.

    It needs the permissions to operate the workflow and to view its payloads, which approvals show.
    """
    waits = Wait.objects.filter(kind=Wait.Kind.APPROVAL)
    return permitted(user, "view_payload", permitted(user, "operate", waits))


def is_asked(wait: Wait, person: Person) -> bool:
    """Whether this person may decide the approval while it is open."""
    return approvals_for(person).filter(pk=wait.pk).exists()


def may_delegate(wait: Wait, person: Person) -> bool:
    """Whether an assignee may delegate: the step allows it, or the person may run its workflow."""
    return bool((wait.data or {}).get("delegate")) or can(person, "run", wait.run.workflow)


def approving_outcome(wait: Wait) -> str:
    """Key of the approving outcome, the first one: only it needs the required fields of the form."""
    return next((str(each["key"]) for each in (wait.data or {}).get("outcomes", [])), "")


def outcome_name(outcomes: Any, key: Any) -> str:
    """Name of the outcome `key` among those of an approval's `data`; the key where there is none, empty without one.

    A default name is in the active language.
    """
    names = {each["key"]: each.get("name") for each in outcomes or []}
    return shown_name(str(names.get(key) or key or ""))


def shown_outcomes(wait: Wait) -> list[tuple[str, str]]:
    """(key, name) of each outcome of an approval, default names in the active language."""
    outcomes = (wait.data or {}).get("outcomes", [])
    return [(str(each["key"]), outcome_name(outcomes, each["key"])) for each in outcomes]


@transaction.atomic
def decide_approval(
    wait: Wait, *, by: Person, outcome: str, form: dict[str, Any] | None = None, remark: str = ""
) -> Wait:
    """Decide an approval, once. Only an assignee may; superusers need to be assignees, too.

    A remark is part of the step's output and of the audit entry.

    Raises NotPermittedError, NotOpenError, OutcomeError, and AnswersError for the form.
    """
    run, wait = _locked(wait)
    if not is_asked(wait, by):
        raise NotPermittedError(text("%(person)s cannot decide this approval.", person=sign_in_name(by)))
    _check_open(wait, run)
    data = wait.data or {}
    names = {each["key"]: each["name"] for each in data.get("outcomes", [])}
    if outcome not in names:
        raise OutcomeError(
            text(
                "There is no outcome %(missing)s. Available: %(names)s.", missing=repr(outcome), names=", ".join(names)
            )
        )
    remark = remark.replace("\r\n", "\n").strip()
    if len(remark) > LONGEST_REMARK:
        too_long = text(
            "%(name)s is too long: use at most %(maximum)s characters.", name=REMARK, maximum=LONGEST_REMARK
        )
        raise form_validation.AnswersError({REMARK: too_long})
    filled = form_validation.check_answers(
        data.get("form", []), form or {}, complete=outcome == approving_outcome(wait)
    )
    wait.decided_by, wait.data = by, decisions.salted(data)
    wait.save(update_fields=["decided_by", "data"])
    _answer(wait, run, by, outcome=outcome, form=filled, remark=remark)
    wait.refresh_from_db(fields=["data", "outcome"])  # the digest is over the values as they are stored
    changes = {"form": filled, **({"remark": remark} if remark else {})}
    changes |= decisions.shown_values(data) | {"digest": decisions.decision_digest(wait.data or {}, wait.outcome or {})}
    facts = {"step": wait.path, "outcome": outcome, "wait": str(wait.pk)}  # stay after an erasure
    audit.record(by, "approval.decided", run, changes=changes, facts=facts, trace_id=run.trace_id)
    return wait


@transaction.atomic
def delegate_approval(wait: Wait, *, by: Person, to: Person) -> Wait:
    """Replace the assignee `by` with another person. Assigned groups stay.

    Raises NotPermittedError, NotOpenError, HandOverError.
    """
    run, wait = _locked(wait)
    if not is_asked(wait, by) or not may_delegate(wait, by):
        raise NotPermittedError(text("%(person)s cannot delegate this approval.", person=sign_in_name(by)))
    _check_open(wait, run)
    if to == by:
        raise HandOverError(text("You are already an approver. Choose another person."))
    check_assignable(wait, [to])
    before = assignee_names(wait)
    wait.assignees.filter(user=by).delete()
    WaitAssignee.objects.get_or_create(wait=wait, user=to, excluded=False)
    changes = {"step": wait.path, "from": before, "to": assignee_names(wait)}
    audit.record(by, "approval.delegated", run, changes=changes, trace_id=run.trace_id)
    return wait


@transaction.atomic
def reassign_approval(wait: Wait, *, by: Person, users: Iterable[Person] = (), groups: Iterable[Group] = ()) -> Wait:
    """Replace all assignees, as a person who operates the workflow.

    Raises NotPermittedError, NotOpenError, HandOverError.
    """
    run, wait = lock_to_reassign(wait, by)
    people, teams = list(users), list(groups)
    if not people and not teams:
        raise HandOverError(text("Choose at least one person or group."))
    check_assignable(wait, people)
    before = assignee_names(wait)
    wait.assignees.filter(excluded=False).delete()
    WaitAssignee.objects.bulk_create(
        [
            *(WaitAssignee(wait=wait, user=person) for person in people),
            *(WaitAssignee(wait=wait, group=team) for team in teams),
        ]
    )
    changes = {"step": wait.path, "from": before, "to": assignee_names(wait)}
    audit.record(by, "approval.reassigned", run, changes=changes, trace_id=run.trace_id)
    return wait


@transaction.atomic
def resolve_review(wait: Wait, *, by: Person, outcome: Review, output: Any = None, reason: str = "") -> Wait:
    """Resolve a review of an attempt in doubt: it took effect with that output, it did not, or it runs again.

    Raises NotPermittedError, NotOpenError.
    """
    run, wait = _to_decide(wait, by)
    if wait.kind != Wait.Kind.REVIEW:
        raise NotOpenError(text("This step does not wait for a review."))
    _check_open(wait, run)
    _answer(wait, run, by, outcome=outcome, output=output)
    changes = {"step": wait.path, "outcome": outcome, **({"reason": reason} if reason else {})}
    audit.record(by, "run.reviewed", run, changes=changes, trace_id=run.trace_id)
    return wait


@transaction.atomic
def retry_step_now(wait: Wait, *, by: Person) -> Wait:
    """Retry a step now instead of at its due time. Raises NotPermittedError, NotOpenError."""
    run, wait = _to_decide(wait, by)
    if wait.kind != Wait.Kind.RETRY:
        raise NotOpenError(text("This step does not wait for a retry."))
    _check_open(wait, run)
    _answer(wait, run, by, outcome="tried now")
    audit.record(by, "step.tried_now", run, changes={"step": wait.path}, trace_id=run.trace_id)
    return wait


@transaction.atomic
def skip_step(wait: Wait, *, by: Person, output: Any = None, reason: str = "") -> Wait:
    """Skip a waiting step: later steps see `output` as its output.

    A sub-run that the step waits for continues. An approval cannot be skipped, only reassigned. Raises
    NotPermittedError, NotOpenError.
    """
    run, wait = _to_decide(wait, by)
    if wait.kind not in SKIPPABLE:
        raise NotOpenError(text("An approval cannot be skipped. Decide it, or reassign it to another person."))
    _check_open(wait, run)
    _answer(wait, run, by, outcome=StepStatus.SKIPPED, output=output)
    changes = {"step": wait.path, "reason": reason}
    audit.record(by, "step.skipped", run, changes=changes, trace_id=run.trace_id)
    return wait


def _to_decide(wait: Wait, by: Person) -> tuple[ExecutionRun, Wait]:
    """Lock the run and the wait, for a person who may run the workflow. Raises NotPermittedError, NotOpenError."""
    run, wait = _locked(wait)
    if not can(by, "run", run.workflow):
        raise NotPermittedError(
            text(
                "%(person)s does not have permission to run the workflow %(workflow)s.",
                person=sign_in_name(by),
                workflow=run.workflow.slug,
            )
        )
    return run, wait


def lock_to_reassign(wait: Wait, by: Person) -> tuple[ExecutionRun, Wait]:
    """Lock the run and the open wait, for a person who may reassign it. Raises NotPermittedError, NotOpenError."""
    if not reassignable_approvals(by).filter(pk=wait.pk).exists():
        raise NotPermittedError(
            text(
                "%(person)s cannot reassign approvals of the workflow %(workflow)s. This requires the permissions to"
                " operate it and to view its payloads.",
                person=sign_in_name(by),
                workflow=wait.run.workflow.slug,
            )
        )
    run, wait = _locked(wait)
    _check_open(wait, run)
    return run, wait


def _locked(wait: Wait) -> tuple[ExecutionRun, Wait]:
    """Lock and reload the run, then the wait. Raises NotOpenError when one of them was deleted."""
    run = resolution.lock_run(wait.run_id)
    current = Wait.objects.select_for_update(no_key=True).filter(pk=wait.pk).first()
    if run is None or current is None:
        raise NotOpenError(text("The run of this step was deleted."))
    return run, current


def _answer(wait: Wait, run: ExecutionRun, by: Person, **outcome: Any) -> None:
    """Resolve a locked wait with a person's decision, and wake its run."""
    resolution.resolve_wait(wait, run, {**outcome, "by": sign_in_name(by), "at": write_moment(database.now())})


def _check_open(wait: Wait, run: ExecutionRun) -> None:
    if wait.status == WaitStatus.RESOLVED and wait.outcome:
        raise NotOpenError(_already_resolved(wait))
    if run.status in FINAL_RUN_STATES or wait.status == WaitStatus.CANCELLED:
        raise NotOpenError(text("The run has already ended."))
    is_late = wait.kind == Wait.Kind.APPROVAL and wait.due_at is not None and wait.due_at <= database.now()
    if wait.status != WaitStatus.OPEN or is_late:  # past its deadline, and no worker has expired it yet
        raise NotOpenError(text("The deadline has passed."))


def _already_resolved(wait: Wait) -> str:
    answer = wait.outcome or {}
    by, name = answer.get("by"), answer.get("outcome")
    if by and name and wait.kind == Wait.Kind.APPROVAL:
        name = outcome_name((wait.data or {}).get("outcomes"), name)
        return text("Already decided by %(person)s: %(outcome)s.", person=str(by), outcome=str(name))
    if by and name:
        return text("Already resolved by %(person)s: %(outcome)s.", person=str(by), outcome=str(name))
    if name:
        return text("Already resolved: %(outcome)s.", outcome=str(name))
    return text("Already resolved. The run continues.")


def check_assignable(wait: Wait, people: Iterable[Person]) -> None:
    """Raise HandOverError for an inactive account, and for a person whom the step excludes."""
    barred = set(wait.assignees.filter(excluded=True).values_list("user", flat=True))
    for person in people:
        if not person.is_active:
            raise HandOverError(text("The account %(person)s is not active.", person=sign_in_name(person)))
        if person.pk in barred:
            raise HandOverError(text("%(person)s is excluded from this approval.", person=sign_in_name(person)))


def approval_name(wait: Wait) -> str:
    """Name of an approval; a default one in the active language."""
    return shown_name(str((wait.data or {}).get("name") or title_of_key(key_of(wait.path))))


def approval_label(wait: Wait) -> str:
    """An approval among others: its workflow, question or step, and run, such as `Pay: Approve 12 €? (a9b78d2c)`."""
    question = str((wait.data or {}).get("message") or "").strip().partition("\n")[0].strip()
    asked = question if len(question) <= LONGEST_QUESTION else f"{question[:LONGEST_QUESTION]}…"
    return f"{wait.run.workflow.name}: {asked or approval_name(wait)} ({wait.run})"


def assignee_names(wait: Wait) -> list[str]:
    """Names of the assigned people and groups, sorted."""
    return sorted(map(str, wait.assignees.filter(excluded=False).select_related("user", "group")))


def shown_assignees(wait: Wait) -> list[str]:
    """Assigned people by their full names, and groups, the shipped ones in the active language; sorted."""
    assigned = wait.assignees.filter(excluded=False).select_related("user", "group")
    return sorted(map(assignee_label, assigned))


def assignee_label(assignee: WaitAssignee) -> str:
    """The full name of an assigned person, or the name of a group in the active language."""
    return group_label(assignee.group.name) if assignee.group else display_name(assignee.user)
