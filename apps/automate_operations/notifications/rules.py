"""Operations on notification rules: create, change, turn off, mute, test and remove them, and send messages again.

A rule of a workflow needs the permission to change it, one of all workflows that to administer the site.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.db import transaction
from django.utils.translation import gettext as _

from automate_core import database
from automate_core.models import Notification, NotificationRule, Workflow
from automate_core.states import NOTIFICATION_EDGES, NotificationStatus, move
from automate_core.webhooks.endpoints import store_secret
from automate_core.webhooks.schemes.registry import scheme_for
from automate_governance import audit
from automate_governance.people import names as people
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, NotPermittedError, Person, can
from automate_operations.notifications import messages, sender, texts
from automate_operations.notifications.channels.registry import find_channel
from automate_operations.notifications.rule_values import Incident, RuleValues
from automate_plugins import text

MOST_RULES = 50  #: of one workflow, or of all together
MOST_TESTED = 5  #: places that one test sends to
_COPIED = ["failures", "span", "connection", "room", "url", "config", "window", "quiet_from", "quiet_until", "timezone"]
_MINUTE, _DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
_Kind, _Channel = NotificationRule.Kind, NotificationRule.Channel


class RuleError(ValueError):
    """An invalid rule: `errors` holds a sentence for each field at fault."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


def may_manage(person: Person, workflow: Workflow | None) -> bool:
    """Whether this person may manage the notifications of a workflow, or of all."""
    return can(person, "administer", SITE) if workflow is None else can(person, "change", workflow)


@transaction.atomic
def save_rule(
    rule: NotificationRule | None, values: RuleValues, *, workflow: Workflow | None, by: Person
) -> tuple[NotificationRule, str]:
    """Create or change a rule: (the rule, the secret that was generated for its webhook, else empty).

    Raises NotPermittedError, RuleError.
    """
    _check_permission(by, workflow)
    created = rule is None
    if created and NotificationRule.objects.filter(workflow=workflow, removed_at=None).count() >= MOST_RULES:
        problem = _("The limit of %(count)s rules is reached. Change or remove one.") % {"count": MOST_RULES}
        raise RuleError({"": problem})
    rule = _lock_rule(rule) if rule else NotificationRule(workflow=workflow, timezone=values.timezone)
    people = list(_find_people(values.people))
    if errors := dict(_find_problems(rule, values, people, by)):
        raise RuleError(errors)
    if not rule.built_in:
        rule.kind, rule.channel = values.kind, values.channel
    for name in _COPIED:
        setattr(rule, name, getattr(values, name))
    rule.to_owner, rule.addresses, rule.is_on, rule.author = values.to_owner, values.addresses, values.is_on, by
    made = _set_secret(rule, values, by)
    rule.look_at = database.now()
    rule.save()
    rule.people.set(people)
    verb = "notification.rule_created" if created else "notification.rule_changed"
    audit.record(by, verb, rule, changes=_audit_values(rule))
    return rule, made


@transaction.atomic
def set_rule_enabled(rule: NotificationRule, *, on: bool, by: Person) -> NotificationRule:
    """Turn a rule on or off. Raises NotPermittedError."""
    rule = _lock_rule(rule)
    _check_permission(by, rule.workflow)
    rule.is_on, rule.look_at = on, database.now()
    rule.save(update_fields=["is_on", "look_at", "changed_at"])
    audit.record(by, "notification.rule_turned_on" if on else "notification.rule_turned_off", rule)
    return rule


@transaction.atomic
def remove_rule(rule: NotificationRule, *, by: Person) -> None:
    """Remove a rule; its unsent messages are dropped. Raises NotPermittedError, RuleError."""
    rule = _lock_rule(rule)
    _check_permission(by, rule.workflow)
    if rule.built_in:
        raise RuleError({"": _("This rule is built in. Turn it off instead.")})
    _set_removed(rule, database.now())
    audit.record(by, "notification.rule_removed", rule)


@transaction.atomic
def restore_rule(rule: NotificationRule, *, by: Person) -> None:
    """Restore a rule that was removed a short time ago. Raises NotPermittedError."""
    rule = _lock_rule(rule)
    _check_permission(by, rule.workflow)
    _set_removed(rule, None)
    audit.record(by, "notification.rule_taken_back", rule)


def _set_removed(rule: NotificationRule, at: dt.datetime | None) -> None:
    rule.removed_at = at
    rule.save(update_fields=["removed_at", "changed_at"])


@transaction.atomic
def mute_owner(rule: NotificationRule, workflow: Workflow, *, on: bool, by: Person) -> None:
    """Exclude the owner of a workflow from a rule for all workflows, or include them. Raises NotPermittedError,
    RuleError.
    """
    _check_permission(by, workflow)
    if rule.workflow_id is not None or not rule.to_owner:
        raise RuleError({"": _("Only notifications of the workflow owner can be turned off for a workflow.")})
    (rule.muted_for.add if on else rule.muted_for.remove)(workflow)
    audit.record(by, "notification.muted" if on else "notification.unmuted", workflow, changes={"rule": str(rule)})


def send_test(rule: NotificationRule, *, by: Person) -> list[Notification]:
    """Send a test to the targets of a rule, at once, and give the messages. Raises NotPermittedError.

    For a rule for all workflows, the person who tests it stands for the owner.
    """
    with transaction.atomic():
        rule = _lock_rule(rule)
        _check_permission(by, rule.workflow)
        now = database.now()
        said = text("This is a test of a notification.")
        if rule.workflow:
            said = text("This is a test of a notification about %(workflow)s.", workflow=rule.workflow.name)
        incident = Incident(
            key="test",
            fact=texts.build_fact(said, now, "admin:index"),
            at=now,
            owner=rule.workflow.owner if rule.workflow else by,
        )
        made = [
            Notification.objects.create(
                **messages.target_columns(rule, target),
                kind=Notification.TEST,
                workflow=rule.workflow,
                facts=[incident.fact],
                count=1,
                send_at=now,
                attempts=1,
                taken_until=now + sender.LEASE,
            )
            for target in list(messages.incident_targets(rule, incident))[:MOST_TESTED]
        ]
        audit.record(by, "notification.rule_tested", rule, changes={"places": [each.target for each in made]})
    for notification in made:
        sender.attempt_delivery(notification)
        notification.refresh_from_db()
    return made


@transaction.atomic
def resend_notification(notification: Notification, *, by: Person) -> Notification:
    """Send a failed message again, with all its attempts. Raises NotPermittedError, TransitionError."""
    found = Notification.objects.select_for_update(of=("self",)).select_related("workflow").get(pk=notification.pk)
    _check_permission(by, found.workflow if found.rule is None or found.rule.workflow_id else None)
    found.status = NotificationStatus(move(NOTIFICATION_EDGES, found.status, NotificationStatus.WAITING))
    found.send_at, found.attempts, found.taken_until = database.now(), 0, None
    found.save(update_fields=["status", "send_at", "attempts", "taken_until"])
    audit.record(by, "notification.sent_again", found, changes={"to": found.target})
    return found


def create_default_rule() -> None:
    """Create the rule that every site begins with: the owner of a workflow is notified of its first failure."""
    NotificationRule.objects.get_or_create(
        built_in=True, defaults={"kind": _Kind.FIRST_FAILURE, "channel": _Channel.EMAIL, "to_owner": True}
    )


def _check_permission(by: Person, workflow: Workflow | None) -> None:
    if not may_manage(by, workflow):
        if workflow is None:
            raise NotPermittedError(
                text("%(person)s needs the Administer permission for site notifications.", person=sign_in_name(by))
            )
        raise NotPermittedError(
            text(
                "%(person)s needs the Change permission for the workflow %(workflow)s.",
                person=sign_in_name(by),
                workflow=workflow.slug,
            )
        )


def _lock_rule(rule: NotificationRule) -> NotificationRule:
    return NotificationRule.objects.select_for_update(no_key=True).get(pk=rule.pk)


def _set_secret(rule: NotificationRule, values: RuleValues, by: Person) -> str:
    """Set the signing secret of a webhook; a generated one is returned, to be shown once."""
    if rule.channel != _Channel.WEBHOOK or (not values.secret and rule.secret):
        return ""
    if values.secret:
        rule.secret = values.secret
        return ""
    secret: str = scheme_for("standard", {}).new_secret()
    host = (urlsplit(values.url).hostname or "webhook").replace(".", "-")[:60]
    rule.secret = store_secret(f"notify-{host}", secret, by)
    return secret


def _find_people(names: Iterable[str]) -> Iterator[Any]:
    yield from people.active_people(names)


def _audit_values(rule: NotificationRule) -> dict[str, Any]:
    """The values for the audit trail: of a webhook's URL, which may hold a token, the host alone."""
    channel = find_channel(rule.channel)
    return {
        "kind": rule.kind,
        "channel": rule.channel,
        "to": channel.places(rule) if channel is not None else [],
        "workflow": rule.workflow.slug if rule.workflow else "",
        "is_on": rule.is_on,
    }


# --- what is wrong ----------------------------------------------------------------------------------------------------


def _find_problems(
    rule: NotificationRule, values: RuleValues, people: list[Any], by: Person
) -> Iterator[tuple[str, str]]:
    kind, channel = (rule.kind, rule.channel) if rule.built_in else (values.kind, values.channel)
    yield from _threshold_problems(kind, values)
    sends = find_channel(channel)
    if sends is None:
        yield "channel", _("The channel %(channel)s is not installed.") % {"channel": channel}
    else:
        yield from sends.problems(rule, values, people, by)
    if not _MINUTE <= values.window <= _DAY:
        yield "window", _("Enter a time from 1 minute to 24 hours.")
    if (values.quiet_from is None) != (values.quiet_until is None):
        yield "quiet_until" if values.quiet_until is None else "quiet_from", _("Enter both times, or leave both empty.")
    elif values.quiet_from is not None and values.quiet_from == values.quiet_until:
        yield "quiet_until", _("The quiet hours must end at a different time than they start.")
    if values.timezone not in available_timezones():
        yield "timezone", _("Unknown time zone. Enter one such as Europe/Berlin.")


def _threshold_problems(kind: str, values: RuleValues) -> Iterator[tuple[str, str]]:
    if kind == _Kind.FAILURES and not (values.failures and 2 <= values.failures <= 1_000):
        yield "failures", _("Enter a number from 2 to 1,000.")
    if kind == _Kind.NOT_POLLED and not (values.failures and 2 <= values.failures <= 1_000):
        yield "intervals", _("Enter a number from 2 to 1,000.")
    longest = 30 * _DAY if kind == _Kind.FAILURES else 366 * _DAY
    needs_span = kind in {_Kind.FAILURES, _Kind.NOT_RUN, _Kind.WAITING}
    if needs_span and not (values.span and _MINUTE <= values.span <= longest):
        yield "span", _("Enter a time such as 15m, 2h or 3d, at most %(count)s days.") % {"count": longest.days}
