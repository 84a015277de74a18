"""Connectors and drafts of a request: for everyone who does not administer the site, these pages do not exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.stored import edits
from automate_connectors.stored.drafts import GoneError
from automate_connectors.stored.edits import ActionView
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft
from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, can
from automate_governance.texts import translated
from automate_ui.navigation.http import HttpResponseSeeOther


def check_administers(request: HttpRequest) -> None:
    """Raise Http404 for people who do not administer the site."""
    if not can(request.user, "administer", SITE):
        raise Http404


def get_connector(request: HttpRequest, code: str) -> DeclaredConnector:
    """The connector. Raises Http404."""
    check_administers(request)
    return get_object_or_404(DeclaredConnector.objects.select_related("current"), code=code)


def get_draft(request: HttpRequest, pk: int) -> DeclaredConnectorDraft:
    """A draft of this person. Raises Http404."""
    check_administers(request)
    drafts = DeclaredConnectorDraft.objects.select_related("connector__current", "document")
    return get_object_or_404(drafts, pk=pk, author=request.user.pk)


def get_action(draft: DeclaredConnectorDraft, index: int) -> ActionView:
    """An action of a draft by its place. Raises Http404."""
    try:
        return edits.action_views(draft)[index]
    except (IndexError, DocumentError):
        raise Http404 from None


def to_list_when_gone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Lead to the list, with a message, when the draft or the connector is deleted while the view changes it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            return view(request, *args, **options)
        except GoneError as error:
            messages.error(request, translated(str(error)))
            return HttpResponseSeeOther(reverse("studio:connector_list"))

    return guarded
