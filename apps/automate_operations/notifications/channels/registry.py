"""The installed notification channels."""

from __future__ import annotations

from automate_operations.notifications.channels.base import Channel
from automate_operations.notifications.channels.contract import ChannelPlugin, NotificationChannel, verify_channel
from automate_operations.notifications.channels.plugin import PluginChannel
from automate_plugins.registry import PluginNotFoundError, Registry


def _verify(channel: ChannelPlugin) -> None:
    if not isinstance(channel, Channel | NotificationChannel):
        raise TypeError(f"{type(channel).__name__} must be a subclass of NotificationChannel")
    verify_channel(channel)


channels: Registry[ChannelPlugin] = Registry(
    "django_automate.notification_channels",
    ChannelPlugin,
    name_of=lambda entry, cls: cls.code,
    verify=_verify,
)


def find_channel(code: str) -> Channel | None:
    """The channel of that code; None when it is not installed any more."""
    try:
        found = channels.get(code)
    except PluginNotFoundError:
        return None
    if isinstance(found, NotificationChannel):
        return PluginChannel(found)
    return found if isinstance(found, Channel) else None
