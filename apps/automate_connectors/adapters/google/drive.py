"""Changes of files in Google Drive, announced by a notification channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automate_connectors.adapters.google.channels import FIRST_STATE, SCHEME, SCHEME_CONFIG, GoogleChannels, parse_time
from automate_connectors.adapters.polls import PollItem
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.context import Context
from automate_plugins import text
from automate_plugins.fields import FieldSpec

_FILE = {
    "id": "1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g",
    "name": "report.pdf",
    "mimeType": "application/pdf",
    "parents": ["0ANmHgQf2kLxkUk9PVA"],
    "trashed": False,
    "modifiedTime": "2026-11-28T08:00:00.000Z",
    "webViewLink": "https://drive.google.com/file/d/1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g/view",
}
_CHANGE = {
    "changeType": "file",
    "time": "2026-11-28T08:00:01.250Z",
    "removed": False,
    "fileId": _FILE["id"],
    "file": _FILE,
}


class DriveChannels(GoogleChannels):
    """Source: https://developers.google.com/workspace/drive/api/guides/manage-changes, and the reference of changes."""

    own_webhooks = (
        Webhook(
            name="change",
            label=text("Changed file"),
            description=text("Start for each file that is added, changed, moved, trashed or removed"),
            fields=(
                FieldSpec(
                    name="folder",
                    label=text("Folder"),
                    options="folders",
                    help=text("ID of the folder. Leave empty for all files of the account."),
                ),
            ),
            scheme=SCHEME,
            scheme_config=SCHEME_CONFIG,
            announces=True,
            quiet=(FIRST_STATE,),
            sample=_CHANGE,
        ),
    )

    def first_cursor(self, params: Mapping[str, Any], context: Context) -> Any:
        """The token of the page that the next change will be on."""
        return self.call("get_start_page_token", {}, context).get("startPageToken")

    def open_channel(self, params: Mapping[str, Any], channel: Mapping[str, Any], context: Context) -> Any:
        """Watch all changes of the account: the folder is looked at when they are read."""
        return self.call("watch_changes", channel, context)

    def list_changes(
        self, params: Mapping[str, Any], cursor: Any, context: Context
    ) -> tuple[list[PollItem], Any, bool]:
        """The changes of one page, those of the folder alone where one is chosen."""
        found = self.call("list_changes", {"cursor": cursor}, context)
        changes = [each for each in found.get("changes") or () if isinstance(each, dict)]
        items = [_item(each) for each in changes if _is_in(each, params.get("folder"))]
        following = found.get("nextPageToken")
        return items, following or found.get("newStartPageToken") or cursor, bool(following)


def _item(change: dict[str, Any]) -> PollItem:
    about = change.get("fileId") or change.get("driveId") or ""
    return PollItem(id=f"{about} {change.get('time')}", time=parse_time(change.get("time")), data=change)


def _is_in(change: dict[str, Any], folder: Any) -> bool:
    """Whether a change is one of a file in the folder. Of a removed file, the service no longer says where it was."""
    file = change.get("file")
    parents = file.get("parents") if isinstance(file, dict) else None
    return not folder or folder in (parents or ())
