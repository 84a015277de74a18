"""What rules and messages ask of a channel, built in or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from automate_core.models import Notification, NotificationRule
from automate_governance.permissions import Person
from automate_operations.notifications.channels.contract import ChannelPlugin, NotDeliveredError
from automate_operations.notifications.rule_values import Incident, RuleValues, Target
from automate_plugins import text


class Channel(ChannelPlugin):
    """A way to send messages. The built-in channels, whose rules have columns of their own, inherit it."""

    @abstractmethod
    def targets(self, rule: NotificationRule, incident: Incident) -> Iterable[Target]:
        """The targets of an incident by a rule, without repetitions."""

    @abstractmethod
    def deliver(self, notification: Notification) -> None:
        """Send a message. Raises NotDeliveredError."""

    @abstractmethod
    def problems(
        self, rule: NotificationRule, values: RuleValues, people: list[Any], by: Person
    ) -> Iterator[tuple[str, str]]:
        """Problems with the values of a rule, as (field, sentence in the active language).

        `people` are the active people that the values name, `by` is the person who saves the rule.
        """

    @abstractmethod
    def places(self, rule: NotificationRule) -> list[str]:
        """Where a rule sends its messages, without secrets."""


def rule_of(notification: Notification) -> NotificationRule:
    """The rule of a message. Raises NotDeliveredError when it was removed."""
    if notification.rule is None:
        raise NotDeliveredError(text("The rule was removed."))
    return notification.rule
