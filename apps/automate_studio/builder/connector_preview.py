"""The form of an action of a connector's draft, drawn as a step of a workflow shows it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_connectors.declared import specs
from automate_connectors.stored.building import FaultyTextError
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_connectors.stored.versions import build_draft
from automate_governance.permissions import SITE, can
from automate_studio.builder.panel.forms import build_field_views
from automate_studio.builder.panel.panel import Panel


@require_safe
def connector_preview(request: HttpRequest, pk: int, index: int) -> HttpResponse:
    """The fields of the action, for the person whose draft it is; a sentence for a draft with errors."""
    if not can(request.user, "administer", SITE):
        raise Http404
    drafts = DeclaredConnectorDraft.objects.select_related("connector", "document")
    draft = get_object_or_404(drafts, pk=pk, author=request.user.pk)
    try:
        part = build_draft(draft).document.actions[index]
    except FaultyTextError:
        return HttpResponse(_("Fix the errors first."), content_type="text/plain; charset=utf-8")
    except IndexError:
        raise Http404 from None
    fields = build_field_views(specs.action_fields(part), {}, {}, "inputs.")
    panel = Panel(path="", title=part.label, subtitle="", rev=0, fields=fields)
    return TemplateResponse(request, "automate_studio/builder/action_preview.html", {"form": panel})
