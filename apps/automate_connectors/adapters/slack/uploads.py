"""Uploads to Slack: an address for the content, the content, and the message that shows it.

Source: https://docs.slack.dev/messaging/working-with-files
"""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.slack.web_api import call_method
from automate_connectors.context import Context
from automate_connectors.files.contents import read_file
from automate_connectors.web import http_error
from automate_plugins import text


def upload_file(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Upload a file and show it; gives `id`, `name`, `title` and `permalink`. Raises ConnectorError, EgressError."""
    file = read_file(params["file"], "file", context["files"])
    query = {"filename": file.filename, "length": str(len(file.content))}
    place = call_method("files.getUploadURLExternal", context, query=query)
    sent = context["http"].request(
        "POST",
        str(place.get("upload_url")),
        data=file.content,
        headers={"Content-Type": "application/octet-stream"},
        follow_redirects=False,
    )
    if sent.status != 200:
        raise http_error(
            text("Slack did not accept the content of the file (HTTP %(status)s).", status=sent.status), sent
        )
    shown = {"files": [{"id": place.get("file_id"), "title": params.get("title") or file.filename}], **_message(params)}
    done = call_method("files.completeUploadExternal", context, body=shown)
    [found, *_] = done.get("files") or [{}]
    return {name: found.get(name) for name in ("id", "name", "title", "permalink")}


def describe_upload(params: dict[str, Any]) -> dict[str, Any]:
    """Return the file by name and type, and the message that shows it."""
    file = read_file(params["file"], "file", None)
    summary = text("Upload %(file)s to %(channel)s", file=file.filename, channel=params["channel"])
    return {"summary": summary, "filename": file.filename, "content_type": file.content_type, **_message(params)}


def _message(params: dict[str, Any]) -> dict[str, Any]:
    optional = {"initial_comment": params.get("text"), "thread_ts": params.get("thread")}
    return {"channel_id": params["channel"], **{name: value for name, value in optional.items() if value}}
