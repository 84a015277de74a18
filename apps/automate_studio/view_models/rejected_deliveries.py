"""Rejected deliveries by endpoint, reason and day, with advice."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q

from automate_core.models import RefusedDeliveries, WebhookEndpoint
from automate_governance.permissions import SITE, User, can, permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_ui.formatting import format_count, format_day

DAYS = 14
MOST = 400 * DAYS  #: rows that are read

#: By class of reason: what happened, and what to do about it.
REASONS = {
    "signature": (
        text("The signature is missing or does not match"),
        text(
            "Compare the sender's secret with the endpoint's secret. After rotating the secret, keep the old one for a "
            "while. If the sender is unchanged, the URL may be known to others."
        ),
    ),
    "secret": (
        text("The endpoint has no usable secret"),
        text("Open the endpoint and choose an existing secret. Until then, every delivery is rejected."),
    ),
    "lost secret": (
        text("The value of the endpoint's secret was lost with its key"),
        text("Enter the lost value again under Secrets. Until then, senders get 503 and are asked to try again later."),
    ),
    "disabled": (
        text("The endpoint is disabled"),
        text("Enable the endpoint, or stop deliveries at the sender."),
    ),
    "body": (
        text("The body cannot be read"),
        text("Send valid JSON or a form without deep nesting. The sender's log has the exact reason."),
    ),
    "media type": (
        text("The content type is not supported"),
        text("Send application/json or a form, without a content encoding."),
    ),
    "rate": (
        text("Too many deliveries"),
        text(
            "Senders that retry lose nothing. If this load is normal, raise AUTOMATE_HOOK_RATE. Many failed signatures "
            "from one address are limited too."
        ),
    ),
    "size": (
        text("The body is too large"),
        text("Send less data, or raise AUTOMATE_HOOK_BODY_BYTES."),
    ),
    "unknown": (
        text("No endpoint has this URL"),
        text("The endpoint was deleted or renamed, the sender uses a wrong URL, or someone is guessing URLs."),
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
        return ", ".join(f"{format_day(day)}: {format_count(count)}" for day, count, _ in self.days if count)


@dataclass(frozen=True, kw_only=True)
class RejectionPage:
    """Rejections of the last DAYS days, highest count first."""

    rows: list[RejectionGroup]
    total: int
    first: dt.date


def explain_rejection(reason: str) -> str:
    """Say what happened for a class of reason, in the active language, without a full stop."""
    return translated(REASONS[reason][0]) if reason in REASONS else reason.capitalize()


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
    advice = REASONS[group[0].reason][1] if group[0].reason in REASONS else text("Check the log of the web process.")
    return RejectionGroup(
        endpoint=group[0].endpoint,
        reason=group[0].reason,
        explanation=explain_rejection(group[0].reason),
        advice=translated(advice),
        total=sum(counts.values()),
        days=[(day, counts.get(day, 0), -(-100 * counts.get(day, 0) // highest)) for day in days],
        last_at=max(row.last_at for row in group),
    )
