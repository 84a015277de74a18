"""List of stored secrets: names only; unreadable and unused ones first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from automate_governance.admin import MISSING, OLD, key_state
from automate_governance.models import StoredSecret
from automate_governance.permissions import User, permitted
from automate_governance.secrets.storing import visible_secrets
from automate_governance.texts import translated
from automate_plugins import text
from automate_ui.formatting import format_ago
from automate_ui.navigation.lists import (
    ListPage,
    Query,
    build_list_page,
    list_query,
    owner_condition,
    owner_contains,
    owner_filter,
    page_slice,
)
from automate_ui.objects.where_used import UsageSummary, where_used

MOST = 2_000  #: secrets that are looked at
TABS = {"": text("All"), "failing": text("Key missing"), "unused": text("Not used"), "used": text("In use")}
_NOT_NEEDED = ("wrapped_key", "box")


@dataclass(frozen=True, kw_only=True)
class SecretRow:
    """A secret in the list. `tab` is its tab."""

    secret: StoredSecret
    used: UsageSummary
    tab: str
    key: str
    last_used: str
    replaced: str
    may_replace: bool = False
    may_delete: bool = False

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return {"failing": "failed", "unused": "waiting"}.get(self.tab, "waiting" if self.key == OLD else "succeeded")

    @property
    def word(self) -> str:
        """State in words."""
        return _("Older key") if self.tab == "used" and self.key == OLD else translated(TABS[self.tab])


def secret_page(user: User, query: Query, now: dt.datetime) -> ListPage:
    """A page of the secrets that `user` may know of."""
    kept = list_query(query, TABS, "owner")
    known = visible_secrets(user)
    found = known.filter(**owner_condition(kept))
    if search := kept.search:
        found = found.filter(Q(name__icontains=search) | owner_contains(search))
    shown = list(found.select_related("owner").defer(*_NOT_NEEDED).order_by("name")[:MOST])
    used = where_used(user, shown)
    every = sorted((_secret_row(each, used[each.pk], now) for each in shown), key=lambda row: list(TABS).index(row.tab))
    counts = {tab: sum(row.tab == tab for row in every) for tab in TABS} | {"": len(every)}
    rows = [row for row in every if kept.tab in {"", row.tab}][page_slice(kept, counts.get(kept.tab, 0))]
    filters = [owner_filter(kept, known)]
    return build_list_page(kept, _with_rights(user, rows), counts, tabs=TABS, filters=filters)


def _secret_row(secret: StoredSecret, used: UsageSummary, now: dt.datetime) -> SecretRow:
    key = key_state(secret.key_id)
    return SecretRow(
        secret=secret,
        used=used,
        tab="failing" if key == MISSING else "used" if used.total else "unused",
        key=key,
        last_used=format_ago(secret.last_used_at, now),
        replaced=format_ago(secret.replaced_at, now),
    )


def _with_rights(user: User, rows: list[SecretRow]) -> list[SecretRow]:
    keys = StoredSecret.objects.filter(pk__in=[row.secret.pk for row in rows])
    may = {verb: set(permitted(user, verb, keys).values_list("pk", flat=True)) for verb in ("replace", "delete")}
    return [
        SecretRow(
            **{
                **vars(row),
                "may_replace": row.secret.pk in may["replace"],
                "may_delete": row.secret.pk in may["delete"],
            }
        )
        for row in rows
    ]
