"""Start, pause and resume: one POST, one call, and a redirect with a message."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from automate_authoring import pausing
from automate_core.definition import form_validation
from automate_core.triggers import manual
from automate_governance.permissions import can
from automate_governance.texts import translated
from automate_studio.workflows.actions import DISCARDED, RUN_NOW, paused_message
from automate_studio.workflows.manual_payload import example_payload, parse_payload, payload_field, start_fields
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence
from automate_ui.forms import form_fields, posted_answers
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person
from automate_ui.request_params import get_workflow_or_404
from automate_ui.responses import try_action


@require_http_methods(["GET", "HEAD", "POST"])
def workflow_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Form of a manual start; a POST starts the workflow."""
    workflow = get_workflow_or_404(request, pk)
    if not can(request.user, "run", workflow):
        raise PermissionDenied
    form = start_fields(workflow)
    takes_any = not form and manual.accepts_any_payload(workflow)
    text, fault = request.POST.get("payload", ""), ""
    values, errors = posted_answers(request.POST, form), {}
    if request.method == "POST":
        try:
            values = parse_payload(text) if takes_any else form_validation.check_answers(form, values)
            begun = try_action(request, lambda: manual.start_workflow(workflow, values, by=current_person(request)))
            return HttpResponseSeeOther(change_url(workflow) + (f"?started={begun.event_id}" if begun else ""))
        except form_validation.AnswersError as error:
            errors = error.errors
        except ValueError as error:
            fault = as_sentence(str(error))
    elif takes_any:
        text = example_payload(workflow, current_person(request))
    return render_page(
        request,
        "automate_studio/workflows/start.html",
        _("Run %(name)s") % {"name": workflow.name},
        status=422 if errors or fault else 200,
        takes_any=takes_any,
        workflow=workflow,
        fields=[payload_field(text, fault)] if takes_any else form_fields(form, values, errors),
    )


@require_POST
def workflow_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause a workflow."""
    workflow = get_workflow_or_404(request, pk)
    reason = clean_text(request.POST.get("reason"))
    if try_action(request, lambda: pausing.pause(workflow, current_person(request), reason)):
        messages.success(request, paused_message(workflow))
    return HttpResponseSeeOther(change_url(workflow))


@require_POST
def workflow_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Resume a workflow; its backlog is run or discarded."""
    workflow = get_workflow_or_404(request, pk)
    discard = request.POST.get("backlog") == "discard"
    if try_action(
        request,
        lambda: pausing.resume(workflow, current_person(request), "discard" if discard else "run"),
    ):
        messages.success(request, f"{_('Workflow resumed.')} {translated(DISCARDED if discard else RUN_NOW)}")
    return HttpResponseSeeOther(change_url(workflow))
