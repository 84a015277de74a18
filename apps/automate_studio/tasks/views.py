"""Tasks: approvals of a person, the decision page, delegation and reassignment."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_core.definition import form_validation
from automate_core.models import Wait
from automate_core.runs.waits import approvals
from automate_core.states import WaitStatus
from automate_governance import sharing
from automate_governance.admin_site import reverse
from automate_governance.numbers import typed_number
from automate_governance.people import names
from automate_governance.people.labels import find_group
from automate_governance.people.role_giving import has_staff_status
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.texts import escape_invisible, translated
from automate_operations.offboarding import tasks as leaver_tasks
from automate_studio.tasks.listing import OF_OTHERS, build_task_row, task_page
from automate_studio.view_models.task_counts import may_reassign_tasks, review_count
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence, format_count
from automate_ui.forms import form_fields, posted_answers, posted_remark, remark_error
from automate_ui.links import runs_to_review_url
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person

LONGEST_FACT = 2_000
MOST_REFUSALS = 5  #: that are listed
_SHOWN = "automate_studio.tasks.views.shown"


@require_safe
def approval_list(request: HttpRequest) -> HttpResponse:
    """Approvals to decide, or decided ones."""
    found = task_page(request.user, request.GET, timezone.now())
    has_role = request.user.is_superuser or bool(request.user.get_all_permissions())
    return _render_page(
        request,
        "automate_studio/tasks/list.html",
        _("Tasks"),
        found=found,
        to_review=review_count(request.user),
        review_url=runs_to_review_url(),
        of_others=found.hidden.get("show") in OF_OTHERS,
        lacks_role=not has_role,
        lacks_site=has_role and not has_staff_status(request.user),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def approval_page(request: HttpRequest, wait_id: uuid.UUID) -> HttpResponse:
    """An approval: message, facts, form and outcomes; for assignees and superusers.

    A person whose page was open when they stopped being an assignee gets that as an error.
    """
    visible = approvals.visible_approvals(request.user).select_related("run__workflow")
    wait = visible.filter(pk=wait_id).first()
    if request.method == "POST":
        if wait is not None and approvals.is_asked(wait, current_person(request)):
            return _record_decision(request, wait)
        if wait is not None or _was_visible(request, wait_id):
            return _no_longer_response(request)
    if wait is None:
        raise Http404
    return _render_task(request, wait)


@require_POST
def approval_delegate(request: HttpRequest, wait_id: uuid.UUID) -> HttpResponse:
    """Delegate this person's approval."""
    wait = get_object_or_404(approvals.visible_approvals(request.user).select_related("run__workflow"), pk=wait_id)
    name = clean_text(request.POST.get("to"))
    return _assign(
        request,
        wait,
        name,
        "to",
        lambda: approvals.delegate_approval(wait, by=current_person(request), to=_find_person(name)),
    )


@require_POST
def approval_reassign(request: HttpRequest, wait_id: uuid.UUID) -> HttpResponse:
    """Replace all assignees of an approval."""
    wait = get_object_or_404(approvals.visible_approvals(request.user).select_related("run__workflow"), pk=wait_id)
    if not approvals.reassignable_approvals(request.user).filter(pk=wait.pk).exists():
        return _no_longer_response(
            request, _("You need the Operate and View payloads permissions for this workflow to reassign its tasks.")
        )
    name = clean_text(request.POST.get("people"))
    return _assign(
        request,
        wait,
        name,
        "people",
        lambda: approvals.reassign_approval(wait, by=current_person(request), **_parse_assignee(name)),
    )


@require_safe
def approval_names(request: HttpRequest, wait_id: uuid.UUID) -> HttpResponse:
    """Names to suggest for what was typed, as options: people to delegate to, or people and groups to reassign to."""
    wait = get_object_or_404(approvals.visible_approvals(request.user).select_related("run__workflow"), pk=wait_id)
    by, workflow = current_person(request), wait.run.workflow
    if "people" in request.GET:
        found = sharing.suggest_grantees(by, workflow, clean_text(request.GET["people"]))
    else:
        found = sharing.suggest_people(by, workflow, clean_text(request.GET.get("to")))
    return TemplateResponse(request, "automate_studio/ui/person_options.html", {"names": found})


@require_POST
def approvals_hand_over(request: HttpRequest) -> HttpResponse:
    """Replace one person, or without a name those who cannot decide, in all approvals that this person may reassign."""
    if not may_reassign_tasks(request.user):
        raise PermissionDenied
    absent, name = clean_text(request.POST.get("from")), clean_text(request.POST.get("to"))
    try:
        person = names.people_named(absent).first() if absent else None
        if absent and person is None:
            raise approvals.HandOverError(_("No account is named “%(name)s”. Check the username.") % {"name": absent})
        done = leaver_tasks.hand_over_approvals(person, by=current_person(request), **_parse_assignee(name))
    except approvals.HandOverError as error:
        messages.error(request, translated(str(error)))
    else:
        _report_hand_over(request, name, done)
    return HttpResponseSeeOther(f"{reverse('studio:approval_list')}?show=all")


def _report_hand_over(request: HttpRequest, name: str, done: leaver_tasks.ApprovalHandover) -> None:
    if not done.done and not done.refused:
        messages.warning(request, _("Nothing was handed over: there are no such open tasks that you may reassign."))
    if done.done:
        words = ngettext("%(count)s task handed over to %(to)s.", "%(count)s tasks handed over to %(to)s.", done.done)
        messages.success(request, words % {"count": format_count(done.done), "to": name})
    for task, why in done.refused[:MOST_REFUSALS]:
        messages.error(request, f"{task}: {translated(why)}")
    if (more := len(done.refused) - MOST_REFUSALS) > 0:
        words = ngettext(
            "%(count)s more task could not be handed over.", "%(count)s more tasks could not be handed over.", more
        )
        messages.error(request, words % {"count": format_count(more)})


def _parse_assignee(name: str) -> dict[str, Any]:
    """Group or person of that name. Raises HandOverError."""
    group = find_group(name)
    return {"groups": [group]} if group else {"users": [_find_person(name)]}


def _assign(request: HttpRequest, wait: Wait, name: str, field: str, act: Any) -> HttpResponse:
    try:
        act()
    except NotPermittedError as error:
        return _no_longer_response(request, as_sentence(str(error)))
    except approvals.HandOverError as error:
        return _render_task(request, wait, {field: name}, {field: translated(str(error))})
    except approvals.NotOpenError as error:
        messages.error(request, translated(str(error)))
    else:
        messages.success(request, _("Task assigned to %(name)s.") % {"name": name})
    return HttpResponseSeeOther(reverse("studio:approval_list"))


def _find_person(name: str) -> Person:
    """Raises HandOverError."""
    person: Person | None = names.active_people([name]).first()
    if person is None:
        said = _("No active account is named “%(name)s”. Check the username.") % {"name": name}
        raise approvals.HandOverError(said if name else _("Enter a name."))
    return person


def _record_decision(request: HttpRequest, wait: Wait) -> HttpResponse:
    given = posted_answers(request.POST, (wait.data or {}).get("form", []))
    try:
        approvals.decide_approval(
            wait,
            by=current_person(request),
            outcome=request.POST.get("outcome", ""),
            form=given,
            remark=posted_remark(request.POST),
        )
    except NotPermittedError:
        return _no_longer_response(request)
    except approvals.OutcomeError:
        return _render_task(request, wait, given, {"": _("Choose an outcome.")})
    except form_validation.AnswersError as error:
        return _render_task(request, wait, given, error.errors)
    except approvals.NotOpenError as error:
        messages.error(request, translated(str(error)))
    else:
        if wait.run.version.run_as.is_active:
            messages.success(request, _("Decision saved."))
        else:
            said = _("Decision saved. The run waits, because its workflow is stopped. You need not decide again.")
            messages.warning(request, said)
    return HttpResponseSeeOther(reverse("studio:approval_list"))


def _no_longer_response(request: HttpRequest, why: str = "") -> HttpResponse:
    why = why or _("You are no longer an approver of this task. Your decision was not saved.")
    response = _render_page(request, "automate_studio/tasks/not_assigned.html", _("Not assigned to you"), why=why)
    response.status_code = 403
    return response


def _render_task(
    request: HttpRequest, wait: Wait, given: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> HttpResponse:
    given, errors = given or {}, errors or {}
    person, data = current_person(request), wait.data or {}
    is_open = wait.status == WaitStatus.OPEN
    may_decide = is_open and approvals.is_asked(wait, person)
    row = build_task_row(wait, timezone.now())
    response = _render_page(
        request,
        "automate_studio/tasks/page.html",
        row.title,
        wait=wait,
        approving=approvals.approving_outcome(wait),
        row=row,
        outcomes=approvals.shown_outcomes(wait)[::-1],
        remark=posted_remark(request.POST),
        remark_error=remark_error(errors),
        decided_remark=escape_invisible(str((wait.outcome or {}).get("remark") or "")),
        run_url=_run_url(wait, person),
        message=escape_invisible(str(data.get("message", ""))),
        facts=[(escape_invisible(fact["label"]), _fact_text(fact["value"])) for fact in data.get("context", [])],
        fields=form_fields(data.get("form", []), given, errors),
        error=errors.get("", ""),
        is_open=is_open,
        may_decide=may_decide,
        may_delegate=may_decide and bool(data.get("delegate")),
        may_reassign=is_open and approvals.reassignable_approvals(person).filter(pk=wait.pk).exists(),
        people=approvals.shown_assignees(wait),
        given=given,
        errors=errors,
        shown=signing.dumps([str(wait.pk), str(person.pk)], salt=_SHOWN),
    )
    response.status_code = 422 if errors else 200
    return response


def _run_url(wait: Wait, person: Person) -> str:
    """The step on the page of its run; empty for people who may not view it."""
    if not can(person, "view", wait.run.workflow):
        return ""
    page = reverse("admin:automate_core_executionrun_change", args=[wait.run_id])
    return f"{page}?{urlencode({'step': wait.path})}"


def _was_visible(request: HttpRequest, wait_id: uuid.UUID) -> bool:
    """Whether the posting page was given to this person: they already know of the approval."""
    try:
        shown = signing.loads(request.POST.get("shown", ""), salt=_SHOWN)
    except signing.BadSignature:
        return False
    return bool(shown == [str(wait_id), str(current_person(request).pk)])


def _fact_text(value: Any) -> str:
    """A fact as text."""
    if value is None or value == "":
        return _("Not set")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return typed_number(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape_invisible(text if len(text) <= LONGEST_FACT else f"{text[:LONGEST_FACT]} …")


def _render_page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    if not current_person(request).is_staff:
        context["is_nav_sidebar_enabled"] = False  # it would say that there is nothing they may open
    return render_page(request, template, title, **context)
