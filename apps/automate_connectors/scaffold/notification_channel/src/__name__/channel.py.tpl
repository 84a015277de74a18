"""$title as a channel of notifications."""

from __future__ import annotations

from typing import Any

from automate_operations.notifications.channels.contract import (
    ChannelContext,
    Message,
    NotDeliveredError,
    NotificationChannel,
)
from automate_plugins.fields import FieldKind, FieldSpec


class $class_name(NotificationChannel):
    """Posts each message as JSON."""

    code = "$name"
    name = "$title"
    config_fields = (
        FieldSpec(name="url", label="URL", kind=FieldKind.URL, required=True),
        FieldSpec(name="token", label="Token", kind=FieldKind.SECRET, required=True),
    )

    def send(self, message: Message, config: dict[str, Any], context: ChannelContext) -> None:
        """Send one message. The key is the same on each attempt."""
        response = context["http"].request(
            "POST",
            config["url"],
            headers={"Authorization": f"Bearer {config['token']}", "Idempotency-Key": message.id},
            json={"title": message.subject, "text": message.text},
            follow_redirects=False,  # the token is for this address alone
        )
        if response.status >= 400:
            again = response.status >= 500 or response.status == 429
            raise NotDeliveredError(f"$title responded with HTTP {response.status}.", again=again)
