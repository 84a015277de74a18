"""Calls of Slack's Web API, and its refusals in words.

Source: https://docs.slack.dev/apis/web-api - answers are HTTP 200 with `ok` and, when it is false, an `error` code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automate_connectors.context import Context
from automate_connectors.declared.loading import load_document
from automate_connectors.web import http_error, invalid_input, json_object
from automate_egress import HttpResponse
from automate_plugins import text
from automate_plugins.texts import joined

DOCUMENT = load_document(Path(__file__).with_name("connector.yaml"))
_TOKEN = text("Reconnect the connection or replace its token.")
_RECONNECT = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
_TRANSIENT_ERRORS = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)
# What a person can do about it.
_ADVICE = {
    **dict.fromkeys(_RECONNECT, _TOKEN),
    "already_reacted": text("The app has already reacted with this emoji."),
    "cant_delete_message": text("The app can only delete its own messages."),
    "cant_update_message": text("The app can only change its own messages."),
    "channel_not_found": text("Check the channel name and invite the app to the channel."),
    "edit_window_closed": text("The workspace no longer allows changes to this message."),
    "invalid_blocks": text("Check the blocks in Slack's Block Kit Builder."),
    "invalid_name": text("Slack has no emoji with this name."),
    "is_archived": text("The channel is archived."),
    "message_not_found": text("The channel has no message with this timestamp."),
    "missing_scope": text("Add the missing scope to the app, then install the app again."),
    "msg_too_long": text("The text is longer than %(count)s characters.", count=40_000),
    "name_taken": text("Another channel has this name."),
    "no_reaction": text("The app has not reacted with this emoji."),
    "no_text": text("Add a text or blocks."),
    "not_allowed_token_type": text("This action needs the token of a person."),
    "not_in_channel": text("Invite the app to the channel."),
    "ratelimited": text("Slack asks to wait."),
    "restricted_action": text("The workspace does not allow the app to post there."),
    "thread_not_found": text("No message with this timestamp to reply to."),
    "time_in_past": text("Choose a time in the future."),
    "time_too_far": text("Choose a time in the next 120 days."),
    "user_not_found": text("Check the ID of the person."),
    "users_not_found": text("No one in the workspace has this email address."),
}


def call_method(
    method: str, context: Context, *, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    """Call a method: a POST with `body`, else a GET with `query`. Raises ConnectorError, EgressError."""
    connection = context["connection"]
    token = connection.get("token") or connection.get("access_token")
    if not token:
        raise invalid_input(text("Select a Slack connection that has a token."))
    context["log"](f"Slack {method}")
    response = context["http"].request(
        "GET" if body is None else "POST",
        f"{(connection.get('base_url') or DOCUMENT.base_url).rstrip('/')}/{method}",
        headers={"Authorization": f"Bearer {token}"},
        params=query,
        json=body,
        follow_redirects=False,
    )
    return check_answer(method, response)


def check_answer(method: str, response: HttpResponse) -> dict[str, Any]:
    """Return the answer of a method. Raises ConnectorError for a refusal, with Slack's code after `slack_`."""
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
