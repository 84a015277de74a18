"""Approvals to decide and decided ones, as keyset pages over the waits' small columns."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from automate_core.definition.step_names import shown_name, title_of_key
from automate_core.definition.step_paths import key_of
from automate_core.models import Wait, WaitAssignee
from automate_core.runs.waits.approvals import assignee_label, outcome_name
from automate_core.states import WaitStatus
from automate_core.triggers.manual import FORM, START_SOURCES
from automate_governance.permissions import User
from automate_governance.texts import escape_invisible, translated
from automate_operations.queries.approval_tasks import (
    find_tasks,
    read_key,
    undecidable_approvals,
    with_task_columns,
    write_key,
)
from automate_plugins import text
from automate_studio.view_models.task_counts import may_reassign_tasks, task_count
from automate_ui.formatting import format_ago, format_elapsed
from automate_ui.keyset_pages import KeysetPage, keyset_links
from automate_ui.navigation.http import clean_text
from automate_ui.navigation.lists import Query, Tab, query_string

ON_A_PAGE = 25
MOST_SUMMARY = 200
_NAMING_SOURCES = (*START_SOURCES, FORM)  #: of events that name the person who started them
_TABS = {
    "": text("Waiting for me"),
    "decided": text("Decided by me"),
    "all": text("All tasks"),
    "lost": text("Without an active approver"),
}
OF_OTHERS = {"all", "lost"}  #: tabs for people who may reassign tasks; they show who has to decide


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """An approval in the list. `due` is empty without a deadline, `outcome` for an open one.

    `approvers` are shown beside the tasks of others; `is_lost` says that none of them is active.
    """

    wait: Wait
    title: str  # the first line of the question, the step's name where it asks none
    summary: str  # what tells the task from others in a list: the lines of the question that say something
    name: str
    message: str
    asked_by: str
    since: str
    due: str
    is_overdue: bool
    outcome: str
    decided: str
    approvers: str = ""
    is_lost: bool = False


def task_page(user: User, query: Query, now: dt.datetime) -> KeysetPage:
    """A page: open approvals by deadline, decided ones newest first."""
    shown = {key: name for key, name in _TABS.items() if key not in OF_OTHERS or may_reassign_tasks(user)}
    tab = query.get("show", "") if query.get("show", "") in shown else ""
    search = clean_text(query.get("q"))
    kept = {name: value for name, value in (("show", tab), ("q", search)) if value}
    after, before = read_key(query.get("after")), read_key(query.get("before"))
    rows, more = find_tasks(user, tab, search, after=after, before=before, most=ON_A_PAGE)
    return KeysetPage(
        rows=[_task_row(wait, now, approvers) for wait, approvers in _with_approvers(rows, tab)],
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
        **keyset_links(rows, kept, write_key, more=more, after=after, before=before),
    )


def build_task_row(wait: Wait, now: dt.datetime) -> TaskRow:
    """Row of one approval, for its own page."""
    return _task_row(with_task_columns(Wait.objects.filter(pk=wait.pk)).get(), now)


def _with_approvers(waits: list[Any], tab: str) -> list[tuple[Any, tuple[str, bool]]]:
    """The waits, each with the names of its approvers and whether none of them is active. Two queries, or none."""
    if tab not in OF_OTHERS:
        return [(wait, ("", False)) for wait in waits]
    keys = [wait.pk for wait in waits]
    lost = set(undecidable_approvals(Wait.objects.filter(pk__in=keys)).values_list("pk", flat=True))
    names: dict[Any, list[str]] = defaultdict(list)
    assigned = WaitAssignee.objects.filter(wait__in=keys, excluded=False).select_related("user", "group")
    for each in assigned:
        names[each.wait_id].append(assignee_label(each))
    return [(wait, (", ".join(sorted(names[wait.pk])), wait.pk in lost)) for wait in waits]


def _task_row(wait: Any, now: dt.datetime, approvers: tuple[str, bool] = ("", False)) -> TaskRow:
    overdue = wait.status == WaitStatus.OPEN and wait.due_at is not None and wait.due_at < now
    name = escape_invisible(shown_name(wait.name or title_of_key(key_of(wait.path))))
    message = escape_invisible(wait.message or "").strip()
    return TaskRow(
        wait=wait,
        title=message.split("\n")[0].strip() or name,
        summary=_summary(message) or name,
        name=name,
        message=message,
        asked_by=(wait.started_by or "") if (wait.source or "").startswith(_NAMING_SOURCES) else "",
        since=format_elapsed(wait.created_at, now),
        due=_due_text(wait.due_at, now),
        is_overdue=overdue,
        outcome=escape_invisible(outcome_name(wait.outcomes, wait.decided_as)),
        decided=format_ago(wait.resolved_at and timezone.localtime(wait.resolved_at), now),
        approvers=approvers[0],
        is_lost=approvers[1],
    )


def _summary(message: str) -> str:
    """The lines of a question as one, without those that only name a value that is missing: `Supplier:`."""
    lines = [line.strip() for line in message.split("\n")]
    return " · ".join(line for line in lines if line and not line.endswith(":"))[:MOST_SUMMARY]


def _due_text(due_at: dt.datetime | None, now: dt.datetime) -> str:
    if due_at is None:
        return ""
    if due_at < now:
        return _("Overdue by %(duration)s") % {"duration": format_elapsed(due_at, now)}
    return _("In %(duration)s") % {"duration": format_elapsed(now, due_at)}
