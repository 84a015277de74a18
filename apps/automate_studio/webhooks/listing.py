"""List of webhook endpoints: URL, recent deliveries; rejecting ones first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.translation import gettext as _

from automate_core.models import RefusedDeliveries, WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.permissions import User, permitted
from automate_governance.secrets.recovery import lost_references
from automate_governance.texts import translated
from automate_operations.queries.endpoint_deliveries import MOST_COUNTED, count_accepted, last_accepted_at
from automate_plugins import text
from automate_ui.formatting import format_ago, format_count
from automate_ui.navigation.lists import (
    ListPage,
    ListQuery,
    Query,
    build_list_page,
    filter_choice,
    list_query,
    owner_condition,
    owner_contains,
    owner_filter,
    page_slice,
)
from automate_ui.objects.where_used import UsageSummary, where_used

DAYS = 7  #: of which deliveries are counted
TABS = {
    "": text("All"),
    "rejecting": text("Rejecting"),
    "silent": text("No deliveries"),
    "receiving": text("Receiving"),
    "off": text("Off"),
}
_ORDER = ("rejecting", "receiving", "silent", "off")


@dataclass(frozen=True, kw_only=True)
class WebhookRow:
    """An endpoint in the list, with the person's permissions."""

    endpoint: WebhookEndpoint
    url: str
    state_key: str
    scheme: str
    signed: bool
    last: str
    last_at: dt.datetime | None
    accepted: str
    rejected: int
    used: UsageSummary
    lost_secret: bool
    may_change: bool
    may_share: bool
    may_delete: bool

    @property
    def about(self) -> str:
        """Why it rejects every delivery; empty when it does not."""
        if not self.lost_secret or self.state_key == "off":
            return ""
        return _("The value of its secret was lost. Enter it again under Secrets. Until then, senders get 503.")

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return {"rejecting": "failed", "receiving": "succeeded", "off": "skipped"}.get(self.state_key, "pending")

    @property
    def word(self) -> str:
        """State in words."""
        return _("No deliveries yet") if self.state_key == "silent" else translated(TABS[self.state_key])


def webhook_page(user: User, query: Query, now: dt.datetime) -> ListPage:
    """A page of the endpoints that `user` may view."""
    kept = list_query(query, TABS, "scheme", "owner")
    known = permitted(user, "view", WebhookEndpoint.objects.all())
    found = _with_last_deliveries(_filter_endpoints(known, kept), now)
    by_state = _keys_by_state(found)
    counts = {tab: len(by_state[tab]) for tab in _ORDER}
    counts[""] = sum(counts.values())
    keys = by_state[kept.tab] if kept.tab else [key for state in _ORDER for key in by_state[state]]
    shown = keys[page_slice(kept, len(keys))]
    schemes = sorted(
        {(code, _scheme_name(code)) for code in known.order_by().values_list("scheme", flat=True).distinct()}
    )
    filters = [filter_choice(kept, "scheme", _("Sender"), schemes), owner_filter(kept, known)]
    page_of = webhook_rows(user, shown, {key: state for state, listed in by_state.items() for key in listed}, now)
    return build_list_page(kept, page_of, counts, tabs=TABS, filters=filters)


def webhook_rows(user: User, keys: list[int], states: dict[int, str], now: dt.datetime) -> list[WebhookRow]:
    """Rows of these endpoints in this order, in a fixed number of queries."""
    found = _with_last_deliveries(WebhookEndpoint.objects.filter(pk__in=keys).select_related("owner"), now).in_bulk()
    shown = [found[key] for key in keys if key in found]
    queryset = WebhookEndpoint.objects.filter(pk__in=keys)
    may = {
        verb: set(permitted(user, verb, queryset).values_list("pk", flat=True))
        for verb in ("change", "share", "delete")
    }
    used, lost = where_used(user, shown), set(lost_references())
    accepted = _accepted_counts([each.pk for each in shown], now)
    return [
        WebhookRow(
            endpoint=each,
            url=endpoints.endpoint_url(each),
            state_key=states[each.pk],
            scheme=_scheme_name(each.scheme),
            signed=each.scheme not in SCHEMES or SCHEMES[each.scheme].signed,
            last=format_ago(each.last_event, now),  # type: ignore[attr-defined]
            last_at=each.last_event,  # type: ignore[attr-defined]
            accepted=accepted[each.pk],
            rejected=each.rejected or 0,  # type: ignore[attr-defined]
            used=used[each.pk],
            lost_secret=each.secret in lost,
            may_change=each.pk in may["change"],
            may_share=each.pk in may["share"],
            may_delete=each.pk in may["delete"],
        )
        for each in shown
    ]


def _filter_endpoints(found: QuerySet[WebhookEndpoint], kept: ListQuery) -> QuerySet[WebhookEndpoint]:
    if search := kept.search:
        found = found.filter(Q(slug__icontains=search) | owner_contains(search))
    if scheme := kept.values.get("scheme"):
        found = found.filter(scheme=scheme)
    return found.filter(**owner_condition(kept))


def _with_last_deliveries(found: QuerySet[WebhookEndpoint], now: dt.datetime) -> QuerySet[WebhookEndpoint]:
    """Annotated with the last accepted and rejected delivery, and the number of recent rejections."""
    week = RefusedDeliveries.objects.filter(endpoint=OuterRef("pk"), day__gt=now.date() - dt.timedelta(days=DAYS))
    by_endpoint = week.order_by().values("endpoint")
    return found.annotate(
        last_event=last_accepted_at(),
        rejected=Subquery(by_endpoint.annotate(total=Sum("count")).values("total")),
        last_rejected=Subquery(by_endpoint.annotate(newest=Max("last_at")).values("newest")),
    )


def _keys_by_state(found: QuerySet[Any]) -> dict[str, list[int]]:
    """Keys of the endpoints by state, sorted by slug."""
    by_state: dict[str, list[int]] = {state: [] for state in _ORDER}
    lost = set(lost_references())
    listed = found.order_by("slug").values_list("pk", "enabled", "last_event", "last_rejected", "secret")
    for key, enabled, accepted, rejected, secret in listed:
        is_rejecting = enabled and secret in lost
        state = "rejecting" if is_rejecting else _endpoint_state(enabled, accepted, rejected)
        by_state[state].append(key)
    return by_state


def _endpoint_state(enabled: bool, accepted: dt.datetime | None, rejected: dt.datetime | None) -> str:
    """State; an endpoint rejects when its last delivery was rejected."""
    if not enabled:
        return "off"
    if rejected and (accepted is None or rejected > accepted):
        return "rejecting"
    return "receiving" if accepted else "silent"


def _accepted_counts(keys: list[int], now: dt.datetime) -> dict[int, str]:
    """Number of recent events by endpoint; `1,000+` stands for more."""
    counts = count_accepted(keys, now - dt.timedelta(days=DAYS))
    return {
        key: f"{format_count(MOST_COUNTED)}+" if count > MOST_COUNTED else format_count(count)
        for key, count in counts.items()
    }


def _scheme_name(code: str) -> str:
    return translated(SCHEMES[code].name) if code in SCHEMES else code
