"""The triggers of published workflows, with what a schedule or a poll does next."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.pages import Page, PageQuery, closed, filter_given, permitted_rows, read_page
from automate_core.models import ActiveTrigger, ExecutionRun, PollState, Schedule, Trigger, Workflow

router = Router()

KINDS = (*Trigger.Kind.values, ExecutionRun.Origin.CALL.value)  #: of triggers of published workflows


class ActiveTriggerState(Schema):
    """A trigger of a published workflow."""

    workflow: str = Field(description="Slug.")
    workflow_status: Workflow.Status = Field(description="Only the triggers of active workflows start runs.")
    key: str
    kind: str = Field(
        description="call: other workflows start it; every workflow has that one.", json_schema_extra=closed(KINDS)
    )
    config: dict[str, Any] = Field(description="As in the definition.")
    next_at: dt.datetime | None = Field(description="Next start of a schedule, or next call of a poll.")

    @staticmethod
    def resolve_workflow(trigger: ActiveTrigger) -> str:
        return trigger.workflow.slug

    @staticmethod
    def resolve_workflow_status(trigger: ActiveTrigger) -> str:
        return trigger.workflow.status


class TriggerFilters(PageQuery):
    workflow: str | None = Field(None, max_length=100, description="Slug.")
    kind: str | None = Field(None, max_length=16)


@router.get("/triggers", response=Page[ActiveTriggerState])
def list_triggers(request: TokenRequest, filters: Query[TriggerFilters]) -> dict[str, Any]:
    """List the triggers of the published workflows that the token may view, with the next start of each schedule."""
    workflows = permitted_rows(request.user, "view", Workflow.objects.all())
    rows = filter_given(_rows().filter(workflow__in=workflows), workflow__slug=filters.workflow, kind=filters.kind)
    found, following = read_page(rows, filters, order="pk")
    return {"items": found, "next": following}


def _rows() -> QuerySet[ActiveTrigger]:
    same = {"workflow": OuterRef("workflow"), "key": OuterRef("key")}
    times = [Subquery(model.objects.filter(**same).values("next_at")[:1]) for model in (Schedule, PollState)]
    return ActiveTrigger.objects.select_related("workflow").annotate(next_at=Coalesce(*times))
