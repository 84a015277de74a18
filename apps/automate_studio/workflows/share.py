"""Sharing panel of connections, webhook endpoints and workflows: a page, and a fragment for htmx."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint, Workflow
from automate_core.navigation.http import HttpResponseSeeOther, clean_text, current_person
from automate_governance import sharing
from automate_governance.admin_site import admin_site
from automate_governance.governed import Governed
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.ui.htmx import HtmxRequest
from automate_studio.ui.links import change_url

KINDS: dict[str, type[Governed]] = {"connection": Connection, "webhook": WebhookEndpoint, "workflow": Workflow}

_DOES: dict[str, str] = {
    "view": text("View"),
    "view_payload": text("View payloads"),
    "use": text("Use in workflow steps"),
    "change": text("Change"),
    "run": text("Run, and cancel and re-run its runs"),
    "operate": text("Pause and resume, delegate approvals"),
    "publish": text("Publish, pause and resume"),
    "share": text("Share"),
    "delete": text("Delete"),
}


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HtmxRequest, kind: str, pk: int) -> HttpResponse:
    """Grants of an object with their reasons; a POST grants or revokes.

    404 for an object the person may not view, 403 for one they may not share, 422 with the reason for invalid input.
    """
    obj = _get_object(request, kind, pk)
    problem = ""
    if request.method == "POST":
        try:
            _change_grants(request, obj)
        except NotPermittedError as error:
            raise PermissionDenied(str(error)) from error
        except sharing.SharingError as error:
            problem = str(error)
    by_htmx = bool(request.htmx)
    if request.method == "POST" and not problem and not by_htmx:
        return HttpResponseSeeOther(request.path)
    template = "automate_studio/workflows/share.html" + ("#panel" if by_htmx else "")
    site = admin_site()
    request.current_app = site.name
    context = {"title": _("Share %(name)s") % {"name": obj}, **_share_context(request, obj, kind), "problem": problem}
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


def _change_grants(request: HttpRequest, obj: Governed) -> None:
    """Grant or revoke. Raises SharingError."""
    verbs = [verb.replace("\0", "") for verb in request.POST.getlist("verb")]
    if request.POST.get("revoke"):
        grantee = _parse_grantee(obj, request.POST["revoke"])
        sharing.revoke(obj, grantee, verbs, by=current_person(request))
    else:
        sharing.grant(
            obj,
            sharing.find_grantee(clean_text(request.POST.get("name"))),
            verbs,
            by=current_person(request),
        )


def _parse_grantee(obj: Governed, value: str) -> sharing.Grantee:
    """Person or group with a grant, from `user:3` or `group:4`."""
    for grant in sharing.list_grants(obj):
        if value == f"{grant.kind}:{grant.grantee.pk}":
            return grant.grantee
    raise sharing.SharingError(_("This grant no longer exists."))


def _share_context(request: HttpRequest, obj: Governed, kind: str) -> dict[str, Any]:
    person = current_person(request)
    grantable = sharing.grantable(person, obj)
    return {
        "shared": obj,
        "kind": kind,
        "back": change_url(obj),
        "verbs": [(name, translated(_DOES[name]), name in grantable) for name in sharing.verbs_of(type(obj))],
        "grants": sharing.list_grants(obj),
        "access": sharing.list_access(obj),
        "revocable": sharing.revocable(person, obj),
        "names": sharing.suggest_grantees(person, obj),
    }
