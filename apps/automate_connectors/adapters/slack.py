"""Slack connector: messages, replies and people, by the Web API with a bot's token.

Source: https://docs.slack.dev/apis/web-api - answers are HTTP 200 with `ok` and, when it is false, an `error` code.
"""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, Effect, unknown_action
from automate_connectors.web import http_error, invalid_input, json_object
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined

_API = "https://slack.com/api"
_TOKEN = text("Reconnect the connection or replace its token.")
_RECONNECT = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
_TRANSIENT_ERRORS = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)
# What a person can do about it.
_ADVICE = {
    **dict.fromkeys(_RECONNECT, _TOKEN),
    "cant_update_message": text("The app can only change its own messages."),
    "channel_not_found": text("Check the channel name and invite the app to the channel."),
    "edit_window_closed": text("The workspace no longer allows changes to this message."),
    "invalid_blocks": text("Check the blocks in Slack's Block Kit Builder."),
    "is_archived": text("The channel is archived."),
    "message_not_found": text("The channel has no message with this timestamp."),
    "missing_scope": text("Add the missing scope to the app, then install the app again."),
    "msg_too_long": text("The text is longer than %(count)s characters.", count=40_000),
    "no_text": text("Add a text or blocks."),
    "not_in_channel": text("Invite the app to the channel."),
    "ratelimited": text("Slack asks to wait."),
    "restricted_action": text("The workspace does not allow the app to post there."),
    "thread_not_found": text("No message with this timestamp to reply to."),
    "users_not_found": text("No one in the workspace has this email address."),
}

_CHANNEL = FieldSpec(
    name="channel",
    label=text("Channel"),
    required=True,
    help=text("Channel ID such as C024BE91L, or #name"),
    options="channels",
)
_MOST_CHANNELS = 1_000
_TEXT = FieldSpec(
    name="text",
    label=text("Text"),
    kind=FieldKind.LONG_TEXT,
    required=True,
    help=text("Slack mrkdwn. Also shown in notifications."),
)
_BLOCKS = FieldSpec(name="blocks", label=text("Blocks"), kind=FieldKind.LIST, help=text("Block Kit layout"))


class SlackConnector(ConnectorAdapter):
    """Each action is one method of the Web API."""

    code = "slack"
    name = "Slack"
    description = text("Post messages and find people")
    icon = "forum"
    hue = 320
    config_fields = (
        FieldSpec(
            name="token",
            label=text("Bot token"),
            kind=FieldKind.SECRET,
            required=True,
            help=text("Starts with xoxb-. Scopes: chat:write, users:read, users:read.email, channels:read."),
        ),
        FieldSpec(name="base_url", label=text("API URL"), kind=FieldKind.URL, default=_API),
    )
    actions = (
        Action(
            name="post_message",
            label=text("Post message"),
            description=text("Post to a channel, or to a person by ID"),
            effect=Effect.EFFECTFUL,
            fields=(_CHANNEL, _TEXT, _BLOCKS),
        ),
        Action(
            name="reply",
            label=text("Reply in thread"),
            description=text("Reply to a message in its thread"),
            effect=Effect.EFFECTFUL,
            fields=(
                _CHANNEL,
                FieldSpec(
                    name="thread", label=text("Message"), required=True, help=text("ts of the message to reply to")
                ),
                _TEXT,
                _BLOCKS,
                FieldSpec(name="broadcast", label=text("Also send to channel"), kind=FieldKind.BOOLEAN, default=False),
            ),
        ),
        Action(
            name="update_message",
            label=text("Update message"),
            description=text("Replace a message that the app posted"),
            effect=Effect.EFFECTFUL,
            fields=(
                FieldSpec(
                    name="channel",
                    label=text("Channel"),
                    required=True,
                    help=text("Channel ID from the output of Post message"),
                ),
                FieldSpec(name="message", label=text("Message"), required=True, help=text("ts of the message")),
                _TEXT,
                _BLOCKS,
            ),
        ),
        Action(
            name="find_user",
            label=text("Find person"),
            description=text("Look up a person by email address"),
            effect=Effect.EFFECTFUL,
            fields=(FieldSpec(name="email", label=text("Email address"), required=True),),
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
            return {
                "summary": text("Find %(email)s", email=params["email"]),
                "method": "users.lookupByEmail",
                "email": params["email"],
            }
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
        team, user = found.get("team", "Slack"), found.get("user")
        if not user:
            return text("Signed in to %(name)s.", name=team)
        return text("Signed in to %(name)s as %(user)s.", name=team, user=user)


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
    raise unknown_action("slack", action)


def _call(
    method: str, context: dict[str, Any], *, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    connection = context["connection"]
    token = connection.get("token") or connection.get("access_token")
    if not token:
        raise invalid_input(text("Select a Slack connection that has a token."))
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
        message = text("Slack responded to %(method)s with HTTP %(status)s.", method=method, status=response.status)
        raise http_error(message, response)
    found = json_object("Slack", response)
    if found.get("ok") is True:
        return found
    error = str(found.get("error") or "no reason given")
    code = "needs_reconnect" if error in _RECONNECT else f"slack_{error}"
    if error in _RECONNECT:
        refusal = text("Slack rejected the token (%(error)s).", error=error)
    else:
        refusal = text("Slack rejected %(method)s (%(error)s).", method=method, error=error)
    advice = _ADVICE.get(error, text("See this error code in Slack's documentation."))
    if error == "missing_scope" and found.get("needed"):
        advice = text("Add the scope %(scope)s to the app, then install the app again.", scope=found["needed"])
    raise http_error(joined([refusal, advice]), response, code=code, retryable=error in _TRANSIENT_ERRORS)


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
