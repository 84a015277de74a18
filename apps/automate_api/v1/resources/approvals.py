"""Approvals: those of the token's owner, and the decisions about them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from automate_api.v1.bodies import RequestSchema
from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Page, PageQuery, invalid_cursor, read_cursor, write_cursor
from automate_api.v1.problems import ProblemError, answer_errors
from automate_core.definition.form_validation import AnswersError
from automate_core.definition.step_paths import key_of
from automate_core.models import Wait, WaitAssignee
from automate_core.runs.waits import approvals
from automate_core.states import WaitStatus
from automate_governance.people import names
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, has_scope
from automate_operations.queries.approval_tasks import Key, find_tasks, read_key, write_key
from automate_plugins import text

router = Router()


class Outcome(Schema):
    key: str
    name: str


class Approval(Schema):
    """A task that waits for a person's decision, or waited for one."""

    id: uuid.UUID
    run: uuid.UUID
    workflow: str = Field(description="Slug.")
    step: str = Field(description="Path of the step.")
    name: str
    message: str
    outcomes: list[str] = Field(description="Keys of the outcomes; the first one approves.")
    status: WaitStatus
    outcome: str | None = Field(description="Key of the decision.")
    created_at: dt.datetime
    due_at: dt.datetime | None
    resolved_at: dt.datetime | None


class Fact(Schema):
    label: str
    value: Any = None


class Assignee(Schema):
    user: str | None = Field(description="User name.")
    group: str | None


class ApprovalDetails(Approval):
    outcome_names: list[Outcome]
    context: list[Fact] = Field(description="What the approvers see of the run.")
    form: list[dict[str, Any]] = Field(description="Fields of the answers.")
    assignees: list[Assignee]
    may_decide: bool
    may_delegate: bool


class ApprovalQuery(PageQuery):
    show: Literal["mine", "decided", "all"] = Field(
        "mine", description="Those that wait for you, that you decided, or all that you may reassign."
    )
    search: str = Field("", max_length=100)
    run: uuid.UUID | None = Field(None, description="Of this run, without its sub-runs.")
    workflow: str | None = Field(None, max_length=100, description="Of this workflow, by its slug.")


class Decide(RequestSchema):
    outcome: str = Field(max_length=100, description="Key of an outcome, such as approved.")
    form: dict[str, Any] = Field(default_factory=dict, description="Answers by the names of the fields.")
    remark: str = Field("", max_length=approvals.LONGEST_REMARK, description="Part of the step's output.")


class Delegate(RequestSchema):
    to: str = Field(max_length=200, description="User name.")


@router.get("/approvals", response=Page[Approval])
def list_approvals(request: TokenRequest, query: Query[ApprovalQuery]) -> dict[str, Any]:
    """List approvals: open ones by deadline, decided ones newest first."""
    _check_scope(request, "view")
    after = _read_key(query.cursor) if query.cursor is not None else None
    found, more = find_tasks(
        request.user,
        query.show,
        query.search.strip(),
        run=query.run,
        workflow=query.workflow,
        after=after,
        most=query.limit,
    )
    documents = {wait.pk: wait for wait in Wait.objects.filter(pk__in=[wait.pk for wait in found])} if found else {}
    return {
        "items": [_describe(documents[wait.pk], wait.run.workflow.slug) for wait in found if wait.pk in documents],
        "next": write_cursor(write_key(found[-1])) if more else None,
    }


@router.get("/approvals/{uuid:approval_id}", response=ApprovalDetails)
def read_approval(request: TokenRequest, approval_id: uuid.UUID) -> dict[str, Any]:
    """Read one approval, with what its approvers see and fill in."""
    return _described(request, approval_id)


@router.post("/approvals/{uuid:approval_id}/decide", response=ApprovalDetails)
def decide_approval(request: TokenRequest, approval_id: uuid.UUID, body: Decide) -> dict[str, Any]:
    """Decide an approval, as one of its approvers. The run continues."""
    wait = _get_approval(request, approval_id)
    _check_scope(request, "decide")
    try:
        approvals.decide_approval(wait, by=request.user, outcome=body.outcome, form=body.form, remark=body.remark)
    except AnswersError as error:
        raise ProblemError(422, _("The answers are not valid."), answer_errors(error, "form")) from error
    return _described(request, approval_id)


@router.post("/approvals/{uuid:approval_id}/delegate", response=Approval)
def delegate_approval(request: TokenRequest, approval_id: uuid.UUID, body: Delegate) -> dict[str, Any]:
    """Delegate an approval to another person."""
    wait = _get_approval(request, approval_id)
    _check_scope(request, "delegate")
    person = names.active_people([body.to.strip()]).first()
    if person is None:
        message = _("No active account is named “%(name)s”. Check the username.") % {"name": body.to}
        raise ProblemError(422, message, [("to", message)])
    approvals.delegate_approval(wait, by=request.user, to=person)
    wait.refresh_from_db()
    return _describe(wait, wait.run.workflow.slug)


def _check_scope(request: TokenRequest, verb: str) -> None:
    if not has_scope(request.user, f"approval:{verb}"):
        raise NotPermittedError(text("This token is not for approvals."))


def _visible(request: TokenRequest) -> QuerySet[Wait]:
    visible = approvals.visible_approvals(request.user) if has_scope(request.user, "approval:view") else None
    return (Wait.objects.none() if visible is None else visible).select_related("run__workflow")


def _get_approval(request: TokenRequest, approval_id: uuid.UUID) -> Wait:
    return find_object(_visible(request), pk=approval_id)


def _read_key(cursor: str) -> Key:
    key = read_key(read_cursor(cursor))
    if key is None:
        raise invalid_cursor()
    return key


def _described(request: TokenRequest, approval_id: uuid.UUID) -> dict[str, Any]:
    wait, person = _get_approval(request, approval_id), request.user
    data = wait.data or {}
    may_decide = wait.status == WaitStatus.OPEN and approvals.is_asked(wait, person)
    assigned = WaitAssignee.objects.filter(wait=wait, excluded=False).select_related("user", "group")
    return {
        **_describe(wait, wait.run.workflow.slug),
        "outcome_names": [{"key": each["key"], "name": each["name"]} for each in data.get("outcomes", [])],
        "context": data.get("context", []),
        "form": data.get("form", []),
        "assignees": [
            {
                "user": sign_in_name(each.user) if each.user else None,
                "group": each.group.name if each.group else None,
            }
            for each in sorted(assigned, key=_people_first)
        ],
        "may_decide": may_decide and has_scope(person, "approval:decide"),
        "may_delegate": may_decide and approvals.may_delegate(wait, person) and has_scope(person, "approval:delegate"),
    }


def _people_first(assigned: WaitAssignee) -> tuple[bool, str]:
    return assigned.user is None, str(assigned)


def _describe(wait: Wait, workflow: str) -> dict[str, Any]:
    data = wait.data or {}
    return {
        "id": wait.pk,
        "run": wait.run_id,
        "workflow": workflow,
        "step": wait.path,
        "name": str(data.get("name") or key_of(wait.path)),
        "message": str(data.get("message") or ""),
        "outcomes": [str(each["key"]) for each in data.get("outcomes", [])],
        "status": wait.status,
        "outcome": (wait.outcome or {}).get("outcome"),
        "created_at": wait.created_at,
        "due_at": wait.due_at,
        "resolved_at": wait.resolved_at,
    }
