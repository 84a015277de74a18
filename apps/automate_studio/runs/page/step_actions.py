"""Actions on a waiting step, from its panel: one POST, one call, and the updated panel."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.definition import form_validation
from automate_core.models import ExecutionRun, Wait
from automate_core.runs.waits import approvals
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.texts import translated
from automate_studio.runs.page.inspector import build_inspector, reveal_answer_url
from automate_studio.runs.page.page import load_run
from automate_studio.view_models.run_data import RunView
from automate_ui.formatting import as_sentence
from automate_ui.forms import posted_answers, posted_remark
from automate_ui.htmx import HtmxRequest
from automate_ui.json.editor import parse_storable
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person
from automate_ui.request_params import get_run_or_404


class _InvalidInputError(Exception):
    """Input of that dialog is invalid; the message says why."""

    def __init__(self, message: str, dialog: str) -> None:
        super().__init__(message)
        self.dialog = dialog


@require_POST
def run_step_retry(request: HtmxRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """Retry a step now."""

    def act(wait: Wait, by: Person) -> str:
        approvals.retry_step_now(wait, by=by)
        return _("Retry queued. A worker starts the next attempt shortly.")

    return _apply_as_runner(request, run_id, path, act)


@require_POST
def run_skip(request: HtmxRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """Skip a waiting step, with an output for later steps."""

    def act(wait: Wait, by: Person) -> str:
        output, reason = _posted_output(request, "skip"), clean_text(request.POST.get("reason"))
        approvals.skip_step(wait, by=by, output=output, reason=reason)
        return _("Step skipped. The run continues shortly.")

    return _apply_as_runner(request, run_id, path, act)


@require_POST
def run_review(request: HtmxRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """Set the outcome of an uncertain attempt."""

    def act(wait: Wait, by: Person) -> str:
        outcome = request.POST.get("outcome", "")
        if outcome not in approvals.REVIEWS:
            raise _InvalidInputError(_("Choose an outcome."), "review")
        output = _posted_output(request, "review") if outcome == "succeeded" else None
        approvals.resolve_review(wait, by=by, outcome=outcome, output=output)
        return _("Outcome saved. The run continues shortly.")

    return _apply_as_runner(request, run_id, path, act)


@require_POST
def run_decide(request: HtmxRequest, run_id: uuid.UUID, path: str) -> HttpResponse:
    """Decide an approval in the run's page, as an assignee."""

    def act(wait: Wait, by: Person) -> str:
        given = posted_answers(request.POST, (wait.data or {}).get("form", []))
        remark = posted_remark(request.POST)
        approvals.decide_approval(wait, by=by, outcome=request.POST.get("outcome", ""), form=given, remark=remark)
        return _("Decision saved.")

    return _apply_to_wait(request, get_run_or_404(request, run_id), path, act)


def _posted_output(request: HttpRequest, dialog: str) -> Any:
    text = request.POST.get("output", "").strip()
    try:
        return parse_storable(text) if text else None
    except ValueError as error:
        reason = _("The output is not valid JSON: %(reason)s") % {"reason": translated(str(error))}
        raise _InvalidInputError(as_sentence(reason), dialog) from error


def _apply_as_runner(
    request: HtmxRequest, run_id: uuid.UUID, path: str, act: Callable[[Wait, Person], str]
) -> HttpResponse:
    """`_apply_to_wait` for people who may run the workflow, else 403."""
    run = get_run_or_404(request, run_id)
    if not can(request.user, "run", run.workflow):
        raise PermissionDenied
    return _apply_to_wait(request, run, path, act)


def _apply_to_wait(
    request: HtmxRequest, run: ExecutionRun, path: str, act: Callable[[Wait, Person], str]
) -> HttpResponse:
    """Apply `act` to the open wait of that step. An error is shown in the panel, with the entered input."""
    waits = Wait.objects.filter(run=run, path=path.replace("\0", "")) if path else Wait.objects.none()
    wait = waits.order_by("id").last()
    if wait is None:
        raise Http404
    values = posted_answers(request.POST, (wait.data or {}).get("form", []))
    try:
        message = act(wait, current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except form_validation.AnswersError as error:
        return _render_panel(request, run.pk, path, 422, given=(values, error.errors))
    except approvals.OutcomeError:
        return _render_panel(request, run.pk, path, 422, given=(values, {"": _("Choose an outcome.")}))
    except _InvalidInputError as error:
        return _render_panel(request, run.pk, path, 422, problem=str(error), dialog=error.dialog)
    except approvals.NotOpenError as error:
        return _render_panel(request, run.pk, path, 409, problem=translated(str(error)))
    return _render_panel(request, run.pk, path, 200, message=message)


def _render_panel(request: HtmxRequest, run_id: uuid.UUID, path: str, status: int, **shown: Any) -> HttpResponse:
    """The panel; without htmx, a redirect to the page with the same message."""
    if status == 200 and not request.htmx:
        messages.success(request, shown["message"])
        there = reverse("admin:automate_core_executionrun_change", args=[run_id])
        return HttpResponseSeeOther(f"{there}?{urlencode({'step': path})}")
    page = load_run(request.user, run_id, RunView.from_query({}, path))
    panel = build_inspector(page, path, None, request.user, entered=request.POST, **shown)
    if panel is None:
        return HttpResponse(shown.get("problem", ""), status=status, content_type="text/plain; charset=utf-8")
    context = {"page": page, "inspector": panel}
    response = TemplateResponse(request, "automate_studio/runs/page/inspector.html", context, status=status)
    return reveal_answer_url(response, panel)
