"""Calls of channels that are not built in: whatever they do, a message has an outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from automate_connectors.outbound import outbound_clients
from automate_core.models import Notification, NotificationRule
from automate_egress import EgressError
from automate_governance.people.locale import person_locale
from automate_governance.permissions import Person
from automate_governance.redaction.redactor import current_redactor
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import NOT_A_REFERENCE, is_reference, resolve
from automate_governance.secrets.use import find_forbidden_references
from automate_governance.texts import translated
from automate_operations.notifications import texts
from automate_operations.notifications.channels.base import Channel, rule_of
from automate_operations.notifications.channels.contract import (
    ChannelContext,
    Message,
    NotDeliveredError,
    NotificationChannel,
)
from automate_operations.notifications.rule_values import Incident, RuleValues, Target
from automate_plugins import text
from automate_plugins.fields import FieldKind
from automate_plugins.limited_calls import CallTimeoutError, LimitedCalls

SEND_SECONDS = 30.0
MOST_PLACE = 320  #: characters, as the column of a message's target

_sends, _questions = LimitedCalls(SEND_SECONDS), LimitedCalls(5.0)


class PluginChannel(Channel):
    """A plug-in's channel as rules and messages know it."""

    def __init__(self, plugin: NotificationChannel) -> None:
        self.plugin = plugin

    def targets(self, rule: NotificationRule, incident: Incident) -> Iterable[Target]:
        return [Target(_find_place(self.plugin, rule))]

    def deliver(self, notification: Notification) -> None:
        """Call `send`, with a time limit."""
        _deliver(self.plugin, notification)

    def problems(
        self, rule: NotificationRule, values: RuleValues, people: list[Any], by: Person
    ) -> Iterator[tuple[str, str]]:
        """Those of the fields, of secrets that the person may not use, and of `validate_config`."""
        return _find_problems(self.plugin, values, by)

    def places(self, rule: NotificationRule) -> list[str]:
        return [_find_place(self.plugin, rule)]


def build_message(notification: Notification) -> Message:
    """The message in the active language."""
    facts, count = notification.facts, notification.count
    return Message(
        id=str(notification.pk),
        kind=notification.kind,
        subject=texts.subject_line(facts, count),
        text=texts.plain_text(facts, count, texts.notification_reason(notification)),
        facts=[
            {"text": texts.fact_text(each), "at": str(each["at"]), "url": str(each["url"])}  # as people read it
            for each in facts
        ],
        count=count,
        workflow=notification.workflow.slug if notification.workflow else None,
    )


def _deliver(channel: NotificationChannel, notification: Notification) -> None:
    """Send a message by a plug-in's channel. Raises NotDeliveredError, and nothing else."""
    rule = rule_of(notification)
    with person_locale(None):
        message = build_message(notification)
    try:
        config = _resolved(channel, rule.config)
    except SecretUnavailableError as error:
        raise NotDeliveredError(str(error), again=True) from error
    except SecretNotFoundError as error:
        raise NotDeliveredError(str(error)) from error
    deadline = time.monotonic() + SEND_SECONDS
    clients = outbound_clients(deadline=deadline)
    context = ChannelContext(http=clients["http"], network=clients["network"], deadline=deadline)
    returned = _call(channel, lambda: channel.send(message, config, context))
    if returned is not None:
        raise NotDeliveredError(
            text(
                "The channel %(channel)s must return nothing from send, not %(type)s.",
                channel=channel.code,
                type=type(returned).__name__,
            )
        )


def _call(channel: NotificationChannel, act: Callable[[], Any]) -> Any:
    try:
        return _sends.run(channel.code, act)
    except NotDeliveredError:
        raise
    except EgressError as error:
        raise NotDeliveredError(str(error), again=error.retryable) from error
    except CallTimeoutError as error:
        message = text(
            "The channel %(channel)s did not finish within %(seconds)s s.",
            channel=channel.code,
            seconds=float(_sends.seconds),
        )
        raise NotDeliveredError(message, again=True) from error
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise NotDeliveredError(
            text("The channel %(channel)s failed: %(reason)s", channel=channel.code, reason=reason), again=True
        ) from error


def _resolved(channel: NotificationChannel, config: dict[str, Any]) -> dict[str, Any]:
    """The values with defaults, and secrets as plain values."""
    found = {spec.name: spec.default for spec in channel.config_fields if spec.default is not None}
    found |= {name: value for name, value in config.items() if value not in (None, "")}
    for spec in channel.config_fields:
        if spec.kind is FieldKind.SECRET and found.get(spec.name):
            found[spec.name] = resolve(str(found[spec.name])).reveal()
            current_redactor().learn(found[spec.name])
    return found


def _find_place(channel: NotificationChannel, rule: NotificationRule) -> str:
    """Where a rule sends to, in one line; the name of the channel when it does not say."""
    try:
        place = _questions.run(f"{channel.code} target", lambda: channel.target(dict(rule.config)))
    except BaseException:  # noqa: BLE001 - a stranger's code
        place = ""
    return place[:MOST_PLACE] if isinstance(place, str) and place else str(channel.name)[:MOST_PLACE]


def _find_problems(channel: NotificationChannel, values: RuleValues, by: Person) -> Iterator[tuple[str, str]]:
    """Problems with the values of a rule, as (field, sentence)."""
    config, found = values.config, False
    for spec in channel.config_fields:
        if problem := spec.problem_in(config) or _secret_problem(spec.kind, config.get(spec.name)):
            found = True
            yield spec.name, translated(problem)
    references = {
        spec.name: [config[spec.name]]
        for spec in channel.config_fields
        if spec.kind is FieldKind.SECRET and config.get(spec.name)
    }
    if found:
        return
    if forbidden := next(find_forbidden_references(by, references), None):
        yield forbidden
        return
    try:
        _questions.run(f"{channel.code} validate_config", lambda: channel.validate_config(dict(config)))
    except BaseException as error:  # noqa: BLE001 - a stranger's code: its reason is shown
        yield "", translated(str(error)) or type(error).__name__


def _secret_problem(kind: FieldKind, value: Any) -> str | None:
    if kind is FieldKind.SECRET and value and not is_reference(value):
        return NOT_A_REFERENCE
    return None
