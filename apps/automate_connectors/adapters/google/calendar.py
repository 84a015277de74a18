"""Changes of events in Google Calendar, announced by a notification channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.google.channels import FIRST_STATE, SCHEME, SCHEME_CONFIG, GoogleChannels, parse_time
from automate_connectors.adapters.polls import PollItem
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.context import Context
from automate_connectors.paging import MAX_PAGES
from automate_plugins import text
from automate_plugins.fields import FieldSpec

_EVENT = {
    "id": "7cbh8rpc10lrc0ckih9tafss99",
    "status": "confirmed",
    "created": "2026-11-28T08:00:00.000Z",
    "updated": "2026-11-28T08:00:00.000Z",
    "summary": "Delivery",
    "start": {"dateTime": "2026-12-01T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-12-01T11:00:00+01:00", "timeZone": "Europe/Berlin"},
}
_SECONDS = "604800"  #: that a channel is asked to last, which is the longest
_GONE = 410  #: the status where a sync token is too old


class CalendarChannels(GoogleChannels):
    """Source: https://developers.google.com/workspace/calendar/api/guides/sync and the reference of `events`."""

    own_webhooks = (
        Webhook(
            name="change",
            label=text("Changed event"),
            description=text("Start for each event of a calendar that is added, changed or deleted"),
            fields=(
                FieldSpec(
                    name="calendar",
                    label=text("Calendar"),
                    default="primary",
                    options="calendars",
                    help=text("ID of the calendar"),
                ),
            ),
            scheme=SCHEME,
            scheme_config=SCHEME_CONFIG,
            announces=True,
            quiet=(FIRST_STATE,),
            sample=_EVENT,
        ),
    )

    def first_cursor(self, params: Mapping[str, Any], context: Context) -> Any:
        """The sync token behind all events that are there, of which nothing but the tokens is read."""
        page = ""
        for _ in range(MAX_PAGES):
            found = self.call("read_sync_token", {**params, "page": page}, context)
            if token := found.get("nextSyncToken"):
                return {"sync": token, "page": ""}
            page = found.get("nextPageToken") or ""
            if not page:
                break
        raise ConnectorError(
            text("The response has no value at %(path)s.", path="nextSyncToken"), code="invalid_answer"
        )

    def open_channel(self, params: Mapping[str, Any], channel: Mapping[str, Any], context: Context) -> Any:
        """Watch the events of one calendar."""
        given = {name: channel[name] for name in ("id", "address", "secret")}
        return self.call("watch_events", {**params, **given, "seconds": _SECONDS}, context)

    def list_changes(
        self, params: Mapping[str, Any], cursor: Any, context: Context
    ) -> tuple[list[PollItem], Any, bool]:
        """The changes of one page. Where the sync token is too old, those until now are left out."""
        try:
            found = self.call("read_changes", {**params, **cursor}, context)
        except ConnectorError as error:
            if error.details.get("status") != _GONE:
                raise
            context["log"](f"{self.name}: the sync token is too old; changes until now are skipped", "warning")
            return [], self.first_cursor(params, context), False
        items = [_item(each) for each in found.get("items") or () if isinstance(each, dict)]
        following = found.get("nextPageToken") or ""
        return items, {"sync": found.get("nextSyncToken") or cursor["sync"], "page": following}, bool(following)


def _item(event: dict[str, Any]) -> PollItem:
    return PollItem(id=f"{event.get('id')} {event.get('updated')}", time=parse_time(event.get("updated")), data=event)
