"""IMAP connector: reads a mailbox, starts workflows for new messages, and files messages away."""

from __future__ import annotations

import datetime as dt
from typing import Any

from automate_connectors.adapters.base import (
    Action,
    ConnectorAdapter,
    ConnectorError,
    unknown_action,
    unknown_poll,
)
from automate_connectors.adapters.extras import missing_extra
from automate_connectors.adapters.imap.mailbox import MAX_UID, Envelope, FolderState, Mailbox, missing, open_mailbox
from automate_connectors.adapters.imap.polls import (
    FILTERS,
    FOLDER,
    NEW_MESSAGE,
    find_new_messages,
    find_uids,
    message_data,
    place_data,
)
from automate_connectors.adapters.polls import PollResult
from automate_connectors.context import Context
from automate_connectors.mail.attachments import message_with_files
from automate_connectors.mail.message import Message
from automate_connectors.web import invalid_input
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

MAX_FOUND = 100
_SECURITY = (("tls", text("Implicit TLS")), ("starttls", "STARTTLS"), ("none", text("None (internal hosts only)")))
_UID = FieldSpec(
    name="uid",
    label=text("Message"),
    kind=FieldKind.INTEGER,
    required=True,
    help=text("Its UID, from a poll or a search"),
)
_VALIDITY = FieldSpec(
    name="uid_validity",
    label=text("UIDVALIDITY"),
    kind=FieldKind.INTEGER,
    help=text("The step fails if the server has renumbered the folder since then."),
)
#: What an action makes of a message: the flag, and whether it is set.
_MARKS = {"read": ("\\Seen", True), "unread": ("\\Seen", False), "flagged": ("\\Flagged", True)} | {
    "not_flagged": ("\\Flagged", False)
}
_OUTPUTS = (
    FieldSpec(name="from", kind=FieldKind.MAPPING),
    FieldSpec(name="subject", kind=FieldKind.TEXT),
    FieldSpec(name="text", kind=FieldKind.TEXT),
    FieldSpec(name="html", kind=FieldKind.TEXT),
    FieldSpec(name="date", kind=FieldKind.TEXT),
    FieldSpec(name="attachments", kind=FieldKind.LIST),
    FieldSpec(name="message_id", kind=FieldKind.TEXT),
    FieldSpec(name="thread_id", kind=FieldKind.TEXT),
    FieldSpec(name="uid", kind=FieldKind.INTEGER),
)
_PLACE = (FieldSpec(name="uid", kind=FieldKind.INTEGER), FieldSpec(name="folder", kind=FieldKind.TEXT))


class ImapConnector(ConnectorAdapter):
    """Reading marks nothing as read. A sign-in by OAuth takes the place of the password (XOAUTH2)."""

    code = "imap"
    name = "IMAP"
    description = text("Read and sort the messages of a mailbox")
    icon = "inbox"
    hue = 20
    config_fields = (
        FieldSpec(name="host", label=text("Mail server"), required=True, help=text("For example imap.example.com")),
        FieldSpec(name="port", label=text("Port"), kind=FieldKind.INTEGER, default=993, help=text("993 or 143")),
        FieldSpec(name="security", label=text("Encryption"), kind=FieldKind.CHOICE, choices=_SECURITY, default="tls"),
        FieldSpec(name="username", label=text("Username"), required=True, help=text("Often the email address")),
        FieldSpec(name="password", label=text("Password"), kind=FieldKind.SECRET, required=True),
        FieldSpec(
            name="authorities",
            label=text("Certificate authority"),
            kind=FieldKind.LONG_TEXT,
            help=text("PEM. Required if no public authority signed the server's certificate."),
        ),
    )
    actions = (
        Action(
            name="search_messages",
            label=text("Search messages"),
            description=text("Find the newest messages of a folder"),
            fields=(
                FOLDER,
                *FILTERS,
                FieldSpec(name="since", label=text("Since"), kind=FieldKind.DATE),
                FieldSpec(
                    name="limit",
                    label=text("Maximum messages"),
                    kind=FieldKind.INTEGER,
                    default=20,
                    help=text("Up to %(count)s", count=MAX_FOUND),
                ),
            ),
            outputs=(FieldSpec(name="messages", kind=FieldKind.LIST),),
        ),
        Action(
            name="get_message",
            label=text("Get message"),
            description=text("Read a message with its attachments as files"),
            fields=(FOLDER, _UID, _VALIDITY),
            outputs=_OUTPUTS,
        ),
        Action(
            name="mark_message",
            label=text("Mark message"),
            description=text("Mark a message as read or unread, or flag it"),
            fields=(
                FOLDER,
                _UID,
                FieldSpec(
                    name="as",
                    label=text("Mark as"),
                    kind=FieldKind.CHOICE,
                    choices=(
                        ("read", text("Read")),
                        ("unread", text("Unread")),
                        ("flagged", text("Flagged")),
                        ("not_flagged", text("Not flagged")),
                    ),
                    default="read",
                ),
                _VALIDITY,
            ),
            outputs=_PLACE,
        ),
        Action(
            name="move_message",
            label=text("Move message"),
            description=text("Move a message to another folder"),
            fields=(
                FOLDER,
                _UID,
                FieldSpec(name="destination", label=text("To folder"), required=True, options="folders"),
                _VALIDITY,
            ),
            outputs=_PLACE,
        ),
        Action(
            name="delete_message",
            label=text("Delete message"),
            description=text("Delete a message permanently"),
            fields=(FOLDER, _UID, _VALIDITY),
            outputs=_PLACE,
        ),
    )
    polls = (NEW_MESSAGE,)

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
        if name != NEW_MESSAGE.name:
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
