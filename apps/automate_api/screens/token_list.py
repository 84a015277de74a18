"""List of tokens: state, permissions in words, expiry, last use."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from automate_api.models import START, ApiToken
from automate_api.screens.scope_words import in_order, scope_words
from automate_api.tokens.service_accounts import manageable_accounts
from automate_core.models import Workflow
from automate_governance.permissions import SITE, Person, can, permitted
from automate_plugins import text
from automate_ui.navigation.lists import (
    ListPage,
    ListQuery,
    Query,
    build_list_page,
    list_query,
    owner_condition,
    owner_contains,
    owner_filter,
    page_slice,
)

TABS = {"": text("Active"), "ended": text("Expired or revoked")}
SOON = dt.timedelta(days=7)  #: before the expiry, the list warns
_PREFIX = re.compile(rf"{START}[0-9A-Za-z]{{1,8}}")


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """A token in the list. `workflows` are names, empty for all workflows; `others` counts those without a name."""

    token: ApiToken
    state: str
    word: str
    scopes: list[str]
    workflows: list[str]
    others: int
    is_ended: bool
    may_rotate: bool
    may_revoke: bool


def token_page(
    tokens: QuerySet[ApiToken], by: Person, query: Query, now: dt.datetime, *, has_owners: bool = False
) -> ListPage:
    """A page of `tokens` as `by` may know of them, with a filter by owner if `has_owners`."""
    kept = _list_query(query, has_owners)
    matching = _search(tokens, kept.search, has_owners).filter(**owner_condition(kept))
    by_tab = {"": matching.filter(_is_valid(now)), "ended": matching.exclude(_is_valid(now))}
    counts = {tab: found.count() for tab, found in by_tab.items()}
    found = by_tab[kept.tab].select_related("owner").order_by("-pk")
    rows = token_rows(list(found[page_slice(kept, counts[kept.tab])]), by, now)
    return build_list_page(kept, rows, counts, tabs=TABS, filters=[owner_filter(kept, tokens)] if has_owners else [])


def token_rows(tokens: list[ApiToken], by: Person, now: dt.datetime) -> list[TokenRow]:
    """Rows of these tokens, in a fixed number of queries."""
    keys = {key for token in tokens for key in token.workflows or ()}
    workflows = permitted(by, "view", Workflow.objects.filter(pk__in=keys)) if keys else Workflow.objects.none()
    known = dict(workflows.values_list("pk", "name"))
    rotatable = {by.pk, *manageable_accounts(by, (token.owner for token in tokens))}
    administers = can(by, "administer", SITE)
    return [
        _token_row(token, known, now, token.owner_id in rotatable, administers or token.owner_id == by.pk)
        for token in tokens
    ]


def _token_row(
    token: ApiToken, known: dict[int, str], now: dt.datetime, may_rotate: bool, may_revoke: bool
) -> TokenRow:
    state, word = _state(token, now)
    limited = token.workflows or []
    return TokenRow(
        token=token,
        state=state,
        word=word,
        scopes=[scope_words(scope) for scope in in_order(token.scopes)],
        workflows=sorted(known[key] for key in limited if key in known),
        others=sum(key not in known for key in limited),
        is_ended=not token.is_valid,
        may_rotate=token.revoked_at is None and may_rotate,
        may_revoke=token.revoked_at is None and may_revoke,
    )


def _state(token: ApiToken, now: dt.datetime) -> tuple[str, str]:
    """State whose glyph and colour are shown, and its word."""
    if token.revoked_at is not None:
        return "cancelled", _("Revoked")
    if token.expires_at <= now:
        return "skipped", _("Expired")
    if not token.owner.is_active:
        return "waiting", _("Owner inactive")
    if token.expires_at <= now + SOON:
        return "waiting", _("Expires soon")
    return "succeeded", _("Active")


def _is_valid(now: dt.datetime) -> Q:
    return Q(revoked_at=None, expires_at__gt=now)


def _list_query(query: Query, has_owners: bool) -> ListQuery:
    kept = list_query(query, TABS, *(["owner"] if has_owners else []))
    if pasted := _PREFIX.match(kept.search):
        # A whole token was pasted: no page or link repeats its secret
        return replace(kept, values={**kept.values, "q": pasted[0]})
    return kept


def _search(tokens: QuerySet[ApiToken], text: str, has_owners: bool) -> QuerySet[ApiToken]:
    if not text:
        return tokens
    found = Q(name__icontains=text) | Q(prefix__startswith=text.removeprefix(START))
    if has_owners:
        found |= owner_contains(text)
    return tokens.filter(found)
