"""The contract of a trigger kind: what starts a workflow, where no connection is needed.

What needs a connection is a poll or a webhook of a connector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.adapters.polls import Poll, PollResult
from automate_connectors.adapters.webhooks import Registration, Webhook
from automate_connectors.context import Context
from automate_plugins.fields import FieldSpec

REFERENCE = "trigger"  #: stands for a connector in the references of polls and webhooks: `trigger.new_order`
PUBLIC = "public"  #: in place of a permission: whoever builds workflows may listen


class TriggerKind(ABC):
    """A kind of trigger, found in the group `django_automate.triggers`. Inherit one of the three below.

    Made without arguments, and shared by threads. `fields` are its inputs, which hold no expressions, and `sample` is
    the payload of an event. `icon` is the name of a Material Symbol; `hue` (0 to 360) tints its tile.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str] = ""
    icon: ClassVar[str] = "bolt"
    hue: ClassVar[int] = 250
    fields: ClassVar[tuple[FieldSpec, ...]] = ()
    sample: ClassVar[Mapping[str, Any]] = {}

    @property
    @abstractmethod
    def started_by(self) -> str:
        """How it starts workflows: `poll`, `webhook` or `emit`."""


class PollingTrigger(TriggerKind):
    """A kind that the platform asks at intervals, after `least_seconds` at the earliest."""

    least_seconds: ClassVar[int] = 60

    @property
    def started_by(self) -> str:
        """How it starts workflows."""
        return "poll"

    @abstractmethod
    def poll(self, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """Ask once, as `ConnectorAdapter.poll` does. Raise ConnectorError."""


class RegisteringTrigger(TriggerKind):
    """A kind that registers a URL at a service. The other members are those of a Webhook."""

    scheme: ClassVar[str]
    scheme_config: ClassVar[Mapping[str, Any]] = {}
    events: ClassVar[tuple[tuple[str, str], ...]] = ()
    other_events: ClassVar[bool] = False
    makes_secret: ClassVar[bool] = False

    @property
    def started_by(self) -> str:
        """How it starts workflows."""
        return "webhook"

    @abstractmethod
    def register(self, params: dict[str, Any], url: str, secret: str, context: Context) -> Registration:
        """Register the URL, as `ConnectorAdapter.register_webhook` does. Raise ConnectorError."""

    @abstractmethod
    def find(self, params: dict[str, Any], url: str, context: Context) -> Registration | None:
        """Return the registration with the URL, as `ConnectorAdapter.find_webhook` does. Raise ConnectorError."""

    @abstractmethod
    def remove(self, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """Remove a registration, as `ConnectorAdapter.remove_webhook` does. Raise ConnectorError."""


class EmittedTrigger(TriggerKind):
    """A kind that the plug-in's own code starts, by `automate_core.api.emit`, with the kind's code as the event type.

    People need `permission`, such as `shop.view_order`, to listen to it. It has no fields: a workflow filters.
    """

    permission: ClassVar[str] = PUBLIC

    @property
    def started_by(self) -> str:
        """How it starts workflows."""
        return "emit"


class TriggerAdapter(ConnectorAdapter):
    """A trigger kind of a plug-in as a connector with one poll or webhook, so that both are asked by one code."""

    code = REFERENCE

    def __init__(self, kind: TriggerKind) -> None:
        self.kind = kind
        self.name = kind.name
        self.icon, self.hue = kind.icon, kind.hue
        described: dict[str, Any] = {
            "name": kind.code,
            "label": kind.name,
            "description": kind.description,
            "fields": kind.fields,
            "sample": kind.sample,
        }
        if isinstance(kind, PollingTrigger):
            self.polls = (Poll(least_seconds=kind.least_seconds, **described),)
        if isinstance(kind, RegisteringTrigger):
            self.webhooks = (
                Webhook(
                    scheme=kind.scheme,
                    scheme_config=kind.scheme_config,
                    events=kind.events,
                    other_events=kind.other_events,
                    makes_secret=kind.makes_secret,
                    **described,
                ),
            )

    @property
    def takes_connection(self) -> bool:
        """It has no connections."""
        return False

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """It has no actions."""
        raise NotImplementedError

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """Ask the kind."""
        if not isinstance(self.kind, PollingTrigger):
            raise NotImplementedError
        return self.kind.poll(params, cursor, context)

    def register_webhook(
        self, name: str, params: dict[str, Any], url: str, secret: str, context: Context
    ) -> Registration:
        """Have the kind register."""
        return self._registering.register(params, url, secret, context)

    def find_webhook(self, name: str, params: dict[str, Any], url: str, context: Context) -> Registration | None:
        """Have the kind look."""
        return self._registering.find(params, url, context)

    def remove_webhook(self, name: str, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """Have the kind remove it."""
        self._registering.remove(params, registration, context)

    @property
    def _registering(self) -> RegisteringTrigger:
        if not isinstance(self.kind, RegisteringTrigger):
            raise NotImplementedError
        return self.kind
