"""Page on which an administrator sees a person's objects and hands them over."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from automate_core.models import NotificationRule, Wait
from automate_core.runs.waits import approvals
from automate_governance.admin_site import reverse
from automate_governance.models import AuditEntry
from automate_governance.people import names
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_governance.texts import translated
from automate_operations.offboarding import handover, holdings
from automate_ui.admin_page import render_page
from automate_ui.formatting import as_sentence
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person, parse_number

SHOWN = 10  #: objects of a kind
MOST_PEOPLE = 200  #: that are proposed
MOST_TOLD = 10  #: that could not be handed over


@require_http_methods(["GET", "HEAD", "POST"])
def hand_over(request: HttpRequest, pk: str) -> HttpResponse:
    """A person's objects, for superusers. A POST shows what handing them over would do; a confirmed one does it."""
    by = current_person(request)
    if not by.is_superuser:
        raise PermissionDenied
    leaver, name = _get_person(pk), clean_text(request.POST.get("to"))
    deactivate = bool(request.POST.get("deactivate"))
    problem, preview = "", None
    if request.method == "POST":
        try:
            to = handover.find_active_person(name)
            preview = handover.preview_hand_over(leaver, to, by=by, deactivate=deactivate)
            if parse_number(request.POST.get("stays")) == len(preview.left):
                result = handover.hand_over(leaver, to, by=by, deactivate=deactivate)
                _report_hand_over(request, leaver, name, result, deactivate=deactivate)
                return HttpResponseSeeOther(request.path)
        except handover.HandoverError as error:
            problem = translated(str(error))
    return render_page(
        request,
        "automate_studio/people/hand_over.html",
        _("Hand over from %(person)s") % {"person": sign_in_name(leaver)},
        status=422 if problem else 200,
        leaver=leaver,
        kinds=[_holding_view(each) for each in holdings.find_holdings(leaver)],
        remainders=remainder_views(leaver),
        naming=[(workflow.name, object_url(workflow)) for workflow in holdings.workflows_naming(leaver)],
        may_be_deleted=holdings.may_be_deleted(leaver),
        names=_proposed_names(leaver),
        given=name,
        deactivate=deactivate,
        preview=_preview_view(preview) if preview else None,
        problem=problem,
        back=object_url(leaver),
    )


def _preview_view(preview: handover.Handover) -> dict[str, Any]:
    return {
        "moved": [translated(phrase) for phrase in preview.phrases],
        "stays": len(preview.left),
        "left": [as_sentence(line) for line in preview.left[:SHOWN]],
        "more": max(len(preview.left) - SHOWN, 0),
        "cautions": [as_sentence(line) for line in preview.cautions[:SHOWN]],
        "is_deactivated": preview.is_deactivated,
        "open_runs": preview.open_runs,
    }


def hand_over_url(person: Person) -> str:
    """URL of the page for this person."""
    return reverse("studio:hand_over", args=[person.pk])


def object_url(obj: Any) -> str:
    """Page of an object; empty for a model without one."""
    if isinstance(obj, Wait):
        return reverse("studio:approval_page", args=[obj.pk])
    if isinstance(obj, NotificationRule):
        return reverse("studio:rule_edit", args=[obj.pk])
    try:
        return change_url(obj)
    except NoReverseMatch:
        return ""


def _get_person(pk: str) -> Person:
    try:
        found: Person | None = get_user_model()._default_manager.filter(pk=pk).first()
    except (ValueError, ValidationError):
        found = None
    if found is None:
        raise Http404
    return found


def _proposed_names(leaver: Person) -> list[str]:
    active = get_user_model()._default_manager.filter(is_active=True).exclude(pk=leaver.pk)
    return [sign_in_name(each) for each in active.order_by(names.username_field())[:MOST_PEOPLE]]


def _holding_view(held: holdings.Holding | holdings.Remainder) -> dict[str, Any]:
    number = held.objects.count()
    objects = held.objects.select_related("run__workflow") if held.objects.model is Wait else held.objects
    return {
        "title": translated(held.title),
        "number": number,
        "objects": [(_object_name(each), object_url(each)) for each in objects[:SHOWN]],
        "more": max(number - SHOWN, 0),
    }


def remainder_views(person: Person) -> list[dict[str, Any]]:
    """What stays with the person, by kind, and what happens to it."""
    return [{**_holding_view(each), "effect": translated(each.effect)} for each in holdings.find_remainders(person)]


def _object_name(obj: Any) -> str:
    if isinstance(obj, AuditEntry):
        return obj.object
    return approvals.approval_label(obj) if isinstance(obj, Wait) else str(obj)


def _report_hand_over(
    request: HttpRequest, leaver: Person, name: str, result: handover.Handover, *, deactivate: bool
) -> None:
    given = {
        "leaver": sign_in_name(leaver),
        "person": name,
        "objects": ", ".join(translated(phrase) for phrase in result.phrases),
    }
    if result.phrases:
        messages.success(request, _("Handed over from %(leaver)s to %(person)s: %(objects)s.") % given)
    if result.is_deactivated:
        messages.success(request, _("The account %(leaver)s was deactivated.") % given)
    elif deactivate:
        said = _("The account %(leaver)s was not deactivated, because some objects stay with it.")
        messages.warning(request, said % given)
    for line in [*result.cautions[:MOST_TOLD], *result.left[:MOST_TOLD]]:
        messages.warning(request, as_sentence(line))
    if len(result.left) > MOST_TOLD:
        more = len(result.left) - MOST_TOLD
        messages.warning(
            request,
            ngettext(
                "%(count)s more object could not be handed over.",
                "%(count)s more objects could not be handed over.",
                more,
            )
            % {"count": more},
        )
