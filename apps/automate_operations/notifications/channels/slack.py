"""Slack, through a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.translation import gettext as _

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.connection_test import build_call_context
from automate_connectors.invocation import invoke
from automate_connectors.models import Connection
from automate_core.models import Notification, NotificationRule
from automate_governance.people.locale import person_locale
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person, can
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_operations.notifications import texts
from automate_operations.notifications.channels.base import Channel, rule_of
from automate_operations.notifications.channels.contract import NotDeliveredError
from automate_operations.notifications.rule_values import Incident, RuleValues, Target
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError


class SlackChannel(Channel):
    """Messages in a Slack channel."""

    code = "slack"
    name = "Slack"
    description = text("Messages in a Slack channel")
    icon = "forum"
    rule_fields = frozenset({"connection", "room"})

    def targets(self, rule: NotificationRule, incident: Incident) -> Iterable[Target]:
        return [Target(f"{rule.connection} {rule.room}")]

    def deliver(self, notification: Notification) -> None:
        _post_to_slack(notification, rule_of(notification))

    def problems(
        self, rule: NotificationRule, values: RuleValues, people: list[Any], by: Person
    ) -> Iterator[tuple[str, str]]:
        return _slack_problems(values, by)

    def places(self, rule: NotificationRule) -> list[str]:
        return [rule.connection, rule.room]


def _slack_problems(values: RuleValues, by: Person) -> Iterator[tuple[str, str]]:
    connection = Connection.objects.filter(slug=values.connection, connector="slack").first()
    if connection is None or not can(by, "use", connection):
        yield "connection", _("Choose a Slack connection.")
    if not values.room:
        yield "room", _("Enter a channel, such as #alerts.")


def _post_to_slack(notification: Notification, rule: NotificationRule) -> None:
    """Post in the name of the rule's author, who needs the permission to use the connection."""
    connection = Connection.objects.filter(slug=rule.connection, connector="slack").first()
    if connection is None:
        raise NotDeliveredError(text("Slack connection %(name)s not found.", name=rule.connection), again=False)
    author = rule.author
    if author is None or not can(author, "use", connection):
        raise NotDeliveredError(_missing_use(sign_in_name(author) if author else "", str(connection)), again=False)
    with person_locale(None):
        params = {"channel": rule.room, "text": _slack_text(notification)}
    try:
        adapter = connection.adapter
        given = {**build_call_context(connection, author), "idempotency_key": notification.pk.hex}
        invoke(adapter, adapter.action("post_message"), params, given)
    except ConnectorError as error:
        raise NotDeliveredError(error.message, again=error.retryable) from error
    except SecretUnavailableError as error:
        raise NotDeliveredError(str(error), again=True) from error
    except (SecretNotFoundError, PluginNotFoundError) as error:
        raise NotDeliveredError(str(error), again=False) from error


def _missing_use(author: str, connection: str) -> str:
    if not author:
        return text("The author of this rule is not permitted to use the connection %(name)s.", name=connection)
    return text(
        "%(author)s needs the Use permission for the connection %(name)s.",
        author=author,
        name=connection,
    )


def _slack_text(notification: Notification) -> str:
    """The message in the active language: that of the site."""
    lines = [f"{_mrkdwn(sentence)} {_links(alike)}" for sentence, alike in texts.gather_alike(notification.facts)]
    return "\n".join([*lines, *map(_mrkdwn, texts.more_text(notification.count - len(notification.facts)))])


def _links(alike: list[texts.Fact]) -> str:
    """The page of a fact, or those of several by their times."""
    names = [texts.fact_time(each) for each in alike] if len(alike) > 1 else [_("Open")]
    return ", ".join(f"<{_mrkdwn(each['url'])}|{_mrkdwn(name)}>" for each, name in zip(alike, names, strict=True))


def _mrkdwn(plain: str) -> str:
    """Text escaped for Slack: https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\u2502")
