"""The page of all triggers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_governance.admin_site import reverse
from automate_studio.triggers.listing import trigger_page
from automate_ui.navigation.admin_pages import list_response


@require_safe
def trigger_list(request: HttpRequest) -> HttpResponse:
    """Triggers of the workflows that this person may view."""
    found = trigger_page(request.user, request.GET)
    return list_response(
        request, "automate_studio/triggers/list.html", _("Triggers"), reverse("studio:trigger_list"), found
    )
