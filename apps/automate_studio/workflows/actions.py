"""Workflow list, and pausing, resuming, archiving and restoring: in bulk from the list, singly from a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url

from automate_authoring import pausing
from automate_core.models import HostedForm, Workflow
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, Person, holds_anywhere, permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.workflows.listing import ON_A_PAGE, workflow_page
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence
from automate_ui.htmx import HtmxRequest
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, current_person, parse_number
from automate_ui.request_params import get_workflow_or_404

TEMPLATE = "automate_studio/workflows/list.html"


@dataclass(frozen=True)
class BulkVerb:
    """An action on several workflows; `undo` is the opposite action, if any.

    `done` says what was changed, of a number of workflows and the name of the first. `closes_forms`: their hosted forms
    take no answers afterwards.
    """

    act: Callable[[Workflow, Person], Workflow]
    done: Callable[[int, str], str]
    more: str
    undo: str = ""
    closes_forms: bool = False
    forbidden: str = text("%(name)s: you need the Publish permission.")


def _paused(count: int, name: str) -> str:
    return ngettext("Paused %(name)s.", "Paused %(count)s workflows.", count) % {"name": name, "count": count}


def _resumed(count: int, name: str) -> str:
    return ngettext("Resumed %(name)s.", "Resumed %(count)s workflows.", count) % {"name": name, "count": count}


def _archived(count: int, name: str) -> str:
    return ngettext("Archived %(name)s.", "Archived %(count)s workflows.", count) % {"name": name, "count": count}


def _restored(count: int, name: str) -> str:
    return ngettext("Restored %(name)s.", "Restored %(count)s workflows.", count) % {"name": name, "count": count}


_PAUSED = text("Events are still accepted. New runs wait.")
_FORMS_CLOSED = text("Hosted forms are closed and accept no answers.")
RUN_NOW = text("Runs that waited start now.")
DISCARDED = text("Runs that waited are cancelled.")
_OPERATE = text("%(name)s: you need the Operate or Publish permission.")
_VERBS = {
    "pause": BulkVerb(pausing.pause, _paused, _PAUSED, undo="resume", closes_forms=True, forbidden=_OPERATE),
    "resume": BulkVerb(pausing.resume, _resumed, RUN_NOW, forbidden=_OPERATE),
    "discard": BulkVerb(
        lambda workflow, by: pausing.resume(workflow, by, "discard"), _resumed, DISCARDED, forbidden=_OPERATE
    ),
    "archive": BulkVerb(
        pausing.archive, _archived, text("You can restore them from the Archived tab."), closes_forms=True
    ),
    "restore": BulkVerb(pausing.restore, _restored, text("Published workflows are paused. Resume them to run them.")),
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
    return render_page(request, TEMPLATE, _("Workflows"), found=found)


@require_POST
def workflows_manage(request: HttpRequest) -> HttpResponse:
    """Apply an action to several workflows, each with its own permission check and audit entry; responds with the list.

    404 when this person may view none of them, 403 when they may manage none, 409 when nothing was changed.
    """
    verb = _VERBS.get(request.POST.get("do", ""))
    keys = {key for posted in request.POST.getlist("id") if (key := parse_number(posted))}
    if verb is None or not keys or len(keys) > ON_A_PAGE:
        problem = _("Choose an action and 1 to %(most)s workflows.") % {"most": ON_A_PAGE}
        return HttpResponse(problem, status=422, content_type="text/plain")
    known = list(permitted(request.user, "view", Workflow.objects.filter(pk__in=keys)).order_by("name", "pk"))
    if not known:
        raise Http404
    done, refused, forbidden = _apply_to_each(verb, known, current_person(request))
    if forbidden and not done and not refused:
        raise PermissionDenied
    reasons = [*refused, *(translated(verb.forbidden) % {"name": name} for name in forbidden)]
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
    sentences = [_("No workflow was changed.")]
    if done:
        sentences = [verb.done(len(done), done[0].name), translated(verb.more)]
        sentences += _forms_closed(done) if verb.closes_forms else []
    return BulkOutcome(
        message=" ".join(sentences),
        refused=refused,
        undo=verb.undo,
        keys=[workflow.pk for workflow in done],
    )


def _forms_closed(workflows: list[Workflow]) -> list[str]:
    """The sentence that hosted forms are closed, where a paused or archived workflow has one."""
    has_form = HostedForm.objects.filter(workflow__in=workflows).exists()
    return [translated(_FORMS_CLOSED)] if has_form else []


def paused_message(workflow: Workflow) -> str:
    """What pausing the workflow means for events, runs and its hosted forms."""
    return " ".join([_("Workflow paused."), translated(_PAUSED), *_forms_closed([workflow])])


def _list_response(request: HttpRequest, outcome: BulkOutcome | None = None, *, status: int = 200) -> HttpResponse:
    """The list for its query, with the changed parts around it."""
    found = workflow_page(request.user, request.GET, timezone.now())
    shown = {"found": found, "outcome": outcome}
    answer = TemplateResponse(request, f"{TEMPLATE}#answer", shown, status=status)
    return push_url(answer, f"{reverse('admin:automate_core_workflow_changelist')}{found.query}")


@require_POST
def workflow_archive(request: HttpRequest, pk: int) -> HttpResponse:
    return _apply_to_one(request, pk, pausing.archive, _archived_message)


def _archived_message(workflow: Workflow) -> str:
    said = _("Workflow archived. No new runs start; runs in progress finish.")
    return " ".join([said, *_forms_closed([workflow])])


@require_POST
def workflow_restore(request: HttpRequest, pk: int) -> HttpResponse:
    return _apply_to_one(request, pk, pausing.restore, _restored_message)


def _restored_message(workflow: Workflow) -> str:
    if workflow.status == Workflow.Status.PAUSED:
        return _("Workflow restored. It is paused: resume it to run it.")
    return _("Workflow restored as a draft.")


def _apply_to_one(
    request: HttpRequest, pk: int, act: Callable[[Workflow, Person], Workflow], said: Callable[[Workflow], str]
) -> HttpResponse:
    workflow = get_workflow_or_404(request, pk)
    try:
        moved = act(workflow, current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except pausing.WorkflowStateError as error:
        messages.error(request, as_sentence(str(error)))
    else:
        messages.success(request, said(moved))
    return HttpResponseSeeOther(change_url(workflow))
