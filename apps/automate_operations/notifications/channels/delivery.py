"""Sending a message through its channel."""

from __future__ import annotations

from automate_core.models import Notification
from automate_governance.redaction.redactor import redact_text, redactor_context
from automate_governance.texts import kept_text
from automate_operations.notifications.channels.contract import NotDeliveredError
from automate_operations.notifications.channels.registry import find_channel
from automate_plugins import text
from automate_plugins.texts import restored

MOST_REASON = 500  #: characters, as the column of a message's error


def deliver(notification: Notification) -> None:
    """Send a message through its channel. Raises NotDeliveredError, whose message shows no secret."""
    channel = find_channel(notification.channel)
    if channel is None:
        raise NotDeliveredError(text("The channel %(channel)s is not installed.", channel=notification.channel))
    with redactor_context():
        try:
            channel.deliver(notification)
        except NotDeliveredError as error:
            message = str(error)
            shown = redact_text(message)[:MOST_REASON]
            raise NotDeliveredError(restored(kept_text(message, shown), shown), again=error.again) from error
