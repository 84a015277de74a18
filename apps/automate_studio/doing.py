"""What people do from the screens: one POST, one call, and back to a page that says what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from automate_core.authoring import pausing
from automate_core.definition import form_validation
from automate_core.models import Workflow
from automate_core.operations.retention import pinning
from automate_core.runs import control
from automate_core.triggers import manual
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_studio import asked, forms, frame, manual_payload, words


class SeeOther(HttpResponseRedirect):
    """The answer to a POST: look there."""

    status_code = 303


@require_POST
def run_cancel(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Cancel a run: its page says who did, and why."""
    run = asked.run(request, run_id)
    reason = asked.words(request.POST.get("reason"))
    _do(request, lambda: control.cancel(run, by=asked.person(request), reason=reason))
    return SeeOther(_run_url(run))


@require_POST
def run_keep(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Keep a run for ever with `keep`, or else like any other."""
    run = asked.run(request, run_id)
    is_kept = bool(request.POST.get("keep"))
    act = pinning.keep if is_kept else pinning.release
    if _do(request, lambda: act(run, by=asked.person(request))):
        goes = "It is kept until somebody lets it go." if is_kept else "It is deleted when its days are over."
        messages.success(request, goes)
    return SeeOther(_run_url(run))


@require_http_methods(["GET", "HEAD", "POST"])
def workflow_start(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a workflow's start by hand; a POST starts it."""
    workflow = _workflow(request, pk)
    if not can(request.user, "run", workflow):
        raise PermissionDenied
    form, takes_any = manual.form(workflow), manual.takes_any(workflow)
    text, fault = request.POST.get("payload", ""), ""
    values, errors = forms.given(request.POST, form), {}
    if request.method == "POST":
        try:
            values = manual_payload.read(text) if takes_any else values
            begun = _do(request, lambda: manual.start(workflow, values, by=asked.person(request)))
            return SeeOther(_workflow_url(workflow) + (f"?started={begun.event_id}" if begun else ""))
        except form_validation.AnswersError as error:
            errors = error.errors
        except ValueError as error:
            fault = words.sentence(str(error))
    elif takes_any:
        text = manual_payload.example(workflow, asked.person(request))
    return frame.page(
        request,
        "automate_studio/start.html",
        f"Run {workflow.name}",
        status=422 if errors or fault else 200,
        takes_any=takes_any,
        payload=text,
        fault=fault,
        workflow=workflow,
        fields=forms.fields(form, values, errors),
    )


@require_POST
def workflow_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Let new runs of a workflow wait."""
    workflow = _workflow(request, pk)
    if _do(request, lambda: pausing.pause(workflow, asked.person(request))):
        messages.success(request, "Paused. Events are accepted, and new runs wait.")
    return SeeOther(_workflow_url(workflow))


@require_POST
def workflow_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a workflow go on, with what waited or without."""
    workflow = _workflow(request, pk)
    discard = request.POST.get("backlog") == "discard"
    if _do(request, lambda: pausing.resume(workflow, asked.person(request), "discard" if discard else "run")):
        messages.success(request, f"Resumed. Runs that waited are {'cancelled' if discard else 'run now'}.")
    return SeeOther(_workflow_url(workflow))


def _workflow(request: HttpRequest, pk: int) -> Workflow:
    return get_object_or_404(permitted(request.user, "view", Workflow.objects.all()), pk=pk)


def _do[T](request: HttpRequest, act: Callable[[], T]) -> T | None:
    """What `act` gives; None, with the reason told, when it cannot be done. Raises PermissionDenied."""
    try:
        return act()
    except NotPermittedError as error:
        raise PermissionDenied from error
    except (control.ControlError, pausing.WorkflowStateError, manual.NotStartableError) as error:
        messages.error(request, words.sentence(str(error)))
        return None


def _run_url(run: Any) -> str:
    return reverse("admin:automate_core_executionrun_change", args=[run.pk])


def _workflow_url(workflow: Workflow) -> str:
    return reverse("admin:automate_core_workflow_change", args=[workflow.pk])
