"""Approvals to decide and decided ones, as keyset pages over the waits' small columns."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KT, KeyTextTransform
from django.db.models.functions import Coalesce, Left
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from automate_core.definition.step_paths import key_of
from automate_core.models import Wait
from automate_core.runs.waits import approvals
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_core.triggers.manual import STARTED_BY
from automate_governance.permissions import User
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.ui.formatting import as_sentence, format_ago, format_elapsed
from automate_studio.ui.json.visible import escape_invisible
from automate_studio.ui.lists import KeysetPage, Query, Tab, keyset_links, query_string
from automate_studio.ui.request_params import clean_text
from automate_studio.view_models.task_counts import may_reassign_tasks, task_count

ON_A_PAGE = 25
LONGEST_MESSAGE = 300
_NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
_TABS = {"": text("Waiting for me"), "decided": text("Decided by me"), "all": text("All tasks")}

type Key = tuple[dt.datetime, uuid.UUID]  #: by what tasks are sorted


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """An approval in the list. `due` is empty without a deadline, `outcome` for an open one."""

    wait: Wait
    name: str
    message: str
    asked_by: str
    since: str
    due: str
    is_overdue: bool
    outcome: str
    decided: str


def task_page(user: User, query: Query, now: dt.datetime) -> KeysetPage:
    """A page: open approvals by deadline, decided ones newest first."""
    shown = {key: name for key, name in _TABS.items() if key != "all" or may_reassign_tasks(user)}
    tab = query.get("show", "") if query.get("show", "") in shown else ""
    search = clean_text(query.get("q"))
    kept = {name: value for name, value in (("show", tab), ("q", search)) if value}
    found = _filter_waits(_waits_of_tab(user, tab), search)
    after, before = _parse_key(query.get("after")), _parse_key(query.get("before"))
    rows, more = _page_rows(found, after, before, descending=tab == "decided")
    return KeysetPage(
        rows=[_task_row(wait, now) for wait in rows],
        tabs=[
            Tab(
                name=translated(name),
                url=query_string({**kept, "show": key}),
                active=key == tab,
                count=task_count(user) if not key else "",
            )
            for key, name in shown.items()
        ],
        search=search,
        filtered=bool(search),
        hidden={"show": tab} if tab else {},
        **keyset_links(
            rows, kept, lambda wait: f"{wait.at.isoformat()}_{wait.pk}", more=more, after=after, before=before
        ),
    )


def build_task_row(wait: Wait, now: dt.datetime) -> TaskRow:
    """Row of one approval, for its own page."""
    return _task_row(_select_columns(Wait.objects.filter(pk=wait.pk)).get(), now)


def _waits_of_tab(user: User, tab: str) -> QuerySet[Wait]:
    if tab == "decided":
        return Wait.objects.filter(decided_by=user.pk, kind=Wait.Kind.APPROVAL).annotate(at=F("resolved_at"))
    everyones = (
        approvals.reassignable_approvals(user).filter(status=WaitStatus.OPEN).exclude(run__status__in=FINAL_RUN_STATES)
    )
    waits = everyones if tab == "all" else approvals.open_approvals_for(user)
    return waits.annotate(at=Coalesce("due_at", _NEVER))


def _select_columns(waits: QuerySet[Wait]) -> QuerySet[Wait]:
    return waits.select_related("run__workflow").only(
        "kind", "path", "status", "due_at", "created_at", "resolved_at", "run__workflow__name", "run__workflow__slug"
    ).annotate(
        name=KT("data__name"),
        message=Left(KT("data__message"), LONGEST_MESSAGE),
        decided_as=KT("outcome__outcome"),
        source=F("run__event__source"),
        started_by=KeyTextTransform(STARTED_BY, "run__event__headers"),
    )  # fmt: skip


def _filter_waits(waits: QuerySet[Wait], search: str) -> QuerySet[Wait]:
    waits = _select_columns(waits)
    if not search:
        return waits
    return waits.filter(
        Q(name__icontains=search) | Q(message__icontains=search) | Q(run__workflow__name__icontains=search)
    )


def _page_rows(
    waits: QuerySet[Wait], after: Key | None, before: Key | None, *, descending: bool
) -> tuple[list[Any], bool]:
    """(rows, whether there are more)."""
    downwards = descending != (before is not None)
    if (key := before or after) is not None:
        beyond = "lt" if downwards else "gt"
        waits = waits.filter(Q(**{f"at__{beyond}": key[0]}) | Q(at=key[0], **{f"pk__{beyond}": key[1]}))
    rows = list(waits.order_by(*(("-at", "-pk") if downwards else ("at", "pk")))[: ON_A_PAGE + 1])
    shown = rows[:ON_A_PAGE]
    return shown[::-1] if before else shown, len(rows) > ON_A_PAGE


def _parse_key(key: Any) -> Key | None:
    at, _separator, pk = str(key or "").partition("_")
    try:
        moment = parse_datetime(at)
        return (moment, uuid.UUID(pk)) if moment is not None and moment.tzinfo is not None else None
    except ValueError:
        return None


def _task_row(wait: Any, now: dt.datetime) -> TaskRow:
    overdue = wait.status == WaitStatus.OPEN and wait.due_at is not None and wait.due_at < now
    by_hand = (wait.source or "").startswith(("manual:", "mcp:"))
    return TaskRow(
        wait=wait,
        name=escape_invisible(wait.name or "") or key_of(wait.path),
        message=escape_invisible(wait.message or ""),
        asked_by=(wait.started_by or "") if by_hand else "",
        since=format_elapsed(wait.created_at, now),
        due=_due_text(wait.due_at, now),
        is_overdue=overdue,
        outcome=as_sentence((wait.decided_as or "").replace("_", " "), stop="") if wait.decided_as else "",
        decided=format_ago(wait.resolved_at and timezone.localtime(wait.resolved_at), now),
    )


def _due_text(due_at: dt.datetime | None, now: dt.datetime) -> str:
    if due_at is None:
        return ""
    if due_at < now:
        return _("Overdue by %(duration)s") % {"duration": format_elapsed(due_at, now)}
    return _("In %(duration)s") % {"duration": format_elapsed(now, due_at)}
