"""Rejected deliveries by endpoint, reason and day, with advice."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q

from automate_core.models import RefusedDeliveries, WebhookEndpoint
from automate_governance.permissions import SITE, User, can, permitted

DAYS = 14
MOST = 400 * DAYS  #: rows that are read

#: By class of reason: what happened, and what to do about it.
REASONS = {
    "signature": (
        "The signature is missing or does not match",
        "Compare the secret at the sender with the endpoint's. After a change of the secret, keep the old one for an "
        "overlap. When nothing at the sender changed, somebody else may know the address.",
    ),
    "secret": (
        "The endpoint has no secret that it can check with",
        "Open the endpoint and choose a secret that is there: until then every delivery is refused.",
    ),
    "disabled": (
        "The endpoint is disabled",
        "Enable it, or have the sender stop delivering to it.",
    ),
    "body": (
        "The body cannot be read",
        "Ask the sender for valid JSON or a form, not nested too deeply. The sender's log has the reason that it was "
        "given.",
    ),
    "media type": (
        "The content type is not taken",
        "Have the sender deliver application/json or a form, without a content encoding.",
    ),
    "rate": (
        "Too many deliveries in too short a time",
        "Senders that try again lose nothing. If this is your usual load, raise AUTOMATE_HOOK_RATE. Many failed "
        "signatures from one address are held off in the same way.",
    ),
    "size": (
        "The body is too large",
        "Have the sender deliver less, or raise AUTOMATE_HOOK_BODY_BYTES.",
    ),
    "unknown": (
        "There is no endpoint at the address",
        "An endpoint was removed or renamed, a sender has a typing mistake, or somebody is trying addresses.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class RejectionGroup:
    """One reason at one endpoint. `endpoint` is None for rejections before an endpoint was found.

    `days` are (day, count, per cent of the highest), oldest first.
    """

    endpoint: WebhookEndpoint | None
    reason: str
    explanation: str
    advice: str
    total: int
    days: list[tuple[dt.date, int, int]]
    last_at: dt.datetime

    @property
    def in_words(self) -> str:
        """Days with rejections, for screen readers."""
        return ", ".join(f"{day:%-d %b}: {count:,}" for day, count, _ in self.days if count)


@dataclass(frozen=True, kw_only=True)
class RejectionPage:
    """Rejections of the last DAYS days, highest count first."""

    rows: list[RejectionGroup]
    total: int
    first: dt.date


def rejection_page(user: User, now: dt.datetime) -> RejectionPage:
    """Rejections at endpoints that `user` may view, and at none for operators. One query, plus permissions."""
    today = now.astimezone(dt.UTC).date()
    first = today - dt.timedelta(days=DAYS - 1)
    theirs = Q(endpoint__in=permitted(user, "view", WebhookEndpoint.objects.all()))
    if can(user, "operate", SITE):
        theirs |= Q(endpoint=None)
    counts = RefusedDeliveries.objects.filter(theirs, day__gte=first).select_related("endpoint")
    grouped: dict[tuple[int | None, str], list[RefusedDeliveries]] = {}
    for row in counts.order_by("-day", "-count")[:MOST]:
        grouped.setdefault((row.endpoint_id, row.reason), []).append(row)
    rows = sorted((_rejection_group(group, first) for group in grouped.values()), key=lambda each: -each.total)
    return RejectionPage(rows=rows, total=sum(row.total for row in rows), first=first)


def _rejection_group(group: list[RefusedDeliveries], first: dt.date) -> RejectionGroup:
    counts = {row.day: row.count for row in group}
    highest = max(counts.values())
    days = [first + dt.timedelta(days=number) for number in range(DAYS)]
    said, advice = REASONS.get(group[0].reason, (group[0].reason.capitalize(), "Look at the log of the web process."))
    return RejectionGroup(
        endpoint=group[0].endpoint,
        reason=group[0].reason,
        explanation=said,
        advice=advice,
        total=sum(counts.values()),
        days=[(day, counts.get(day, 0), -(-100 * counts.get(day, 0) // highest)) for day in days],
        last_at=max(row.last_at for row in group),
    )
