"""Progress of a bulk action, as the lists of runs and events show it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_htmx.http import trigger_client_event

from automate_core.models import BulkAction
from automate_governance.permissions import User
from automate_operations import bulk

MOST_SHOWN = 5  #: refusals that are listed


@dataclass(frozen=True, kw_only=True)
class BulkProgress:
    """Progress of an action. `refusals` are (reason, run or event)."""

    action: BulkAction
    refusals: list[tuple[str, uuid.UUID]]

    @property
    def processed(self) -> int:
        """Number of items done or refused."""
        return self.action.done + self.action.refused

    @property
    def percent(self) -> float:
        """Progress in per cent."""
        return 100 * self.processed / self.action.total

    @property
    def is_open(self) -> bool:
        """Whether it is still in progress."""
        return self.action.status == BulkAction.Status.OPEN

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return "running" if self.is_open else "waiting" if self.action.refused else "succeeded"


def open_bulk_actions(user: User) -> list[BulkProgress]:
    """Open actions of this person."""
    actions = BulkAction.objects.filter(person=user.pk, status=BulkAction.Status.OPEN).order_by("id")[:3]
    return [BulkProgress(action=action, refusals=[]) for action in actions]


def progress_response(request: HttpRequest, action: BulkAction) -> HttpResponse:
    """The progress of an action, which asks for its own next state while it is open. At its end the list reloads."""
    progress = BulkProgress(action=action, refusals=bulk.list_refusals(action, MOST_SHOWN))
    answer = TemplateResponse(request, "automate_studio/runs/list/bulk_progress.html", {"progress": progress})
    return answer if progress.is_open else trigger_client_event(answer, "da:bulk-ended")
