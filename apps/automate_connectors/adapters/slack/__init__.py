"""Slack connector: messages, files, channels and people, by the Web API.

Most actions are data, in `connector.yaml`. Those in Python came before it, and published workflows know their outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automate_connectors.adapters.slack import uploads
from automate_connectors.adapters.slack.web_api import DOCUMENT, call_method, check_answer
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector, declare
from automate_egress import HttpResponse
from automate_plugins import text


class _Slack(DeclaredConnector):
    """What no document can say of Slack: outputs made of answers, uploads in three calls, and its refusals."""

    keyless_actions = ("post_message", "reply", "update_message", "upload_file")
    own_actions = read_tables(Path(__file__).with_name("tables.yaml")).actions

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Slack, and the host that takes the content of files."""
        return ("slack.com", "files.slack.com")

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Call the method; messages give `channel` and `ts`, people `id`, `name`, `real_name`, `email` and `tz`."""
        match action:
            case "find_user":
                return _person(call_method("users.lookupByEmail", context, query={"email": params["email"]}))
            case "upload_file":
                return uploads.upload_file(params, context)
            case "post_message" | "reply" | "update_message":
                method, body = _message_request(action, params)
                return _message(call_method(method, context, body=body))
        return super().execute(action, params, context)

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The method, and the message, the file or whom it looks for."""
        match action:
            case "find_user":
                summary = text("Find %(email)s", email=params["email"])
                return {"summary": summary, "method": "users.lookupByEmail", "email": params["email"]}
            case "upload_file":
                return uploads.describe_upload(params)
            case "post_message" | "reply" | "update_message":
                return _describe_message(action, params)
        return super().describe(action, params, context)

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """`channels` that the app may see, and `users`, by name."""
        found = super().options(name, params, context)
        if name == "channels":
            found = [(value, f"#{label}") for value, label in found]
        return sorted(found, key=lambda each: each[1])

    def check_connection(self, context: Context) -> str:
        """Ask who the token belongs to."""
        found = call_method("auth.test", context, body={})
        team, user = found.get("team", "Slack"), found.get("user")
        if not user:
            return text("Signed in to %(name)s.", name=team)
        return text("Signed in to %(name)s as %(user)s.", name=team, user=user)

    def check_answer(self, request: str, response: HttpResponse, secrets: Iterable[str]) -> None:
        """Raise ConnectorError for a refusal."""
        check_answer(request.rpartition("/")[2], response)


SlackConnector = declare(DOCUMENT, _Slack)


def _describe_message(action: str, params: dict[str, Any]) -> dict[str, Any]:
    method, body = _message_request(action, params)
    values = {"channel": body["channel"], "message": body["text"][:200]}
    match action:
        case "reply":
            summary = text("Reply in %(channel)s: %(message)s", **values)
        case "update_message":
            summary = text("Update a message in %(channel)s: %(message)s", **values)
        case _:
            summary = text("Post to %(channel)s: %(message)s", **values)
    return {"summary": summary, "method": method, **body}


def _message_request(action: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(the method, its body) of an action that writes a message."""
    body = {"channel": params["channel"], "text": params["text"]}
    if params.get("blocks"):
        body["blocks"] = params["blocks"]
    if action == "update_message":
        return "chat.update", {**body, "ts": params["message"]}
    if action == "reply":
        body |= {"thread_ts": params["thread"], "reply_broadcast": params.get("broadcast", False)}
    return "chat.postMessage", body


def _message(found: dict[str, Any]) -> dict[str, Any]:
    return {"channel": found.get("channel"), "ts": found.get("ts"), "text": (found.get("message") or {}).get("text")}


def _person(found: dict[str, Any]) -> dict[str, Any]:
    user = found.get("user") or {}
    profile = user.get("profile") or {}
    return {
        "id": user.get("id"),
        "name": user.get("name"),
        "real_name": user.get("real_name") or profile.get("real_name"),
        "email": profile.get("email"),
        "tz": user.get("tz"),
    }
