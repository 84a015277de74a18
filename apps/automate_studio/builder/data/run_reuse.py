"""Reuse of a run in the builder: as the sample of the draft, or for a test of it."""

from __future__ import annotations

import json
import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_authoring.drafts import commands
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.errors import RefusedError
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun
from automate_governance.admin_site import reverse
from automate_governance.permissions import can
from automate_studio.builder.panel.steps import TEST, path_of_step
from automate_studio.samples import choice
from automate_studio.samples.choice import choose_sample
from automate_studio.samples.samples import readable_triggers, trigger_events, workflow_runs
from automate_ui.formatting import as_sentence, short_id
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, current_person
from automate_ui.request_params import get_editable_workflow, get_run_or_404


@require_POST
def run_as_sample(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Choose this run's event and outputs as the sample and open the builder, at `step` when given."""
    return _choose_run(
        request,
        run_id,
        request.POST.get("step", ""),
        _("Run %(run)s is now your sample in the builder."),
    )


@require_POST
def test_on_run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Open the builder's test of the whole draft on this run's event."""
    return _choose_run(
        request, run_id, TEST, _("Tests of the draft now use the event of run %(run)s. Choose a test mode.")
    )


def _choose_run(request: HttpRequest, run_id: uuid.UUID, panel: str, said: str) -> HttpResponse:
    run = get_run_or_404(request, run_id)
    if not can(request.user, "view_payload", run):
        raise PermissionDenied
    try:
        state = commands.load_state(get_editable_workflow(request, run.workflow_id))
        choose_sample(state, _sample_choice(run, state, request), by=current_person(request))
    except RefusedError as error:
        messages.error(request, as_sentence(str(error)))
        return HttpResponseSeeOther(change_url(run))
    messages.success(request, said % {"run": short_id(run.pk)})
    step = panel if panel in {"", TEST} else _draft_path(state, panel)
    query = f"?{urlencode({'step': step}, safe='/~')}" if step else ""
    return HttpResponseSeeOther(f"{reverse('studio:builder', args=[run.workflow_id])}{query}")


def _draft_path(state: DraftState, recorded: str) -> str:
    """Path in the draft of the step recorded at a run's path; empty when the draft has no such step."""
    key = key_of(recorded)
    return path_of_step(state.draft, key) if key in state.draft.steps else ""


def _sample_choice(run: ExecutionRun, state: DraftState, request: HttpRequest) -> dict[str, str]:
    """The run itself where the builder can use it; else its input as an edited sample."""
    events = trigger_events(readable_triggers(state, current_person(request)), run.workflow)
    is_known = run.event_id is None or events.filter(pk=run.event_id).exists()
    if is_known and workflow_runs(run.workflow).filter(pk=run.pk).exists():
        return {"choose": f"run:{run.pk}"}
    if run.event is None:
        raise Http404
    return {"choose": choice.EDITED, "payload": json.dumps(run.event.payload)}
