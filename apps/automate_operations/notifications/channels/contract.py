"""The contract of notification channels. It needs no configured Django, so that plug-ins are tested anywhere."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypedDict

from automate_connectors.context import Http
from automate_egress import Network
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.members import check_members

MOST_CODE = 50  #: characters, as the columns of rules and messages
_CODE = re.compile(r"[a-z][a-z0-9_-]*")
_KINDS = frozenset(
    {FieldKind.TEXT, FieldKind.LONG_TEXT, FieldKind.URL, FieldKind.CHOICE, FieldKind.INTEGER, FieldKind.SECRET}
)  #: of settings that the form of a rule can show


class NotDeliveredError(Exception):
    """A failed delivery; the message is for people. `again` says that a later attempt may succeed."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


class ChannelPlugin(ABC):
    """What the group `django_automate.notification_channels` holds. Made without arguments and shared by threads.

    A plug-in inherits `NotificationChannel`. `icon` is the name of a Material Symbol.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str] = ""
    icon: ClassVar[str] = "notifications"
    config_fields: ClassVar[tuple[FieldSpec, ...]] = ()  #: settings in the `config` of a rule
    rule_fields: ClassVar[frozenset[str]] = frozenset()  #: columns of a rule that a built-in channel uses


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, in the language of the site.

    `id` is the same on each attempt, so that a recipient can recognise a repetition. `kind` is the kind of the rule, or
    test. `facts` are mappings with `text`, `at` (ISO 8601) and `url`, the first of `count`. `workflow` is the name in
    URLs, None when there are several.
    """

    id: str
    kind: str
    subject: str
    text: str
    facts: list[dict[str, str]] = field(default_factory=list)
    count: int = 1
    workflow: str | None = None


class ChannelContext(TypedDict):
    """What `send` gets: the guarded session, the same for other protocols, and the end on `time.monotonic()`."""

    http: Http
    network: Network
    deadline: float


class NotificationChannel(ChannelPlugin):
    """The base of a plug-in's channel. A rule holds values of `config_fields`; secrets among them are references.

    The kinds of fields are TEXT, LONG_TEXT, URL, CHOICE, INTEGER and SECRET.
    """

    @abstractmethod
    def send(self, message: Message, config: dict[str, Any], context: ChannelContext) -> None:
        """Send one message. `config` holds the rule's values, with secrets as plain values.

        Must raise NotDeliveredError on failure; errors of `http` and `network` may pass as they are. `context` holds
        `http`, `network` and `deadline`.
        """

    def target(self, config: Mapping[str, Any]) -> str:
        """Optional: the place in one line for people, without secrets. `config` has references."""
        shown = (config.get(spec.name) for spec in self.config_fields if spec.kind != "secret")
        return next((str(value) for value in shown if value), self.name)

    def validate_config(self, config: Mapping[str, Any]) -> None:
        """Optional: check a rule's values, in which secrets are references. Raise ValueError with the reason."""


def verify_channel(channel: ChannelPlugin) -> None:
    """Raise TypeError for a channel that forms and pages cannot show."""
    for name in ("code", "name", "description", "icon"):
        if not isinstance(getattr(channel, name, None), str):
            raise TypeError(f"{name} must be text")
    if not _CODE.fullmatch(channel.code) or len(channel.code) > MOST_CODE:
        raise TypeError(f"code must be lower-case letters, digits, _ and -, at most {MOST_CODE}")
    fields = channel.config_fields
    check_members("config_fields", fields, FieldSpec)
    if found := [field.name for field in fields if field.kind not in _KINDS]:
        raise TypeError(f"the kinds of these config_fields cannot be used in a rule: {', '.join(found)}")
