"""IMAP connector: reads a mailbox, starts workflows for new messages, and files messages away."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import (
    ConnectorAdapter,
    ConnectorError,
    unknown_action,
    unknown_poll,
)
from automate_connectors.adapters.extras import missing_extra
from automate_connectors.adapters.imap.mailbox import MAX_UID, Envelope, FolderState, Mailbox, missing, open_mailbox
from automate_connectors.adapters.imap.polls import (
    find_new_messages,
    find_uids,
    message_data,
    place_data,
)
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Context
from automate_connectors.mail.attachments import message_with_files
from automate_connectors.mail.message import Message
from automate_connectors.web import invalid_input
from automate_plugins import text

MAX_FOUND = 100
#: What an action makes of a message: the flag, and whether it is set.
_MARKS = {"read": ("\\Seen", True), "unread": ("\\Seen", False), "flagged": ("\\Flagged", True)} | {
    "not_flagged": ("\\Flagged", False)
}


_TABLES = read_tables(Path(__file__).with_name("tables.yaml"), max_messages=MAX_FOUND)


class ImapConnector(ConnectorAdapter):
    """Reading marks nothing as read. A sign-in by OAuth takes the place of the password (XOAUTH2)."""

    code = "imap"
    name = "IMAP"
    description = text("Read and sort the messages of a mailbox")
    icon = "inbox"
    hue = 20
    config_fields = _TABLES.settings
    actions = _TABLES.actions
    polls = _TABLES.polls

    @property
    def missing(self) -> str:
        """The extra, where it is not installed."""
        return missing_extra("imap", "imap_tools")

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """The mail server."""
        return (config["host"],) if isinstance(config.get("host"), str) else ()

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Do one thing in a folder of the mailbox."""
        if action not in {each.name for each in self.actions}:
            raise unknown_action(self.code, action)
        folder = params.get("folder") or "INBOX"
        with open_mailbox(context) as mailbox:
            is_reading = action in {"search_messages", "get_message"}
            state = mailbox.select(folder, writable=not is_reading)
            if action == "search_messages":
                return {"messages": _search(mailbox, params, folder, state)}
            envelope = _find(mailbox, params, state)
            if action == "get_message":
                found = message_with_files(mailbox.read(envelope), context["files"].create)
                return found | place_data(envelope, folder, state)
            match action:
                case "mark_message":
                    flag, on = _MARKS[params.get("as") or "read"]
                    mailbox.flag(envelope.uid, flag, on=on)
                case "move_message":
                    mailbox.move(envelope.uid, params["destination"])
                case _:
                    mailbox.delete(envelope.uid)
        context["log"](text("Message %(uid)s of %(folder)s: done.", uid=str(envelope.uid), folder=folder))
        return {"uid": envelope.uid, "folder": params.get("destination") or folder}

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Whether it leaves the mailbox as it is."""
        return action in {"search_messages", "get_message"}

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The folder and the message."""
        folder, label = params.get("folder") or "INBOX", self.action(action).label
        if action == "search_messages":
            return {"summary": text("%(action)s in %(folder)s", action=label, folder=folder), "folder": folder}
        summary = text("%(action)s %(uid)s in %(folder)s", action=label, uid=str(params["uid"]), folder=folder)
        return {"summary": summary, "folder": folder, "uid": params["uid"]}

    def check_connection(self, context: Context) -> str:
        """Sign in and look at the inbox."""
        with open_mailbox(context) as mailbox:
            mailbox.select("INBOX")
        given = context["connection"]
        return text("Signed in to %(name)s as %(user)s.", name=given["host"], user=given["username"])

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """The folders."""
        if name != "folders" or not context["connection"]:
            return []
        with open_mailbox(context) as mailbox:
            return [(each, each) for each in mailbox.folders()][:1_000]

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """Messages that arrived after the cursor."""
        if name != "new_message":
            raise unknown_poll(self.code, name)
        with open_mailbox(context) as mailbox:
            return find_new_messages(mailbox, params, cursor)


def _find(mailbox: Mailbox, params: dict[str, Any], state: FolderState) -> Envelope:
    """The message that the params name. Raises ConnectorError."""
    if params.get("uid_validity") and params["uid_validity"] != state.validity:
        message = text("The server has renumbered this folder. Search for the message again.")
        raise ConnectorError(message, code="uid_validity_changed")
    uid = params["uid"]
    if not 1 <= uid <= MAX_UID:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="uid", maximum=MAX_UID))
    found = mailbox.envelopes([uid])
    if not found:
        raise missing(uid)
    return found[0]


def _search(mailbox: Mailbox, params: dict[str, Any], folder: str, state: FolderState) -> list[dict[str, Any]]:
    """The newest messages, the newest first, by their headers."""
    limit = params.get("limit") or 20
    if not 1 <= limit <= MAX_FOUND:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="limit", maximum=MAX_FOUND))
    since = dt.date.fromisoformat(params["since"][:10]) if params.get("since") else None
    found = mailbox.envelopes(find_uids(mailbox, params, date_gte=since)[-limit:])
    read = mailbox.read_all(found, only_headers=True)
    return [_summary(message, envelope, folder, state) for envelope, message in read][::-1]


def _summary(message: Message, envelope: Envelope, folder: str, state: FolderState) -> dict[str, Any]:
    data = message_data(message, envelope, folder, state)
    kept = ("from", "to", "subject", "date", "message_id", "thread_id", "uid", "uid_validity", "folder", "flags")
    return {name: data[name] for name in kept} | {"size": envelope.size}
