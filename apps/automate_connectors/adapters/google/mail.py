"""Whole emails of Gmail: their texts decoded, and their attachments as files.

Source: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/get, with `format=raw`.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.mail.attachments import message_with_files
from automate_connectors.mail.message import Message
from automate_connectors.mail.reading import MessageError, read_message
from automate_plugins import text

_READ = "read_email"
_MAX_BYTES = 40_000_000  #: of an answer: a message of 25 MB in base64url


class _Raw(msgspec.Struct):
    id: str
    raw: str
    threadId: str = ""
    labelIds: list[str] = []


msgspec.json.Decoder(_Raw)  # resolves its types before threads do so


class GmailMessages(DeclaredConnector):
    """Reads a message as the mailbox connector does."""

    own_actions = read_tables(Path(__file__).with_suffix(".yaml")).actions

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Get the message as it was sent, and read it."""
        if action != _READ:
            return super().execute(action, params, context)
        body = self._caller(context)("get_raw_email", {"message": params["message"]}).body(_MAX_BYTES)
        try:
            found = msgspec.json.decode(body, type=_Raw)
            message = _read(found.raw)
        except (msgspec.DecodeError, binascii.Error, MessageError) as error:
            raise ConnectorError(text("Gmail returned something that is no email."), code="not_a_message") from error
        named = {"id": found.id, "threadId": found.threadId, "labelIds": found.labelIds}
        return message_with_files(message, context["files"].create) | named

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The message that would be read."""
        if action != _READ:
            return super().describe(action, params, context)
        return {"summary": text("Read email %(id)s", id=params["message"]), "message": params["message"]}

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Reading marks nothing as read."""
        return action == _READ or super().reads_only(action, params)


def _read(raw: str) -> Message:
    return read_message(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
