"""Pools page: consumers, backlog, age and versions of each pool."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_core.engine.effects.executor_pools import PoolError, code_version
from automate_core.engine.effects.pool_backlog import PoolState, read_pools
from automate_governance.permissions import SITE, can
from automate_ui.admin_page import render_page


@require_safe
def pool_list(request: HttpRequest) -> HttpResponse:
    """All pools, for people who operate the site."""
    if not can(request.user, "operate", SITE):
        raise PermissionDenied
    pools: list[PoolState] = []
    error = ""
    try:
        pools = read_pools()
    except PoolError as reason:
        error = str(reason)
    return render_page(
        request, "automate_studio/operations/pools.html", _("Pools"), pools=pools, error=error, version=code_version()
    )
