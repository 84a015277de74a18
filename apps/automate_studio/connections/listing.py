"""List of connections as cards, failing ones first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from automate_connectors import connection_test
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.models import Wait
from automate_governance.permissions import User, permitted
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError
from automate_studio.view_models.connection_health import ConnectionHealth
from automate_ui.formatting import format_ago
from automate_ui.navigation.lists import (
    MOST_CHOICES,
    FilterChoice,
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

TABS = {"": text("All"), "failing": text("Failing"), "untested": text("Not tested"), "healthy": text("Healthy")}
_Health = Connection.Health
_ORDER = ("failing", "untested", "healthy")
_PROVEN = Q(tested_at__isnull=False) | Q(last_used_at__isnull=False)
_TAB_CONDITIONS = Case(
    When(health__in=(_Health.FAILING, _Health.RECONNECT), then=Value("failing")),
    When(_PROVEN, health=_Health.WORKING, then=Value("healthy")),
    default=Value("untested"),
)
_RANK = Case(
    When(health=_Health.RECONNECT, then=Value(0)),
    *(When(standing=each, then=Value(place)) for place, each in enumerate(_ORDER, start=1)),
    output_field=IntegerField(),
)


@dataclass(frozen=True, kw_only=True)
class ConnectionCard(ConnectionHealth):
    """A connection in the list, with the person's permissions."""

    used: UsageSummary
    waiting: int
    may_test: bool
    may_change: bool
    may_share: bool
    may_delete: bool
    last_used: str
    since: str

    @property
    def where(self) -> str:
        """Its host, or else its slug."""
        return next(iter(self.connection.hosts()), "") or self.connection.slug

    @property
    def can_try(self) -> bool:
        """Whether its connector has a test call."""
        return connection_test.can_be_tested(self.connection)


def connection_page(user: User, query: Query, now: dt.datetime) -> ListPage:
    """A page of the connections that `user` may view."""
    kept = list_query(query, TABS, "app", "owner")
    known = permitted(user, "view", Connection.objects.all())
    found = _filter_connections(known, kept).annotate(standing=_TAB_CONDITIONS)
    counts = dict(found.order_by().values_list("standing").annotate(Count("pk")))
    counts[""] = sum(counts.values())
    if kept.tab:
        found = found.filter(standing=kept.tab)
    rows = found.annotate(rank=_RANK).select_related("owner", "token").order_by("rank", "name", "pk")
    shown = list(rows[page_slice(kept, counts.get(kept.tab, 0))])
    filters = [_app_filter(kept, known), owner_filter(kept, known)]
    return build_list_page(kept, connection_cards(user, shown, now), counts, tabs=TABS, filters=filters)


def connection_cards(user: User, shown: Sequence[Connection], now: dt.datetime) -> list[ConnectionCard]:
    """Cards of these connections, in a fixed number of queries."""
    rows = Connection.objects.filter(pk__in=[each.pk for each in shown])
    may = {
        verb: set(permitted(user, verb, rows).values_list("pk", flat=True))
        for verb in ("use", "change", "share", "delete")
    }
    used = where_used(user, shown)
    waiting = _waiting_runs(shown)
    return [
        ConnectionCard(
            connection=each,
            used=used[each.pk],
            waiting=waiting.get(each.slug, 0),
            may_test=each.pk in may["use"] | may["change"],
            may_change=each.pk in may["change"],
            may_share=each.pk in may["share"],
            may_delete=each.pk in may["delete"],
            last_used=format_ago(each.last_used_at, now) if each.last_used_at else "",
            since=format_ago(each.health_since, now) if each.health_since else "",
        )
        for each in shown
    ]


def _filter_connections(found: QuerySet[Connection], kept: ListQuery) -> QuerySet[Connection]:
    if search := kept.search:
        named = Q(name__icontains=search) | Q(slug__icontains=search) | Q(connector__icontains=search)
        found = found.filter(named | owner_contains(search))
    if app := kept.values.get("app"):
        found = found.filter(connector=app)
    return found.filter(**owner_condition(kept))


def _app_filter(kept: ListQuery, known: QuerySet[Connection]) -> FilterChoice:
    codes = known.order_by("connector").values_list("connector", flat=True).distinct()[:MOST_CHOICES]
    return filter_choice(
        kept, "app", _("App"), sorted(((code, _connector_name(code)) for code in codes), key=lambda o: o[1])
    )


def _connector_name(code: str) -> str:
    try:
        return translated(connectors.get(code).name)
    except PluginNotFoundError:
        return code


def _waiting_runs(shown: Sequence[Connection]) -> dict[str, int]:
    waits = Wait.objects.filter(kind=Wait.Kind.RECONNECT, status=Wait.Status.OPEN)
    slugs = [each.slug for each in shown if each.health == _Health.RECONNECT]
    found = waits.filter(data__connection__in=slugs) if slugs else waits.none()
    return dict(found.order_by().values_list("data__connection").annotate(Count("pk")))
