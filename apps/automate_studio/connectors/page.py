"""The list of connectors, the page of one with its versions, and what is done there: edit, restore, export, delete."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_authoring import connector_versions
from automate_authoring.connector_breaks import ConnectorBreak
from automate_authoring.connector_versions import BreaksWorkflowsError
from automate_authoring.publishing.differences import side_by_side
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_connectors.stored import drafts, versions
from automate_connectors.stored.building import OPENAPI_FILE
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorVersion
from automate_connectors.stored.versions import DestinationError
from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.permissions import NotPermittedError, can
from automate_governance.reference_registry import InUseError
from automate_governance.texts import translated
from automate_studio.connectors import listing
from automate_studio.connectors.access import check_administers, get_connector
from automate_studio.connectors.review import break_context
from automate_ui.admin_page import render_page
from automate_ui.navigation.admin_pages import list_response, question_response
from automate_ui.navigation.http import HttpResponseSeeOther, current_person
from automate_ui.objects.where_used import where_used


@require_safe
def connector_list(request: HttpRequest) -> HttpResponse:
    """All connectors, and this person's drafts."""
    check_administers(request)
    found = listing.connector_page(request.user, request.GET)
    url, rows = reverse("studio:connector_list"), listing.draft_rows(request.user)
    return list_response(request, "automate_studio/connectors/list.html", _("Connectors"), url, found, drafts=rows)


@require_safe
def connector_page(request: HttpRequest, code: str) -> HttpResponse:
    """One connector: its actions, its versions, and where it is used."""
    connector = get_connector(request, code)
    adapter = connectors.get(code) if code in connectors.names() else None
    summary = listing.build_summary(connector)
    return render_page(
        request,
        "automate_studio/connectors/page.html",
        summary.name,
        connector=connector,
        summary=summary,
        actions=adapter.actions if adapter and connector.enabled else (),
        versions=list(connector.versions.select_related("author").defer("text", "definition")),
        used=where_used(request.user, [connector])[connector.pk],
        may_connect=adapter is not None and can(request.user, "add", Connection),
    )


@require_POST
def connector_edit(request: HttpRequest, code: str) -> HttpResponse:
    """Begin, or go on with, a draft of the next version."""
    draft = drafts.edit_connector(get_connector(request, code), by=current_person(request))
    return HttpResponseSeeOther(reverse("studio:connector_draft", args=[draft.pk]))


@require_POST
def connector_export(request: HttpRequest, code: str) -> HttpResponse:
    """The current version as a folder for AUTOMATE_CONNECTORS_DIR, in a ZIP file."""
    connector = get_connector(request, code)
    current = get_object_or_404(DeclaredConnectorVersion, pk=connector.current_id)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{code}/connector.yaml", current.text)
        if current.document:
            archive.writestr(f"{code}/{OPENAPI_FILE}", current.document.source)
    with transaction.atomic():
        audit.record(request.user, "connector.exported", connector, changes={"version": current.number})
    headers = {"Content-Disposition": f'attachment; filename="{code}-v{current.number}.zip"'}
    return HttpResponse(file.getvalue(), content_type="application/zip", headers=headers)


@require_POST
def connector_enable(request: HttpRequest, code: str) -> HttpResponse:
    connector = get_connector(request, code)
    versions.set_enabled(connector, on=True, by=current_person(request))
    messages.success(request, _("Enabled. It takes effect within seconds."))
    return _to_page(code)


@require_http_methods(["GET", "HEAD", "POST"])
def connector_disable(request: HttpRequest, code: str) -> HttpResponse:
    """The question whether to disable it, with what breaks."""
    connector = get_connector(request, code)
    question = _("Disable %(code)s?") % {"code": code}

    def disable(accept: bool) -> str:
        connector_versions.disable(connector, by=current_person(request), accept_breaks=accept)
        return _("Disabled.")

    return _confirm_change(
        request, connector, question, _DISABLE, connector_versions.removal_breaks(connector), disable
    )


@require_http_methods(["GET", "HEAD", "POST"])
def connector_version(request: HttpRequest, code: str, number: int) -> HttpResponse:
    """A version beside the current one; a POST restores it."""
    connector = get_connector(request, code)
    version = get_object_or_404(connector.versions.select_related("document", "author"), number=number)
    version.connector = connector
    breaks = connector_versions.version_breaks(version)

    def restore(accept: bool) -> str:
        saved = connector_versions.restore_version(version, by=current_person(request), accept_breaks=accept)
        return _("Restored as version %(number)s. It takes effect within seconds.") % {"number": saved.number}

    current = connector.current
    sides = side_by_side(current.text, version.text) if current else []
    shown = {"version": version, "current": current, "sides": sides, "is_current": version == current}
    name = listing.build_summary(connector).name
    title = _("%(connector)s: version %(number)s") % {"connector": name, "number": number}
    return _confirm_change(request, connector, title, _RESTORE, breaks, restore, **shown)


_DISABLE = ("automate_studio/connectors/disable.html", gettext_lazy("Disable"), gettext_lazy("Disable anyway"))
_RESTORE = ("automate_studio/connectors/version.html", gettext_lazy("Restore"), gettext_lazy("Restore anyway"))


def _confirm_change(
    request: HttpRequest,
    connector: DeclaredConnector,
    title: str,
    question: tuple[str, Any, Any],
    breaks: list[ConnectorBreak],
    act: Callable[[bool], str],
    **shown: Any,
) -> HttpResponse:
    """The question with what breaks; a POST acts, and where something breaks only with `accept`."""
    template, button, anyway = question
    refused = ""
    if request.method == "POST":
        try:
            messages.success(request, act(request.POST.get("accept") == "yes"))
            return _to_page(connector.code)
        except (BreaksWorkflowsError, DestinationError) as error:
            refused = translated(str(error))
        except NotPermittedError as error:
            raise PermissionDenied from error
    context = {"connector": connector, "button": button, "anyway": anyway, "refused": refused, **shown}
    context |= {"back": reverse("studio:connector", args=[connector.code]), **break_context(request.user, breaks)}
    return render_page(request, template, title, status=409 if refused else 200, **context)


@require_http_methods(["GET", "HEAD", "POST"])
def connector_delete(request: HttpRequest, code: str) -> HttpResponse:
    """The question whether to delete it, and where it is used."""
    connector = get_connector(request, code)
    if request.method == "POST":
        try:
            versions.delete_connector(connector, by=current_person(request))
        except InUseError as error:
            messages.error(request, translated(str(error)))
            return _to_page(code)
        messages.success(request, _("Connector deleted."))
        return HttpResponseSeeOther(reverse("studio:connector_list"))
    return question_response(
        request,
        "automate_studio/connectors/delete.html",
        _("Delete %(code)s") % {"code": code},
        connector=connector,
        used=where_used(request.user, [connector])[connector.pk],
        connections=Connection.objects.filter(connector=code).count(),
        back=reverse("studio:connector", args=[code]),
    )


def _to_page(code: str) -> HttpResponse:
    return HttpResponseSeeOther(reverse("studio:connector", args=[code]))
