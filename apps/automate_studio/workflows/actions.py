"""Workflow list, and pausing, resuming, archiving and restoring: in bulk from the list, singly from a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url

from automate_core.authoring import pausing
from automate_core.models import Workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, Person, holds_anywhere, permitted
from automate_studio.ui.admin_page import render_page
from automate_studio.ui.formatting import as_sentence
from automate_studio.ui.htmx import HtmxRequest
from automate_studio.ui.links import change_url
from automate_studio.ui.request_params import current_person, get_workflow_or_404, parse_number
from automate_studio.ui.responses import HttpResponseSeeOther
from automate_studio.workflows.listing import ON_A_PAGE, workflow_page

TEMPLATE = "automate_studio/workflows/list.html"


@dataclass(frozen=True)
class BulkVerb:
    """An action on several workflows; `undo` is the opposite action, if any."""

    act: Callable[[Workflow, Person], Workflow]
    done: str
    undo: str = ""
    more: str = ""
    permission: str = "publish"


_OPERATE = "operate or publish"
_VERBS = {
    "pause": BulkVerb(pausing.pause, "Paused", "resume", "Events are accepted, and new runs wait.", _OPERATE),
    "resume": BulkVerb(pausing.resume, "Resumed", more="Runs that waited run now.", permission=_OPERATE),
    "discard": BulkVerb(
        lambda workflow, by: pausing.resume(workflow, by, "discard"),
        "Resumed",
        more="Runs that waited are cancelled.",
        permission=_OPERATE,
    ),
    "archive": BulkVerb(pausing.archive, "Archived", more="They can be restored under Archived."),
    "restore": BulkVerb(pausing.restore, "Restored", more="What was published is paused: resume it to let it run."),
}


@dataclass(frozen=True, kw_only=True)
class BulkOutcome:
    """Result of an action, and the workflows on which it can be undone."""

    message: str
    refused: list[str]
    undo: str
    keys: list[int]


@require_safe
def workflow_list(request: HtmxRequest) -> HttpResponse:
    """Workflows that this person may view; htmx gets the changed part alone."""
    if not holds_anywhere(request.user, "view", Workflow):
        raise Http404
    if request.htmx:
        return _list_response(request)
    found = workflow_page(request.user, request.GET, timezone.now())
    return render_page(request, TEMPLATE, "Workflows", found=found)


@require_POST
def workflows_manage(request: HttpRequest) -> HttpResponse:
    """Apply an action to several workflows, each with its own permission check and audit entry; responds with the list.

    404 when this person may view none of them, 403 when they may manage none, 409 when nothing was changed.
    """
    verb = _VERBS.get(request.POST.get("do", ""))
    keys = {key for text in request.POST.getlist("id") if (key := parse_number(text))}
    if verb is None or not keys or len(keys) > ON_A_PAGE:
        return HttpResponse(
            f"Choose what to do, and 1 to {ON_A_PAGE} workflows.", status=422, content_type="text/plain"
        )
    known = list(permitted(request.user, "view", Workflow.objects.filter(pk__in=keys)).order_by("name", "pk"))
    if not known:
        raise Http404
    done, refused, forbidden = _apply_to_each(verb, known, current_person(request))
    if forbidden and not done and not refused:
        raise PermissionDenied
    reasons = [*refused, *(f"{name}: you need the permission to {verb.permission} it." for name in forbidden)]
    return _list_response(request, _bulk_outcome(verb, done, reasons), status=200 if done else 409)


def _apply_to_each(verb: BulkVerb, chosen: list[Workflow], by: Person) -> tuple[list[Workflow], list[str], list[str]]:
    """(changed workflows, reasons for the others, names of those without permission)."""
    done: list[Workflow] = []
    refused: list[str] = []
    forbidden: list[str] = []
    for workflow in chosen:
        try:
            done.append(verb.act(workflow, by))
        except NotPermittedError:
            forbidden.append(workflow.name)
        except pausing.WorkflowStateError as error:
            refused.append(as_sentence(str(error)))
    return done, refused, forbidden


def _bulk_outcome(verb: BulkVerb, done: list[Workflow], refused: list[str]) -> BulkOutcome:
    which = done[0].name if len(done) == 1 else f"{len(done)} workflows"
    return BulkOutcome(
        message=f"{verb.done} {which}. {verb.more}" if done else "Nothing was changed.",
        refused=refused,
        undo=verb.undo,
        keys=[workflow.pk for workflow in done],
    )


def _list_response(request: HttpRequest, outcome: BulkOutcome | None = None, *, status: int = 200) -> HttpResponse:
    """The list for its query, with the changed parts around it."""
    found = workflow_page(request.user, request.GET, timezone.now())
    shown = {"found": found, "outcome": outcome}
    answer = TemplateResponse(request, f"{TEMPLATE}#answer", shown, status=status)
    return push_url(answer, f"{reverse('admin:automate_core_workflow_changelist')}{found.query}")


@require_POST
def workflow_archive(request: HttpRequest, pk: int) -> HttpResponse:
    return _apply_to_one(request, pk, pausing.archive, "Archived. No further runs start; those that have started end.")


@require_POST
def workflow_restore(request: HttpRequest, pk: int) -> HttpResponse:
    return _apply_to_one(request, pk, pausing.restore, "Restored. It is {}.")


def _apply_to_one(request: HttpRequest, pk: int, act: Callable[[Workflow, Person], Any], said: str) -> HttpResponse:
    workflow = get_workflow_or_404(request, pk)
    try:
        moved = act(workflow, current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except pausing.WorkflowStateError as error:
        messages.error(request, as_sentence(str(error)))
    else:
        where = "paused: resume it to let it run" if moved.status == Workflow.Status.PAUSED else "a draft"
        messages.success(request, said.format(where))
    return HttpResponseSeeOther(change_url(workflow))
