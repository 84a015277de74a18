"""Attachments of a message as files that pass between steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.mail.message import Message
from automate_plugins.files import FileValue


def message_with_files(message: Message, create: Callable[[str, bytes, str], FileValue]) -> dict[str, Any]:
    """The message as JSON, its attachments stored by `create(name, content, content_type)`.

    An attachment that is not stored, such as a program that is declared as a PDF, is named in `rejected_attachments`.
    Raises ConnectorError when the storage cannot be reached.
    """
    files: list[FileValue] = []
    rejected: list[dict[str, str]] = []
    for each in message.attachments:
        try:
            files.append(create(each.name, each.content, each.content_type))
        except ConnectorError as error:
            if error.retryable or error.code == "document_away":
                raise
            rejected.append({"name": each.name, "type": each.content_type, "code": error.code})
    return message.as_data(files, rejected)
