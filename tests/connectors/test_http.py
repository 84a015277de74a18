"""HTTP: every method, body and answer, credentials, pages and statuses, against a real server."""

from __future__ import annotations

import base64
import threading

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.http import HttpConnector
from automate_connectors.health import is_refusal
from tests.connectors.conftest import real_context

http = HttpConnector()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_every_method(server, call, method):
    output = call(http, "request", {"method": method, "url": f"{server.url}/a", "query": {"n": 1, "on": True}})
    [asked] = server.asked
    assert (asked.method, asked.path, asked.query) == (method, "/a", {"n": ["1"], "on": ["true"]})
    assert output["status"] == 200 and output["body"] == ("" if method == "HEAD" else {"ok": True})
    safe = method in {"GET", "HEAD", "OPTIONS"}
    assert asked.headers.get("idempotency-key") == (None if safe else "key-of-this-step")


PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
BODIES = {
    "json": ({"json": {"a": [1, "ü"]}}, b'{"a": [1, "\\u00fc"]}', "application/json"),
    "form": ({"form": {"a": "1 2", "b": ["x", "y"], "c": None}}, b"a=1+2&b=x&b=y", "application/x-www-form-urlencoded"),
    "text": ({"body": "grüß"}, "grüß".encode(), "text/plain; charset=utf-8"),
    "binary": ({"binary": base64.b64encode(PNG).decode()}, PNG, "application/octet-stream"),
    "own type": ({"body": "<a/>", "headers": {"content-type": "application/xml"}}, b"<a/>", "application/xml"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_bodies(server, call, kind):
    params, body, content_type = BODIES[kind]
    call(http, "request", {"method": "POST", "url": server.url, **params})
    [asked] = server.asked
    assert (asked.body, asked.headers["content-type"]) == (body, content_type)


def test_the_chosen_kind_of_body_is_sent_alone(server, call):
    """What was filled in before another choice stays in the step, and out of the request."""
    filled = {"method": "POST", "url": server.url, "json": {"a": 1}, "body": "hello"}
    for chosen in ("json", "text", "none"):
        call(http, "request", {**filled, "body_type": chosen})
    assert [asked.body for asked in server.asked] == [b'{"a": 1}', b"hello", b""]


def test_multipart(server, call):
    files = [
        {"name": "picture", "filename": "a.png", "content_type": "image/png", "base64": base64.b64encode(PNG).decode()},
        {"name": "note", "filename": "note.txt", "text": "grüß"},
    ]
    params = {"method": "POST", "url": server.url, "form": {"title": "Two"}, "files": files}
    for _ in range(2):
        call(http, "request", params)
    first, second = server.asked
    assert first.body == second.body  # attempts are alike, to the boundary
    boundary = first.headers["content-type"].partition("boundary=")[2]
    assert boundary and first.headers["content-type"].startswith("multipart/form-data")
    for part in (
        b'name="title"\r\n\r\nTwo\r\n',
        b'name="picture"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + PNG,
        b'name="note"; filename="note.txt"',
        "grüß".encode(),
    ):
        assert part in first.body


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"json": {}, "body": "x"}, "only one body. Keep one of: json, body"),
        ({"binary": "not base64!"}, "binary is not valid base64"),
        ({"files": [{"filename": "a/b", "text": "x"}]}, "files[0].filename"),
        ({"files": [{"filename": "a", "text": "x", "base64": "eA=="}]}, "either text or base64"),
        ({"files": ["x"]}, "files[0] must be a mapping"),
        ({"success_statuses": ["ok"]}, "Use statuses such as 404"),
        ({"pagination": "cursor", "method": "GET"}, "Set the path to the next cursor"),
        ({"pagination": "page"}, "requires the method GET"),
        ({"pagination": "page", "method": "GET", "max_pages": 500}, "max_pages must be between 1 and 100"),
        ({"headers": {"Host": "evil.example"}}, "is set automatically"),
        ({"headers": {"Content-Length": "3"}}, "is set automatically"),
        ({"headers": {"X-A": "b\r\nX-B: c"}}, "header"),
    ],
)
def test_what_makes_no_request_is_refused(server, call, params, reason):
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"method": "POST", "url": server.url, **params})
    assert reason in caught.value.message and caught.value.code in {"invalid_input", "egress_blocked"}
    assert not server.asked


ANSWERS = {
    "json": (b'{"a": 1}', "application/json; charset=utf-8", {}, {"a": 1}),
    "json of its own kind": (b"[1]", "application/vnd.api+json", {}, [1]),
    "broken json": (b"{", "application/json", {}, "{"),
    "text": ("grüß".encode("latin-1"), "text/plain; charset=iso-8859-1", {}, "grüß"),
    "xml": (b"<a/>", "application/xml", {}, "<a/>"),
    "no type, text": (b"hello", "", {}, "hello"),
    "text asked for": (b'{"a": 1}', "application/json", {"answer": "text"}, '{"a": 1}'),
    "json asked for": (b'{"a": 1}', "text/html", {"answer": "json"}, {"a": 1}),
    "ignored": (b"x", "text/plain", {"answer": "none"}, None),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers(server, call, kind):
    body, content_type, params, expected = ANSWERS[kind]
    server.answer = lambda asked: (200, body, {"Content-Type": content_type} if content_type else {})
    assert call(http, "request", {"url": server.url, **params})["body"] == expected


def test_a_file_comes_as_one_and_can_be_sent_on(server, call):
    server.answer = lambda asked: (200, PNG, {"Content-Type": "image/png"})
    file = call(http, "request", {"url": f"{server.url}/pictures/a.png"})["body"]
    assert file == {
        "filename": "a.png",
        "content_type": "image/png",
        "base64": base64.b64encode(PNG).decode(),
        "size": len(PNG),
    }
    call(http, "request", {"method": "POST", "url": server.url, "files": [{"name": "again", **file}]})
    assert PNG in server.asked[-1].body


def test_json_that_is_none_is_an_error(server, call):
    server.answer = lambda asked: (200, b"<html>", {"Content-Type": "text/html"})
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"url": server.url, "answer": "json"})
    assert caught.value.code == "invalid_answer" and not caught.value.retryable


def test_a_large_answer_is_refused(server, call):
    server.answer = lambda asked: (200, b"x" * 5_000_001, {"Content-Type": "text/plain"})
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"url": server.url})
    assert caught.value.code == "response_too_large"


# --- credentials ------------------------------------------------------------------------------------------------------

CREDENTIALS = {
    "bearer": ({"token": "s3cret"}, "authorization", "Bearer s3cret"),
    "basic": ({"username": "u", "password": "s3cret"}, "authorization", "Basic dTpzM2NyZXQ="),
    "header": ({"token": "s3cret", "header_name": "X-Api-Key"}, "x-api-key", "s3cret"),
    "oauth2": ({"access_token": "s3cret"}, "authorization", "Bearer s3cret"),
}


@pytest.mark.parametrize("auth", CREDENTIALS)
def test_credentials(server, call, auth):
    config, header, value = CREDENTIALS[auth]
    connection = {"base_url": server.url, "auth": auth, **config}
    call(http, "request", {"url": "/a", "headers": {header.title(): "a step's own"}}, connection)
    assert server.asked[0].headers[header] == value


def test_a_token_in_the_query_is_not_shown(server, call):
    connection = {"base_url": server.url, "auth": "query", "query_name": "key", "token": "s3cret"}
    given = real_context(connection)
    http.execute("request", {"url": "/a", "query": {"q": "x"}}, given)
    assert server.asked[0].query == {"q": ["x"], "key": ["s3cret"]}
    server.answer = lambda asked: (404, {}, {})
    with pytest.raises(ConnectorError) as caught:
        http.execute("request", {"url": "/a"}, given)
    assert "s3cret" not in f"{caught.value} {caught.value.details} {given['lines']}"


def test_oauth2_without_a_token_asks_to_reconnect(server, call):
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"url": "/"}, {"base_url": server.url, "auth": "oauth2"})
    assert caught.value.code == "needs_reconnect" and not server.asked


def test_credentials_stay_with_their_host(server, call):
    connection = {"auth": "bearer", "token": "s3cret"}
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"url": server.url}, connection, bound_hosts=["api.example.com"])
    assert caught.value.code == "egress_blocked" and not server.asked


# --- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "params", "succeeds", "retryable"),
    [
        (404, {}, False, False),
        (503, {}, False, True),
        (429, {}, False, True),
        (404, {"success_statuses": ["2xx", 404]}, True, None),
        (200, {"success_statuses": [201]}, False, False),
        (304, {"follow_redirects": False}, True, None),
        (409, {"retry_statuses": [409]}, False, True),
        (503, {"retry_statuses": ["4xx"]}, False, False),
    ],
)
def test_statuses(server, call, status, params, succeeds, retryable):
    server.answer = lambda asked: (status, {"error": "why"}, {"Retry-After": "7"})
    params = {"url": f"{server.url}/a", **params}
    if succeeds:
        assert call(http, "request", params)["status"] == status
        return
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", params)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == (f"http_{status}", retryable, 7)
    assert caught.value.details == {"status": status, "body": '{"error": "why"}'}


def test_the_idempotency_header_has_a_name_of_ones_own_or_none(server, call):
    for name in ("X-Request-Id", ""):
        call(http, "request", {"method": "POST", "url": server.url, "idempotency_header": name})
    first, second = server.asked
    assert first.headers["x-request-id"] == "key-of-this-step" and "idempotency-key" not in first.headers
    assert "x-request-id" not in second.headers and "idempotency-key" not in second.headers


def test_a_silent_server_ends_with_the_step(server, call):
    gate = threading.Event()
    server.answer = lambda asked: (gate.wait(60), (200, {}, {}))[1]
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"url": server.url}, seconds=0.5)
    assert caught.value.code == "timeout" and caught.value.retryable and server.asked
    gate.set()


# --- pages ------------------------------------------------------------------------------------------------------------


def test_pages_by_link_header(server, call):
    def answer(asked):
        number = int(asked.query.get("page", ["1"])[0])
        links = f'<{server.url}/first>; rel="first", </items?page={number + 1}>; rel="next"' if number < 3 else ""
        return 200, [number * 10, number * 10 + 1], {"Link": links} if links else {}

    server.answer = answer
    connection = {"base_url": server.url, "auth": "bearer", "token": "s3cret"}
    output = call(http, "request", {"url": "/items", "query": {"q": "x"}, "pagination": "link"}, connection)
    assert (output["body"], output["pages"], output["complete"]) == ([10, 11, 20, 21, 30, 31], 3, True)
    assert all(asked.headers["authorization"] == "Bearer s3cret" for asked in server.asked)
    assert [asked.query for asked in server.asked] == [{"q": ["x"]}, {"page": ["2"]}, {"page": ["3"]}]


@pytest.mark.parametrize("style", ["token", "url"])
def test_pages_by_cursor(server, call, style):
    def answer(asked):
        number = int(asked.query.get("after", ["0"])[0])
        following = None if number == 2 else number + 1 if style == "token" else f"/items?after={number + 1}"
        return 200, {"data": {"items": [{"n": number}]}, "meta": {"next": following}}, {}

    server.answer = answer
    params = {
        "url": f"{server.url}/items", "pagination": "cursor", "items": "data.items", "cursor": "meta.next",
        "cursor_parameter": "after",
    }  # fmt: skip
    output = call(http, "request", params)
    assert output["body"] == [{"n": 0}, {"n": 1}, {"n": 2}] and output["complete"]


def test_pages_by_number(server, call):
    server.answer = lambda asked: (200, {"items": [1, 2] if int(asked.query["p"][0]) < 3 else []}, {})
    params = {
        "url": server.url, "pagination": "page", "items": "items", "page_parameter": "p", "first_page": 0,
        "query": {"size": 2},
    }  # fmt: skip
    output = call(http, "request", params)
    assert (len(output["body"]), output["pages"], output["complete"]) == (6, 4, True)
    assert all(asked.query["size"] == ["2"] for asked in server.asked)


@pytest.mark.parametrize(("caps", "items", "pages"), [({"max_pages": 2}, 4, 2), ({"max_items": 3}, 3, 2)])
def test_pages_have_caps(server, call, caps, items, pages):
    server.answer = lambda asked: (200, [1, 2], {})
    output = call(http, "request", {"url": server.url, "pagination": "page", **caps})
    assert (len(output["body"]), output["pages"], output["complete"]) == (items, pages, False)


@pytest.mark.parametrize(
    ("answer", "params", "code"),
    [
        (({"next": "same"}, {}), {"pagination": "cursor", "cursor": "next", "items": "list"}, "invalid_answer"),
        (({"list": [], "next": "same"}, {}), {"pagination": "cursor", "cursor": "next", "items": "list"}, "invalid_answer"),
        (([], {"Link": '<https://evil.example/x>; rel="next"'}), {"pagination": "link"}, "pagination_left"),
        (([], {"Link": '<//evil.example/x>; rel=next'}), {"pagination": "link"}, "pagination_left"),
        (({"a": 1}, {}), {"pagination": "link"}, "invalid_answer"),
    ],
)  # fmt: skip
def test_pages_that_go_wrong(server, call, answer, params, code):
    server.answer = lambda asked: (200, *answer)
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", {"url": server.url, **params})
    assert caught.value.code == code and len(server.asked) <= 2


def test_cancelling_ends_the_pages(server, call):
    server.answer = lambda asked: (200, [1], {})
    params = {"url": server.url, "pagination": "page", "max_pages": 50}
    with pytest.raises(ConnectorError) as caught:
        call(http, "request", params, cancelled=lambda: len(server.asked) == 3)
    assert caught.value.code == "cancelled" and len(server.asked) == 3


# --- the test of a connection -----------------------------------------------------------------------------------------


def test_a_connection_is_tested_with_a_get(server):
    connection = {"base_url": f"{server.url}/v1", "auth": "bearer", "token": "t", "test_path": "me"}
    assert "HTTP 200" in http.check_connection(real_context(connection))
    assert (server.asked[0].method, server.asked[0].path) == ("GET", "/v1/me")
    server.answer = lambda asked: (401, {}, {})
    with pytest.raises(ConnectorError) as caught:
        http.check_connection(real_context(connection))
    assert caught.value.code == "authentication_failed"
    for status in (404, 500):
        server.answer = lambda asked, status=status: (status, {}, {})
        assert f"HTTP {status}. The credentials were not rejected" in http.check_connection(real_context(connection))
    with pytest.raises(ConnectorError, match="Set a base URL"):
        http.check_connection(real_context({"auth": "none"}))


def test_another_hosts_refusal_after_a_redirect_is_not_the_connections(server, call, settings):
    other = server.host.replace("127.0.0.1", "localhost")
    settings.AUTOMATE_EGRESS_ALLOW = [server.host, other]
    connection = {"base_url": server.url, "auth": "bearer", "token": "t"}

    def answer(asked):
        if asked.headers["host"] == other:
            return 401, {}, {}
        return (302, {}, {"Location": f"http://{other}/there"}) if asked.path != "/here" else (401, {}, {})

    server.answer = answer
    codes = {}
    for path in ("/away", "/here"):
        with pytest.raises(ConnectorError) as caught:
            call(http, "request", {"url": path}, connection)
        codes[path] = (caught.value.code, is_refusal(caught.value))
    assert codes == {"/away": ("http_401", False), "/here": ("http_401", True)}
    assert "authorization" not in server.asked[1].headers, "the credentials stay at home"
    assert f"{other} responded with HTTP 401" in http.check_connection(real_context(connection))
