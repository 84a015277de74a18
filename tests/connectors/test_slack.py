"""Slack: the methods of its Web API, and its refusals put into words, against a server that answers as Slack does."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.slack import SlackConnector
from automate_testing.fakes import SAMPLE_FILE, MemoryFiles
from tests.connectors.conftest import real_context

slack = SlackConnector()
POSTED = {"ok": True, "channel": "C1", "ts": "1700000000.000100", "message": {"text": "Hi", "bot_id": "B1"}}


@pytest.fixture
def connection(server):
    server.answer = lambda asked: (200, POSTED, {})
    return {"token": "xoxb-s3cret", "base_url": f"{server.url}/api"}


def test_posting(server, call, connection):
    blocks = [{"type": "divider"}]
    output = call(slack, "post_message", {"channel": "#shop", "text": "Hi", "blocks": blocks}, connection)
    assert output == {"channel": "C1", "ts": "1700000000.000100", "text": "Hi"}
    [asked] = server.asked
    assert (asked.method, asked.path, asked.json) == (
        "POST",
        "/api/chat.postMessage",
        {"channel": "#shop", "text": "Hi", "blocks": blocks},
    )
    assert asked.headers["authorization"] == "Bearer xoxb-s3cret"


def test_replying(server, call, connection):
    call(slack, "reply", {"channel": "C1", "thread": "17.1", "text": "Hi", "broadcast": True}, connection)
    assert server.asked[0].json == {"channel": "C1", "text": "Hi", "thread_ts": "17.1", "reply_broadcast": True}


def test_changing(server, call, connection):
    call(slack, "update_message", {"channel": "C1", "message": "17.1", "text": "Hi"}, connection)
    assert (server.asked[0].path, server.asked[0].json) == (
        "/api/chat.update",
        {"channel": "C1", "text": "Hi", "ts": "17.1"},
    )


def test_finding_somebody(server, call, connection):
    user = {"id": "U1", "name": "ann", "real_name": "Ann", "tz": "Europe/Berlin", "profile": {"email": "a@example.com"}}
    server.answer = lambda asked: (200, {"ok": True, "user": user}, {})
    output = call(slack, "find_user", {"email": "a@example.com"}, connection)
    assert output == {"id": "U1", "name": "ann", "real_name": "Ann", "email": "a@example.com", "tz": "Europe/Berlin"}
    assert (server.asked[0].method, server.asked[0].query) == ("GET", {"email": ["a@example.com"]})


@pytest.mark.parametrize(
    ("error", "code", "retryable", "advice"),
    [
        ("channel_not_found", "slack_channel_not_found", False, "invite the app"),
        ("not_in_channel", "slack_not_in_channel", False, "Invite the app"),
        ("invalid_auth", "needs_reconnect", False, "Reconnect the connection or replace"),
        ("token_revoked", "needs_reconnect", False, "Reconnect the connection or replace"),
        ("internal_error", "slack_internal_error", True, "internal_error"),
        ("something_new", "slack_something_new", False, "Slack's documentation"),
    ],
)
def test_refusals_say_what_to_do(server, call, connection, error, code, retryable, advice):
    server.answer = lambda asked: (200, {"ok": False, "error": error}, {})
    with pytest.raises(ConnectorError) as caught:
        call(slack, "post_message", {"channel": "C1", "text": "Hi"}, connection)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert advice in caught.value.message and "s3cret" not in f"{caught.value} {caught.value.details}"


def test_a_missing_scope_is_named(server, call, connection):
    server.answer = lambda asked: (200, {"ok": False, "error": "missing_scope", "needed": "users:read.email"}, {})
    with pytest.raises(ConnectorError, match=r"scope users:read\.email"):
        call(slack, "find_user", {"email": "a@example.com"}, connection)


@pytest.mark.parametrize(
    ("answer", "code", "retryable", "wait"),
    [
        ((429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"}), "http_429", True, 30),
        ((503, b"down", {}), "http_503", True, None),
        ((200, b"<html>", {}), "invalid_answer", False, None),
        ((200, [], {}), "invalid_answer", False, None),
        ((200, {}, {}), "slack_no reason given", False, None),
        ((302, b"", {"Location": "https://example.com/"}), "http_302", False, None),
    ],
)
def test_other_answers(server, call, connection, answer, code, retryable, wait):
    server.answer = lambda asked: answer
    with pytest.raises(ConnectorError) as caught:
        call(slack, "post_message", {"channel": "C1", "text": "Hi"}, connection)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == (code, retryable, wait)


def test_without_a_connection_it_says_so(call):
    with pytest.raises(ConnectorError, match="Select a Slack connection"):
        call(slack, "post_message", {"channel": "C1", "text": "Hi"})


def test_a_connection_is_tested_by_asking_who_it_is(server, connection):
    server.answer = lambda asked: (200, {"ok": True, "team": "Shop", "user": "bot"}, {})
    assert slack.check_connection(real_context(connection)) == "Signed in to Shop as bot."
    assert server.asked[0].path == "/api/auth.test"


def test_declared_actions_share_the_refusals_of_the_others(server, call, connection):
    server.answer = lambda asked: (200, {"ok": False, "error": "missing_scope", "needed": "channels:manage"}, {})
    with pytest.raises(ConnectorError, match=r"scope channels:manage") as caught:
        call(slack, "create_channel", {"name": "order-17"}, connection)
    assert caught.value.code == "slack_missing_scope"
    server.answer = lambda asked: (200, {"ok": False, "error": "token_revoked"}, {})
    with pytest.raises(ConnectorError) as caught:
        call(slack, "list_channels", {}, connection)
    assert caught.value.code == "needs_reconnect"


def test_an_upload_whose_content_is_refused_is_not_shown(server, connection):
    place = {"ok": True, "upload_url": f"{server.url}/upload", "file_id": "F1"}
    server.answer = lambda asked: (200, place, {}) if asked.path.startswith("/api/") else (503, b"busy", {})
    with pytest.raises(ConnectorError, match="HTTP 503") as caught:
        given = {**real_context(connection), "files": MemoryFiles()}
        slack.execute("upload_file", {"file": SAMPLE_FILE, "channel": "C1"}, given)
    assert caught.value.retryable and server.asked[1].body == b"sample" and len(server.asked) == 2
    assert "authorization" not in server.asked[1].headers
