"""Slack connector: messages, replies and people, by the Web API with a bot's token.

Source: https://docs.slack.dev/apis/web-api - answers are HTTP 200 with `ok` and, when it is false, an `error` code.
"""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.web import http_error, invalid_input, json_object
from automate_plugins.fields import FieldKind, FieldSpec

_API = "https://slack.com/api"
_TOKEN = "the token is refused: reconnect, or replace it in the connection"  # noqa: S105 - a sentence
_RECONNECT = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
_TRANSIENT_ERRORS = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)
# What a person can do about it.
_ADVICE = {
    **dict.fromkeys(_RECONNECT, _TOKEN),
    "cant_update_message": "only messages that the app posted itself can be changed",
    "channel_not_found": "there is no such channel, or the app may not see it: check its name, and invite the app",
    "edit_window_closed": "the workspace lets messages be changed for a limited time only",
    "invalid_blocks": "the blocks do not have the form that Slack wants: try them in its Block Kit Builder",
    "is_archived": "the channel is archived",
    "message_not_found": "there is no message with this timestamp in the channel",
    "missing_scope": "the token lacks a permission: add it to the app's scopes and install the app again",
    "msg_too_long": "the text is too long: Slack takes up to 40,000 characters",
    "no_text": "there is neither text nor blocks",
    "not_in_channel": "the app is not in the channel: invite it there",
    "ratelimited": "Slack asks to wait",
    "restricted_action": "a rule of the workspace does not let the app post there",
    "thread_not_found": "there is no message with this timestamp to reply to",
    "users_not_found": "nobody in the workspace has this email address",
}

_CHANNEL = FieldSpec(
    name="channel", label="Channel", required=True, help="Its ID, such as C024BE91L, or #name", options="channels"
)
_MOST_CHANNELS = 1_000
_TEXT = FieldSpec(
    name="text", label="Text", kind=FieldKind.LONG_TEXT, required=True, help="Slack's mrkdwn; shown in notifications"
)
_BLOCKS = FieldSpec(name="blocks", label="Blocks", kind=FieldKind.LIST, help="A layout of Slack's Block Kit")


class SlackConnector(ConnectorAdapter):
    """Each action is one method of the Web API."""

    code = "slack"
    name = "Slack"
    description = "Post messages and find people"
    icon = "forum"
    hue = 320
    config_fields = (
        FieldSpec(
            name="token",
            label="Bot token",
            kind=FieldKind.SECRET,
            required=True,
            help="Begins with xoxb-; scopes chat:write, users:read, users:read.email; channels:read to choose one",
        ),
        FieldSpec(name="base_url", label="API address", kind=FieldKind.URL, default=_API),
    )
    actions = (
        Action(
            name="post_message",
            label="Post a message",
            description="Post to a channel, or to a person by their ID",
            effect=Effect.EFFECTFUL,
            fields=(_CHANNEL, _TEXT, _BLOCKS),
        ),
        Action(
            name="reply",
            label="Reply in a thread",
            description="Answer a message in its thread",
            effect=Effect.EFFECTFUL,
            fields=(
                _CHANNEL,
                FieldSpec(name="thread", label="Message", required=True, help="The ts of the message to reply to"),
                _TEXT,
                _BLOCKS,
                FieldSpec(name="broadcast", label="Show in the channel too", kind=FieldKind.BOOLEAN, default=False),
            ),
        ),
        Action(
            name="update_message",
            label="Change a message",
            description="Replace a message that the app posted",
            effect=Effect.EFFECTFUL,
            fields=(
                FieldSpec(name="channel", label="Channel", required=True, help="Its ID, as post_message gave it"),
                FieldSpec(name="message", label="Message", required=True, help="The ts of the message"),
                _TEXT,
                _BLOCKS,
            ),
        ),
        Action(
            name="find_user",
            label="Find a person",
            description="Look somebody up by email address",
            effect=Effect.EFFECTFUL,
            fields=(FieldSpec(name="email", label="Email address", required=True),),
        ),
    )

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Slack, unless another address is configured."""
        return ("slack.com",)

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Call the method; messages give `channel` and `ts`, people `id`, `name`, `real_name`, `email` and `tz`."""
        if action == "find_user":
            return _person(_call("users.lookupByEmail", context, query={"email": params["email"]}))
        method, body = _message_request(action, params)
        return _message(_call(method, context, body=body))

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The method, and the message or whom it looks for."""
        if action == "find_user":
            return {"summary": f"Look for {params['email']}", "method": "users.lookupByEmail", "email": params["email"]}
        method, body = _message_request(action, params)
        verb = {"post_message": "Post to", "reply": "Reply in", "update_message": "Change a message in"}[action]
        return {"summary": f"{verb} {body['channel']}: {body['text'][:200]}", "method": method, **body}

    def options(self, name: str, params: dict[str, Any], context: dict[str, Any]) -> list[tuple[str, str]]:
        """`channels`: those that the app may see, by name; takes the scopes channels:read and groups:read."""
        found: list[tuple[str, str]] = []
        query = {"exclude_archived": "true", "limit": "200", "types": "public_channel,private_channel"}
        while True:
            answer = _call("conversations.list", context, query=query)
            found += [
                (str(each["id"]), f"#{each.get('name')}") for each in answer.get("channels") or [] if "id" in each
            ]
            query["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not query["cursor"] or len(found) >= _MOST_CHANNELS:
                return sorted(found, key=lambda each: each[1])

    def check_connection(self, context: dict[str, Any]) -> str:
        """Ask who the token belongs to."""
        found = _call("auth.test", context, body={})
        return f"Signed in to {found.get('team', 'Slack')} as {found.get('user', 'the app')}"


def _message_request(action: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(the method, its body) of an action that writes a message."""
    body = {"channel": params["channel"], "text": params["text"]}
    if params.get("blocks"):
        body["blocks"] = params["blocks"]
    match action:
        case "post_message":
            return "chat.postMessage", body
        case "reply":
            return "chat.postMessage", {
                **body,
                "thread_ts": params["thread"],
                "reply_broadcast": params.get("broadcast", False),
            }
        case "update_message":
            return "chat.update", {**body, "ts": params["message"]}
    raise ConnectorError(f"slack has no action {action!r}", code="unknown_action")


def _call(
    method: str, context: dict[str, Any], *, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    connection = context["connection"]
    token = connection.get("token") or connection.get("access_token")
    if not token:
        raise invalid_input("the connection has no token: choose a connection to Slack")
    context["log"](f"Slack {method}")
    response = context["http"].request(
        "GET" if body is None else "POST",
        f"{(connection.get('base_url') or _API).rstrip('/')}/{method}",
        headers={"Authorization": f"Bearer {token}"},
        params=query,
        json=body,
        follow_redirects=False,
    )
    if response.status != 200:
        raise http_error(f"Slack answered {method} with HTTP {response.status}", response)
    found = json_object("Slack", response)
    if found.get("ok") is True:
        return found
    error = str(found.get("error") or "no reason given")
    code = "needs_reconnect" if error in _RECONNECT else f"slack_{error}"
    advice = _ADVICE.get(error, "see the description of this code in Slack's documentation of the method")
    if error == "missing_scope" and found.get("needed"):
        advice = f"{advice} (needed: {found['needed']})"
    raise http_error(
        f"Slack refused {method} ({error}): {advice}", response, code=code, retryable=error in _TRANSIENT_ERRORS
    )


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
