"""The review of a draft before it is saved: what is wrong, what changes, and which published workflows break."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from automate_authoring.connector_breaks import ConnectorBreak
from automate_authoring.connector_versions import BreaksWorkflowsError, draft_breaks, save_draft
from automate_authoring.publishing.differences import side_by_side
from automate_connectors.stored.building import FaultyTextError
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_connectors.stored.versions import MAX_NOTE, DestinationError, StaleDraftError
from automate_governance.admin_site import reverse
from automate_governance.permissions import User
from automate_governance.reference_registry import find_visible_referrers
from automate_governance.texts import translated
from automate_studio.connectors.access import get_draft
from automate_studio.connectors.draft_page import fault_lines
from automate_studio.connectors.listing import draft_name
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person


@require_http_methods(["GET", "HEAD", "POST"])
def connector_review(request: HttpRequest, pk: int) -> HttpResponse:
    """The review; a POST saves the draft as a version, one that breaks workflows only with `accept`."""
    draft = get_draft(request, pk)
    note, refused = request.POST.get("note", "").replace("\0", "").strip()[:MAX_NOTE], ""
    if request.method == "POST":
        try:
            accept = request.POST.get("accept") == "yes"
            saved = save_draft(draft, by=current_person(request), note=note, accept_breaks=accept)
        except (BreaksWorkflowsError, StaleDraftError, DestinationError) as error:
            refused = translated(str(error))
        except FaultyTextError:
            refused = _("Fix the errors first.")
        else:
            said = _("Saved version %(number)s. It takes effect within seconds.") % {"number": saved.number}
            messages.success(request, said)
            return HttpResponseSeeOther(reverse("studio:connector", args=[saved.connector.code]))
    title = _("Review %(name)s") % {"name": draft_name(draft)}
    context = _context(request.user, draft) | {"draft": draft, "note": note, "refused": refused}
    template = "automate_studio/connectors/review.html"
    return render_page(request, template, title, status=409 if refused else 200, **context)


def _context(user: User, draft: DeclaredConnectorDraft) -> dict[str, Any]:
    current = draft.connector.current if draft.connector else None
    before = current.text if current else ""
    found: dict[str, Any] = {
        "before": str(current) if current else "",
        "changed": before != draft.text or (current is not None and current.document_id != draft.document_id),
        "sides": side_by_side(before, draft.text) if current else [],
        "max_note": MAX_NOTE,
    }
    try:
        return found | break_context(user, draft_breaks(draft))
    except FaultyTextError as error:
        elsewhere = [translated(each.reason) for each in error.faults if not each.line]
        return found | {"faults": error.faults, "elsewhere": elsewhere, "lines": fault_lines(draft.text, error.faults)}


def break_context(user: User, breaks: list[ConnectorBreak]) -> dict[str, Any]:
    """What breaks as far as the person may view it, and how many workflows they may not."""
    workflows = {each.workflow for each in breaks}
    visible = find_visible_referrers(user, workflows)
    return {
        "breaks": [each for each in breaks if each.workflow in visible],
        "unseen": len(workflows) - len(visible),
        "breaking": len(workflows),
    }
