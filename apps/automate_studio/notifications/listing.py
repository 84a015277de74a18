"""Notification rules as sentences, and the log as keyset pages."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automate_core.models import Notification, NotificationRule, Workflow
from automate_core.states import NotificationStatus
from automate_governance.texts import escape_invisible, translated
from automate_operations.notifications.texts import fact_text, format_duration
from automate_ui.describe import describe_recipients
from automate_ui.keyset_pages import KeysetPage, keyset_links
from automate_ui.navigation.http import clean_text, parse_uuid
from automate_ui.navigation.lists import Query, Tab, query_string

ON_A_PAGE = 25
_Kind, _Channel = NotificationRule.Kind, NotificationRule.Channel
_TABS = {
    "": gettext_lazy("All"),
    "waiting": gettext_lazy("Waiting"),
    "failed": gettext_lazy("Not sent"),
    "sent": gettext_lazy("Sent"),
}
_STATES = {  # what the status icons and colours know
    NotificationStatus.WAITING: "queued",
    NotificationStatus.SENT: "succeeded",
    NotificationStatus.FAILED: "failed",
    NotificationStatus.DROPPED: "skipped",
}
_WORDS = {
    "waiting": gettext_lazy("Waiting"),
    "sent": gettext_lazy("Sent"),
    "failed": gettext_lazy("Not sent"),
    "dropped": gettext_lazy("Not required"),
}
_MAILS = {
    "approval": gettext_lazy("Approval request"),
    "reminder": gettext_lazy("Approval reminder"),
    "test": gettext_lazy("Test"),
}


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """A rule in the list. `muted`: the owner of the page's workflow is not notified."""

    rule: NotificationRule
    trigger: str
    to: str
    limits: str
    last_sent: dt.datetime | None
    muted: bool = False


@dataclass(frozen=True, kw_only=True)
class LogRow:
    """A notification in the log."""

    notification: Notification
    summary: str
    more: int
    state: str
    word: str
    may_send_again: bool


def rule_rows(workflow: Workflow | None) -> list[RuleRow]:
    """Rules of a workflow, or of the site."""
    found = NotificationRule.objects.filter(workflow=workflow, removed_at=None)
    return [_rule_row(rule) for rule in _with_recipients(found)]


def site_rule_rows(workflow: Workflow) -> list[RuleRow]:
    """Enabled site rules that apply to this workflow."""
    found = _with_recipients(NotificationRule.objects.filter(workflow=None, removed_at=None, is_on=True))
    muted = set(NotificationRule.objects.filter(muted_for=workflow).values_list("pk", flat=True))
    return [_rule_row(rule, muted=rule.pk in muted) for rule in found]


def _with_recipients(found: QuerySet[NotificationRule]) -> Iterable[NotificationRule]:
    sent = Q(notifications__status=NotificationStatus.SENT)
    last = Max("notifications__sent_at", filter=sent & ~Q(notifications__kind=Notification.TEST))
    return found.annotate(last_sent=last).prefetch_related("people").order_by("-built_in", "pk")


def _rule_row(rule: NotificationRule, *, muted: bool = False) -> RuleRow:
    return RuleRow(
        rule=rule,
        trigger=rule_trigger_text(rule),
        to=", ".join(describe_recipients(rule)) or _("No one"),
        limits=_limits_text(rule),
        last_sent=getattr(rule, "last_sent", None),
        muted=muted,
    )


def rule_trigger_text(rule: NotificationRule) -> str:
    """Trigger of a rule as a sentence without a full stop."""
    span = translated(format_duration(rule.span)) if rule.span else ""
    match rule.kind:
        case _Kind.FAILURES:
            count = rule.failures or 0
            said = ngettext("%(count)s run fails within %(span)s", "%(count)s runs fail within %(span)s", count)
            return said % {"count": count, "span": span}
        case _Kind.NOT_RUN:
            said = (
                _("The workflow has not run for %(span)s")
                if rule.workflow_id
                else _("A workflow has not run for %(span)s")
            )
            return said % {"span": span}
        case _Kind.NOT_POLLED:
            count = rule.failures or 0
            said = ngettext(
                "A poll has no success for %(count)s interval, or a service webhook fails %(count)s time",
                "A poll has no success for %(count)s intervals, or a service webhook fails %(count)s times",
                count,
            )
            return said % {"count": count}
        case _Kind.WAITING:
            return _("A run waits for people for more than %(span)s") % {"span": span}
    return rule.get_kind_display()


def _limits_text(rule: NotificationRule) -> str:
    window = translated(format_duration(rule.window))
    if rule.quiet_from is None or rule.quiet_until is None:
        return _("One per %(window)s") % {"window": window}
    return _("One per %(window)s, quiet %(start)s to %(end)s %(zone)s") % {
        "window": window,
        "start": f"{rule.quiet_from:%H:%M}",
        "end": f"{rule.quiet_until:%H:%M}",
        "zone": rule.timezone,
    }


# --- the log ----------------------------------------------------------------------------------------------------------


def notification_log(workflow: Workflow | None, query: Query) -> KeysetPage:
    """A page of the log, newest first: of a workflow, or of all."""
    tab = query.get("show", "") if query.get("show", "") in _TABS else ""
    search = clean_text(query.get("q"))
    kept = {name: value for name, value in (("show", tab), ("q", search)) if value}
    found = Notification.objects.select_related("workflow", "rule")
    if workflow is not None:
        found = found.filter(workflow=workflow)
    if tab:
        found = found.filter(status=tab)
    if search:
        found = found.filter(Q(target__icontains=search) | Q(workflow__name__icontains=search))
    after, before = parse_uuid(query.get("after")), parse_uuid(query.get("before"))
    rows, more = _page_rows(found, after, before)
    return KeysetPage(
        rows=[_log_row(row) for row in rows],
        tabs=[
            Tab(name=str(name), url=query_string({**kept, "show": key}), active=key == tab)
            for key, name in _TABS.items()
        ],
        search=search,
        filtered=bool(search or tab),
        hidden={"show": tab} if tab else {},
        **keyset_links(rows, kept, lambda row: row.pk, more=more, after=after, before=before),
    )


def _page_rows(
    found: QuerySet[Notification], after: uuid.UUID | None, before: uuid.UUID | None
) -> tuple[list[Notification], bool]:
    """(rows, whether there are more)."""
    if before is not None:
        rows = list(found.filter(pk__gt=before).order_by("pk")[: ON_A_PAGE + 1])
        return rows[:ON_A_PAGE][::-1], len(rows) > ON_A_PAGE
    if after is not None:
        found = found.filter(pk__lt=after)
    rows = list(found.order_by("-pk")[: ON_A_PAGE + 1])
    return rows[:ON_A_PAGE], len(rows) > ON_A_PAGE


def _log_row(notification: Notification) -> LogRow:
    what = fact_text(notification.facts[0]) if notification.facts else str(_MAILS.get(notification.kind, ""))
    return LogRow(
        notification=notification,
        summary=escape_invisible(what),
        more=max(notification.count - 1, 0),
        state=_STATES[NotificationStatus(notification.status)],
        word=str(_WORDS[notification.status]),
        may_send_again=notification.status == NotificationStatus.FAILED,
    )
