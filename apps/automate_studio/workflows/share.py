"""Sharing panel of connections, webhook endpoints and workflows: a page, and a fragment for htmx."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from automate_authoring import workflows
from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint, Workflow
from automate_governance import sharing
from automate_governance.admin_site import admin_site
from automate_governance.governed import Governed
from automate_governance.people import role_giving
from automate_governance.people.names import may_view_all, sign_in_name
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_governance.texts import translated
from automate_operations.offboarding.lost_rights import find_lost_rights
from automate_plugins import text
from automate_ui.htmx import HtmxRequest
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person

KINDS: dict[str, type[Governed]] = {"connection": Connection, "webhook": WebhookEndpoint, "workflow": Workflow}

#: What a verb includes beyond its name.
_INCLUDES = {
    "use": text("In workflow steps"),
    "run": text("Includes cancelling and re-running its runs"),
    "operate": text("Pausing and resuming, delegating approvals"),
    "publish": text("Includes pausing and resuming"),
}
_PRESET_NAMES = {
    "viewer": pgettext_lazy("permissions", "Viewer"),
    "user": pgettext_lazy("permissions", "User"),
    "operator": pgettext_lazy("permissions", "Operator"),
    "editor": pgettext_lazy("permissions", "Editor"),
}


@require_GET
def share_names(request: HtmxRequest, kind: str, pk: int) -> HttpResponse:
    """Names to suggest for what was typed, as options."""
    begun = clean_text(request.GET.get("name"))
    names = sharing.suggest_grantees(current_person(request), _get_object(request, kind, pk), begun)
    return TemplateResponse(request, "automate_studio/ui/person_options.html", {"names": names})


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HtmxRequest, kind: str, pk: int) -> HttpResponse:
    """Grants of an object with their reasons; a POST grants or revokes. What would stop workflows is confirmed first.

    404 for an object the person may not view, 403 for one they may not share, 422 with the reason for invalid input.
    """
    obj = _get_object(request, kind, pk)
    problem, shared_with, question = "", None, None
    if request.method == "POST":
        try:
            question = _revocation_question(request, obj)
            shared_with = _change_grants(request, obj) if question is None else None
        except NotPermittedError as error:
            raise PermissionDenied(str(error)) from error
        except sharing.SharingError as error:
            problem = str(error)
    by_htmx = bool(request.htmx)
    if request.method == "POST" and not problem and question is None and not by_htmx:
        return HttpResponseSeeOther(request.path)
    template = "automate_studio/workflows/share.html" + ("#panel" if by_htmx else "")
    site = admin_site()
    request.current_app = site.name
    context = {"title": _("Share %(name)s") % {"name": obj}, **_share_context(request, obj, kind), "problem": problem}
    context |= {"shared_with": shared_with, "question": question}
    frame = {} if by_htmx else site.each_context(request)
    return TemplateResponse(request, template, {**frame, **context}, status=422 if problem else 200)


def _get_object(request: HttpRequest, kind: str, pk: int) -> Governed:
    if kind not in KINDS:
        raise Http404
    objects = KINDS[kind]._default_manager.select_related("owner")
    obj: Governed = get_object_or_404(permitted(request.user, "view", objects), pk=pk)
    if not can(request.user, "share", obj):
        raise PermissionDenied
    return obj


def _change_grants(request: HttpRequest, obj: Governed) -> sharing.Grantee | None:
    """Grant, revoke, or give the roles that a grant needs; whom it was shared with. Raises SharingError."""
    person = current_person(request)
    verbs = [verb.replace("\0", "") for verb in request.POST.getlist("verb")]
    if request.POST.get("revoke"):
        sharing.revoke(obj, _find_grant(obj, request.POST["revoke"]).grantee, verbs, by=person)
        return None
    if request.POST.get("cure"):
        if cure := _find_grant(obj, request.POST["cure"]).cure:
            role_giving.apply_cure(cure, by=person)
        return None
    grantee = sharing.find_grantee(clean_text(request.POST.get("name")))
    sharing.grant(obj, grantee, [*_preset_verbs(request, obj), *verbs], by=person)
    return grantee


def _revocation_question(request: HttpRequest, obj: Governed) -> dict[str, Any] | None:
    """What would stop if the grant were revoked, of workflows that one may view; None where nothing would.

    Raises NotPermittedError, SharingError.
    """
    if not request.POST.get("revoke") or "confirmed" in request.POST:
        return None
    person, grant = current_person(request), _find_grant(obj, request.POST["revoke"])
    verbs, grantee = request.POST.getlist("verb"), grant.grantee
    people = list(grantee.user_set.all()) if isinstance(grantee, Group) else [grantee]
    lost = find_lost_rights(people, lambda: sharing.revoke(obj, grantee, verbs, by=person))
    if not lost:
        return None
    stopped = Workflow.objects.filter(pk__in=[workflow.pk for workflow, _reasons in lost.reasons])
    viewable = set(permitted(person, "view", stopped))
    shown = replace(lost, reasons=[each for each in lost.reasons if each[0] in viewable])
    hidden = len(lost.reasons) - len(viewable)
    return {"grant": grant, "verbs": verbs, "hidden": hidden, **shown.page_context()}


def _preset_verbs(request: HttpRequest, obj: Governed) -> tuple[str, ...]:
    """Verbs of the chosen preset; none without one."""
    presets = sharing.list_presets(current_person(request), obj)
    return next((each.verbs for each in presets if each.name == request.POST.get("preset")), ())


def _find_grant(obj: Governed, value: str) -> sharing.Grant:
    """The grant of a person or group, from `user:3` or `group:4`."""
    for grant in sharing.list_grants(obj):
        if value == f"{grant.kind}:{grant.grantee.pk}":
            return grant
    raise sharing.SharingError(_("This grant no longer exists."))


def _share_context(request: HttpRequest, obj: Governed, kind: str) -> dict[str, Any]:
    person = current_person(request)
    grantable, (access, not_publishing) = sharing.grantable(person, obj), _effective_access(obj)
    may_give_roles = role_giving.may_give_roles(person)
    return {
        "shared": obj,
        "kind": kind,
        "back": change_url(obj),
        "verbs": [
            (name, translated(_INCLUDES.get(name, "")), name in grantable) for name in sharing.verbs_of(type(obj))
        ],
        "presets": [(each, translated(_PRESET_NAMES[each.name])) for each in sharing.list_presets(person, obj)],
        "grants": _with_effective(sharing.list_grants(obj), access),
        "access": access,
        "not_publishing": not_publishing,
        "may_give_roles": may_give_roles,
        "whom_to_ask": [] if may_give_roles else role_giving.whom_to_ask(),
        "revocable": sharing.revocable(person, obj),
        "names": sharing.suggest_grantees(person, obj),
        "may_view_all": may_view_all(person),
    }


def _effective_access(obj: Governed) -> tuple[list[sharing.Access], str]:
    """Who may do what in the end, and why some may not publish although they have the permission; empty without any."""
    access = sharing.list_access(obj)
    if not isinstance(obj, Workflow):
        return access, ""
    refused = {each.person.pk: workflows.refusal(obj, each.person) for each in access if "publish" in each.reasons}
    return [
        replace(each, reasons={name: why for name, why in each.reasons.items() if name != "publish"})
        if refused.get(each.person.pk)
        else each
        for each in access
    ], next((translated(reason) for reason in refused.values() if reason), "")


def _with_effective(
    grants: list[sharing.Grant], access: list[sharing.Access]
) -> list[tuple[sharing.Grant, list[str] | None, list[str]]]:
    """Grants with the verbs that the person may do in the end, None for a group; and people who may do some of them,
    but not view the object."""
    may = {sign_in_name(each.person): list(each.reasons) for each in access}
    blind = {name for name, verbs in may.items() if "view" not in verbs}
    return [
        (
            grant,
            may.get(grant.name, []) if grant.kind == "user" else None,
            [name for name in grant.members or [grant.name] if name in blind],
        )
        for grant in grants
    ]
