"""Site status page: what needs doing on this site, item by item."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_operations.site_status.registry import read_items, visible_items
from automate_ui.admin_page import render_page


@require_safe
def site_status(request: HttpRequest) -> HttpResponse:
    """All items that this person may see, those with problems first."""
    items = visible_items(request.user)
    if not items:
        raise PermissionDenied
    return render_page(
        request, "automate_studio/operations/site_status.html", _("Site status"), states=read_items(items)
    )
