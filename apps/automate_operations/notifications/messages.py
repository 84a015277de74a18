"""From incidents to messages: one message for each target, which collects incidents until it is sent.

The caller holds the lock on the rule's row, so that two workers neither record an incident twice nor begin two messages
to one target.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from automate_core import database
from automate_core.models import Notification, NotificationRule, Occurrence
from automate_core.states import NotificationStatus
from automate_operations.notifications.channels.registry import find_channel
from automate_operations.notifications.quiet_hours import after_quiet_hours
from automate_operations.notifications.rule_values import Incident, Target
from automate_operations.notifications.texts import MOST_FACTS

GATHER = dt.timedelta(seconds=5)  #: how long the first message waits for what happens at the same time


def record_incidents(rule: NotificationRule, incidents: Iterable[Incident]) -> int:
    """Put new incidents into messages, and give their number. Call it with the rule locked, in its transaction."""
    found = {each.key: each for each in incidents}
    known = Occurrence.objects.filter(rule=rule, key__in=found).values_list("key", flat=True)
    new = [found[key] for key in found.keys() - set(known)]
    new.sort(key=lambda each: (each.at, each.key))
    Occurrence.objects.bulk_create(
        [Occurrence(rule=rule, key=each.key, workflow=each.workflow, at=each.at) for each in new]
    )
    gathered: dict[Target, list[Incident]] = {}
    for each in new:
        for target in incident_targets(rule, each):
            gathered.setdefault(target, []).append(each)
    for target, own in gathered.items():
        _add_to_message(rule, target, own)
    return len(new)


def incident_targets(rule: NotificationRule, incident: Incident) -> Iterable[Target]:
    """The targets of an incident by a rule's channel; none when the channel is not installed any more."""
    channel = find_channel(rule.channel)
    return channel.targets(rule, incident) if channel is not None else ()


def _add_to_message(rule: NotificationRule, target: Target, incidents: list[Incident]) -> None:
    """Add incidents to the message that waits for its first attempt, or begin one."""
    facts = [each.fact for each in incidents]
    workflows = {each.workflow for each in incidents}
    workflow = workflows.pop() if len(workflows) == 1 else None
    to_it = Notification.objects.filter(rule=rule, target=target.name).exclude(kind=Notification.TEST)
    waiting = to_it.filter(status=NotificationStatus.WAITING, attempts=0, taken_until=None)
    found = waiting.select_for_update(no_key=True).order_by("send_at").first()
    if found is not None:
        found.facts = (found.facts + facts)[:MOST_FACTS]
        found.count += len(facts)
        found.workflow = workflow if workflow is not None and found.workflow_id == workflow.pk else None
        found.save(update_fields=["facts", "count", "workflow"])
        return
    last = to_it.order_by("-send_at").values_list("send_at", flat=True).first()
    Notification.objects.create(
        **target_columns(rule, target),
        kind=rule.kind,
        workflow=workflow,
        facts=facts[:MOST_FACTS],
        count=len(facts),
        send_at=_send_at(rule, last),
    )


def target_columns(rule: NotificationRule, target: Target) -> dict[str, Any]:
    """The columns of a message that hold its target."""
    return {"rule": rule, "channel": rule.channel, "target": target.name, "person": target.person}


def _send_at(rule: NotificationRule, last: dt.datetime | None) -> dt.datetime:
    """The time to send: soon, after the window since the last message, and outside the quiet hours."""
    soon = database.now() + GATHER
    moment = max(soon, last + rule.window) if last is not None else soon
    return after_quiet_hours(moment, rule.quiet_from, rule.quiet_until, rule.timezone)


def lock_rules(**which: Any) -> list[NotificationRule]:
    """The rules that are on, locked in one order. Call it inside a transaction."""
    rules = NotificationRule.objects.filter(is_on=True, removed_at=None, **which).order_by("pk")
    return list(rules.select_for_update(no_key=True))


def lock_due_rules(kinds: Iterable[str], most: int, look_again: dt.timedelta) -> list[NotificationRule]:
    """The rules of those kinds that are due, locked; rules that another worker has locked are skipped."""
    due = NotificationRule.objects.filter(is_on=True, removed_at=None, kind__in=list(kinds))
    due = due.filter(look_at__lte=database.AutomateNow())
    rules = list(due.order_by("look_at").select_for_update(no_key=True, skip_locked=True)[:most])
    NotificationRule.objects.filter(pk__in=[rule.pk for rule in rules]).update(
        look_at=database.AutomateNow() + look_again
    )
    return rules


def latest_incident_at(rule: NotificationRule, workflow_id: int) -> dt.datetime | None:
    """The time of the last incident that a rule recorded of a workflow."""
    noted = Occurrence.objects.filter(rule=rule, workflow=workflow_id).order_by("-at")
    return noted.values_list("at", flat=True).first()
