"""List of webhook endpoints, their summary, and the actions beside the form."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_governance.admin_site import reverse
from automate_governance.middleware import show_once
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_governance.texts import translated
from automate_studio.view_models.endpoints.info import EndpointInfo, build_endpoint_info
from automate_studio.view_models.rejected_deliveries import REASONS
from automate_studio.webhooks.listing import DAYS, webhook_page
from automate_ui.admin_page import render_page
from automate_ui.formatting import format_ago
from automate_ui.links import change_url
from automate_ui.navigation.admin_pages import list_response
from automate_ui.navigation.http import HttpResponseSeeOther, current_person


@dataclass(frozen=True, kw_only=True)
class SecretUse:
    """A signing secret: reference, last use, and end of its validity."""

    reference: str
    used: str
    until: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EndpointSummary:
    """Summary above an endpoint's form. `rejected` are (count, reason, advice)."""

    endpoint: WebhookEndpoint
    info: EndpointInfo | None
    secrets: list[SecretUse]
    rejected: list[tuple[int, str, str]]
    days: int
    may_change: bool


def webhook_list(request: HttpRequest) -> HttpResponse:
    found = webhook_page(request.user, request.GET, timezone.now())
    url = reverse("admin:automate_core_webhookendpoint_changelist")
    may_add = can(request.user, "add", WebhookEndpoint)
    return list_response(
        request, "automate_studio/webhooks/list.html", _("Webhooks"), url, found, may_add=may_add, days=DAYS
    )


def endpoint_summary(request: HttpRequest, endpoint: WebhookEndpoint) -> EndpointSummary:
    now = timezone.localtime()
    week = endpoint.refused.filter(day__gt=timezone.now().date() - dt.timedelta(days=DAYS))
    counts = week.order_by().values_list("reason").annotate(total=Sum("count")).order_by("-total")
    proofs = (
        [SecretUse(reference=endpoint.secret, used=_last_used_text(endpoint.secret_used_at, now))]
        if endpoint.secret
        else []
    )
    if endpoint.has_old_secret:
        used = _last_used_text(endpoint.old_secret_used_at, now)
        proofs.append(SecretUse(reference=endpoint.old_secret, used=used, until=endpoint.old_secret_until))
    return EndpointSummary(
        endpoint=endpoint,
        info=_without_own_link(build_endpoint_info(endpoint.slug, request.user, "")),
        secrets=proofs,
        rejected=[(total, *map(translated, REASONS.get(reason, (reason, "")))) for reason, total in counts],
        days=DAYS,
        may_change=can(request.user, "change", endpoint),
    )


def endpoint_saved(request: HttpRequest, endpoint: WebhookEndpoint, secret: str, title: str) -> HttpResponse:
    """A saved endpoint, with its secret once."""
    template = "automate_studio/webhooks/saved.html"
    about = _without_own_link(build_endpoint_info(endpoint.slug, request.user, "", secret=secret))
    answer = render_page(request, template, title, endpoint=about, webhook=endpoint)
    show_once(answer, secret)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def webhook_end_overlap(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject the previous secret from now on."""
    known = permitted(request.user, "view", WebhookEndpoint.objects.all())
    endpoint = get_object_or_404(known, pk=pk)
    try:
        ended = endpoints.end_overlap(endpoint, actor=current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    said = _("The previous secret is now rejected.") if ended else _("The previous secret has already expired.")
    (messages.success if ended else messages.warning)(request, said)
    return HttpResponseSeeOther(change_url(endpoint))


def _without_own_link(found: EndpointInfo | None) -> EndpointInfo | None:
    """The info without the link to its own page."""
    return replace(found, about={}) if found else None


def _last_used_text(at: dt.datetime | None, now: dt.datetime) -> str:
    return _("last used %(time)s") % {"time": format_ago(at, now)} if at else _("not used yet")
