"""Status of a manual start: its run, once a worker has created it, until it ends."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from automate_core.models import Event, ExecutionRun, Workflow
from automate_core.runs.lookup import is_waiting_for_worker
from automate_core.states import FINAL_RUN_STATES
from automate_ui.navigation.http import current_person
from automate_ui.request_params import get_workflow_or_404
from automate_ui.runs.run_rows import recent_runs


@dataclass(frozen=True, kw_only=True)
class ManualStart:
    """A manual start. `is_taken`: a worker has processed it; `ended`: nothing more will happen."""

    event: uuid.UUID
    run: ExecutionRun | None
    is_taken: bool
    ended: bool

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return self.run.status if self.run else "failed" if self.is_taken else "queued"


def find_manual_start(workflow: Workflow, event_id: uuid.UUID) -> ManualStart | None:
    """The manual start of the workflow with that event; None for an unknown one."""
    event = Event.objects.filter(pk=event_id, source=f"manual:{workflow.slug}").only("pk").first()
    if event is None:
        return None
    waits = is_waiting_for_worker(event.pk)  # before its run is looked for
    run = ExecutionRun.objects.filter(workflow=workflow, event=event, parent=None).order_by("id").first()
    return ManualStart(
        event=event.pk, run=run, is_taken=not waits, ended=run.status in FINAL_RUN_STATES if run else not waits
    )


def manual_start_from_query(text: str | None, workflow: Workflow) -> ManualStart | None:
    """The manual start in a page's query."""
    try:
        return find_manual_start(workflow, uuid.UUID(text or ""))
    except ValueError:
        return None


@require_safe
def manual_start_status(request: HttpRequest, pk: int, event_id: uuid.UUID) -> HttpResponse:
    """Its status, which polls until the run has ended, and the latest runs."""
    workflow = get_workflow_or_404(request, pk)
    found = find_manual_start(workflow, event_id)
    if found is None:
        raise Http404
    recent = recent_runs(workflow, current_person(request), timezone.now())
    shown = {"workflow": workflow, "started": found, "recent": recent}
    return TemplateResponse(request, "automate_studio/workflows/manual_start_answer.html", shown)
