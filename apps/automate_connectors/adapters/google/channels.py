"""Notification channels of Google's APIs: what makes one, ends one, and reads the changes that it announces.

Source: https://developers.google.com/workspace/drive/api/guides/push and
https://developers.google.com/workspace/calendar/api/guides/push. A notification has headers and no body: it says that
something has changed, and the list of changes says what. Channels cannot be listed, and cannot be extended.
"""

from __future__ import annotations

import datetime as dt
import uuid
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError, unknown_webhook
from automate_connectors.adapters.polls import PollItem, PollResult
from automate_connectors.adapters.webhooks import EVENTS, Registration
from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_plugins import text

LONGEST_DAYS = 7  #: that a channel may last
SCHEME = "bearer"
#: The token that a channel was made with comes back in a header of each notification.
SCHEME_CONFIG = {"header": "X-Goog-Channel-Token", "prefix": "", "event_header": "X-Goog-Resource-State"}
FIRST_STATE = "sync"  #: of the notification that only says that a channel was made
_RESOURCE, _CURSOR = "resource", "cursor"
_STOP = "stop_channel"


class GoogleChannels(DeclaredConnector):
    """Webhooks that are notification channels. `data` of a registration has the resource and the place in the changes.

    A subclass says how a channel is made, where the changes begin, and how they are read. The action `stop_channel` of
    the document ends a channel.
    """

    @property
    def can_find_webhooks(self) -> bool:
        """False: channels cannot be listed. One that is left behind announces what is read anyway, until it ends."""
        return False

    @abstractmethod
    def first_cursor(self, params: Mapping[str, Any], context: Context) -> Any:
        """The end of the list of changes."""

    @abstractmethod
    def open_channel(self, params: Mapping[str, Any], channel: Mapping[str, Any], context: Context) -> Any:
        """Make a channel and return the answer: `channel` has `id`, `address`, `secret`, `expiration` and `cursor`."""

    @abstractmethod
    def list_changes(
        self, params: Mapping[str, Any], cursor: Any, context: Context
    ) -> tuple[list[PollItem], Any, bool]:
        """(changes behind the cursor, the oldest first; the next cursor; whether there are more at once)."""

    def register_webhook(
        self, name: str, params: dict[str, Any], url: str, secret: str, context: Context
    ) -> Registration:
        """Make a channel whose changes begin now."""
        inputs = self._inputs(name, params)
        return self._open(inputs, self.first_cursor(inputs, context), url, secret, context)

    def renew_webhook(
        self, name: str, params: dict[str, Any], registration: Registration, url: str, secret: str, context: Context
    ) -> Registration:
        """Make another channel that goes on where this one is, and end this one."""
        made = self._open(self._inputs(name, params), registration.data.get(_CURSOR), url, secret, context)
        self.remove_webhook(name, params, registration, context)
        return made

    def remove_webhook(self, name: str, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """End the channel. One that has ended is no error."""
        self._inputs(name, params)
        try:
            self.call(_STOP, {"id": registration.id, _RESOURCE: registration.data.get(_RESOURCE, "")}, context)
        except ConnectorError as error:
            if error.details.get("status") not in {404, 410} or error.code == NEEDS_RECONNECT:
                raise

    def read_changes(
        self, name: str, params: dict[str, Any], registration: Registration, context: Context
    ) -> PollResult:
        """The changes behind the place that the registration has; its cursor is the new `data`."""
        inputs = self._inputs(name, params)
        items, cursor, has_more = self.list_changes(inputs, registration.data.get(_CURSOR), context)
        return PollResult(items=items, cursor={**registration.data, _CURSOR: cursor}, more=has_more)

    def call(self, action: str, given: Mapping[str, Any], context: Context) -> Any:
        """The output of an action of the document, also a hidden one. Raises ConnectorError, EgressError."""
        return self._caller(context)(action, {name: value for name, value in given.items() if value}).output()

    def _inputs(self, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a trigger, without the event types, of which there are none. Raises ConnectorError."""
        if name not in {each.name for each in self.webhooks}:
            raise unknown_webhook(self.code, name)
        return {each: value for each, value in params.items() if each != EVENTS}

    def _open(self, params: Mapping[str, Any], cursor: Any, url: str, secret: str, context: Context) -> Registration:
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=LONGEST_DAYS, minutes=-5)
        channel = {
            "id": str(uuid.uuid4()),
            "address": url,
            "secret": secret,
            "expiration": str(int(ends.timestamp() * 1_000)),
            _CURSOR: cursor,
        }
        made = self.open_channel(params, channel, context)
        if not isinstance(made, dict) or not made.get("id") or not made.get("resourceId"):
            raise ConnectorError(
                text("The response has no value at %(path)s.", path="resourceId"), code="invalid_answer"
            )
        data = {_RESOURCE: str(made["resourceId"]), _CURSOR: cursor}
        return Registration(id=str(made["id"]), expires=_expiry(made.get("expiration")), data=data)


def parse_time(value: Any) -> dt.datetime | None:
    """A time of RFC 3339; None for anything else."""
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _expiry(value: Any) -> dt.datetime:
    """The end of a channel, which is written in milliseconds. Without one it is the shortest that a service gives."""
    try:
        return dt.datetime.fromtimestamp(int(value) / 1_000, dt.UTC)
    except (TypeError, ValueError, OverflowError):
        return dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
