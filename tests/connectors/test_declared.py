"""Declared connectors: what the one adapter sends and makes of answers, and what a faulty file says."""

from __future__ import annotations

import base64
from email.parser import BytesParser
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.urls import reverse

from automate_connectors.adapters.base import ConnectorError, RateLimit
from automate_connectors.declared.adapter import declare
from automate_connectors.declared.loading import ConnectorFileError, load_connector
from automate_connectors.declared.parsing import FaultyDocumentError, parse
from automate_connectors.declared.yaml_files import MAX_DEPTH, DocumentError, read_document
from automate_connectors.invocation import describe_call
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_testing.fakes import SAMPLE_FILE, MemoryFiles, ScriptedHttp, context
from tests.conftest import ROOT
from tests.connectors.conftest import real_context
from tests.support.pages import Page

CONNECTOR = """\
format: 1
code: shop
name: Shop
description: Sell things
base_url: https://{region}.api.shop.example/v1
connection:
  - {name: region, label: Region, required: true, default: eu}
  - {name: token, label: Token, kind: secret, required: true}
auth: {type: bearer}
headers: {X-Version: "2"}
errors:
  message: [error.message, error]
  code: [error.code]
  failure: problems
  reconnect: [token_revoked]
  retry: [lock_timeout]
  advice: {sold_out: Order another article.}
rate_limit: {requests: 7, seconds: 10, concurrent: 2, remaining: x-left, reset: x-reset, reset_in: seconds, wait_at: retry_in, wait: 9}
idempotency: Idempotency-Key
check: {action: list_items, account: [items.0.name]}
options:
  items: {action: list_items}
actions:
  - name: list_items
    label: List items
    path: /items
    fields:
      - {name: tags, kind: list, arrays: comma}
      - {name: filter, kind: mapping}
    pages: {kind: cursor, items: data, last_item: id, more: has_more, parameter: after, size: {parameter: per, most: 2}}
    sample: {id: 1, name: Anvil}
  - name: create_item
    label: Create item
    method: POST
    path: /items
    fields:
      - {name: name, required: true, at: item.names.0.text}
      - {name: price, kind: number, at: item.price}
      - {name: more, kind: mapping, at: ""}
      - {name: trace, in: header, at: X-Trace, template: "t:{value}"}
    constants: {body: {item: {type: thing}}, query: {source: automate}}
    sample: {id: 1}
  - name: pay
    label: Pay
    method: POST
    path: /items/{item}/pay
    effect: moves_money
    body: form
    fields:
      - {name: item, required: true, options: items}
      - {name: amount, kind: integer, required: true}
      - {name: lines, kind: list}
      - {name: paid, kind: boolean}
    sample: {id: 1}
  - name: change
    label: Change item
    method: PATCH
    path: /items/{item}
    body: merge_patch
    fields:
      - {name: item, required: true}
      - {name: values, kind: mapping, required: true, at: ""}
    result: data
    sample: {id: 1}
  - name: upload
    label: Upload
    method: POST
    path: /files/{+folder}
    body: multipart
    json_part: about
    fields:
      - {name: folder, required: true}
      - {name: title}
      - {name: files, kind: list, required: true, in: file, at: "files[{index}]"}
    answer: none
  - name: put_file
    label: Put file
    method: PUT
    path: /raw
    body: file
    fields: [{name: file, kind: file, required: true, in: file}]
    answer: file
  - name: search
    label: Search
    method: POST
    path: /search
    effect: read
    fields: [{name: text, required: true}]
    pages: {kind: cursor, items: hits, cursor: next, parameter: page.after, in: body}
    sample: {id: 1}
  - {name: by_page, label: By page, path: /p, pages: {kind: page, items: "", parameter: page, size: {parameter: n, most: 2}}, sample: {}}
  - {name: by_offset, label: By offset, path: /o, pages: {kind: offset, items: rows, parameter: skip}, sample: {}}
  - {name: by_link, label: By link, path: /l, pages: {kind: link}, sample: {}}
"""
TOKEN = "shop-token-4f1b"


def made(source=CONNECTOR):
    return declare(parse(read_document(source.encode())))()


shop = made()


@pytest.fixture
def connection(server):
    return {"token": TOKEN, "region": "eu", "base_url": f"{server.url}/v1"}


def answering(server, *answers):
    """The server gives these, the last one for ever."""
    server.answer = lambda asked: (*answers[min(len(server.asked), len(answers)) - 1], {})[:3]


SENT = {
    "create_item": (
        {"name": "Anvil", "price": 9.5, "more": {"stock": {"count": 3}}, "trace": "t"},
        ("POST", "/v1/items", {"source": ["automate"]}),
        {"item": {"type": "thing", "names": [{"text": "Anvil"}], "price": 9.5}, "stock": {"count": 3}},
    ),
    "pay": (
        {"item": "a/b", "amount": 120, "lines": [{"sku": "x", "of": ["1", "2"]}, {"sku": "y&z"}], "paid": True},
        ("POST", "/v1/items/a%2Fb/pay", {}),
        "amount=120&lines%5B0%5D%5Bsku%5D=x&lines%5B0%5D%5Bof%5D%5B0%5D=1&lines%5B0%5D%5Bof%5D%5B1%5D=2"
        "&lines%5B1%5D%5Bsku%5D=y%26z&paid=true",
    ),
    "change": (
        {"item": "7", "values": {"name": None, "price": 1}},
        ("PATCH", "/v1/items/7", {}),
        '{"name":null,"price":1}',
    ),
}


@pytest.mark.parametrize("action", SENT)
def test_each_kind_of_body(server, call, connection, action):
    params, (method, path, query), body = SENT[action]
    answering(server, (200, {"id": 1, "data": {"id": 1}}))
    assert call(shop, action, params, connection)["id"] == 1
    [asked] = server.asked
    assert (asked.method, asked.path, asked.query) == (method, path, query)
    assert (asked.json if isinstance(body, dict) else asked.body.decode()) == body
    assert asked.headers["authorization"] == f"Bearer {TOKEN}" and asked.headers["x-version"] == "2"
    assert asked.headers["idempotency-key"] == "key-of-this-step"
    kinds = {"pay": "application/x-www-form-urlencoded", "change": "application/merge-patch+json"}
    assert asked.headers["content-type"] == kinds.get(action, "application/json")
    assert asked.headers.get("x-trace") == ("t:t" if action == "create_item" else None)


def test_files_and_their_description_are_parts(server, call, connection):
    files = [{"filename": "a.txt", "text": "A"}, {"filename": "b.bin", "base64": base64.b64encode(b"\0B").decode()}]
    params = {"folder": "2026/o k", "title": "T", "files": files}
    assert call(shop, "upload", params, connection) == {"status": 200}
    [asked] = server.asked
    assert asked.path == "/v1/files/2026/o%20k"
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + asked.body).get_payload()
    found = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
    assert found == {"about": b'{"title":"T"}', "files[0]": b"A", "files[1]": b"\0B"}


def test_a_file_is_sent_and_kept(server, connection):
    server.answer = lambda asked: (
        200,
        b"%PDF-",
        {"Content-Type": "application/pdf", "Content-Disposition": "attachment; filename=a.pdf"},
    )
    given = {**real_context(connection), "files": MemoryFiles()}
    output = shop.execute("put_file", {"file": SAMPLE_FILE}, given)
    assert (server.asked[0].body, server.asked[0].method) == (b"sample", "PUT")
    assert given["files"].contents[output["file"]["$file"]] == b"%PDF-"
    assert (output["file"]["name"], output["file"]["type"]) == ("a.pdf", "application/pdf")


PAGES = {
    "list_items": (
        [{"data": [{"id": 1}, {"id": 2}], "has_more": True}, {"data": [{"id": 3}], "has_more": False}],
        [{"per": ["2"]}, {"per": ["2"], "after": ["2"]}],
    ),
    "search": ([{"hits": [{"id": 1}], "next": "n"}, {"hits": [{"id": 2}]}], [{}, {}]),
    "by_page": ([[{"id": 1}, {"id": 2}], [{"id": 3}]], [{"page": ["1"], "n": ["2"]}, {"page": ["2"], "n": ["2"]}]),
    "by_offset": (
        [{"rows": [{"id": 1}]}, {"rows": [{"id": 2}]}, {"rows": []}],
        [{"skip": ["0"]}, {"skip": ["1"]}, {"skip": ["2"]}],
    ),
}


@pytest.mark.parametrize("action", PAGES)
def test_pages_are_read_to_the_last_or_to_the_limit(server, call, connection, action):
    answers, queries = PAGES[action]
    params = {"text": "x"} if action == "search" else {}
    answering(server, *((200, each) for each in answers))
    output = call(shop, action, params, connection)
    assert [asked.query for asked in server.asked] == queries
    assert output["count"] == len(output["items"]) == sum(len(_rows(each)) for each in answers) and output["complete"]
    if action == "search":
        assert [asked.json for asked in server.asked] == [{"text": "x"}, {"text": "x", "page": {"after": "n"}}]
    server.asked.clear()
    first = call(shop, action, {**params, "limit": 1}, connection)
    assert (first["count"], first["complete"], len(server.asked)) == (1, False, 1)


def _rows(answer):
    return answer if isinstance(answer, list) else next(each for each in answer.values() if isinstance(each, list))


def test_a_link_leads_to_the_next_page_of_the_same_service(server, call, connection):
    links = iter([f'<{server.url}/v1/l?p=2>; rel="next"', "", '<https://evil.example/l>; rel="next"'])
    server.answer = lambda asked: (200, [{"id": 1}], {"Link": next(links)})
    assert call(shop, "by_link", {}, connection)["count"] == 2
    with pytest.raises(ConnectorError) as caught:
        call(shop, "by_link", {}, connection)
    assert caught.value.code == "pagination_left"


def test_lists_and_mappings_in_a_query(server, call, connection):
    answering(server, (200, {"data": []}))
    call(shop, "list_items", {"tags": ["a", "b"], "filter": {"price": {"lt": 5}}}, connection)
    assert server.asked[0].query == {"tags": ["a,b"], "filter[price][lt]": ["5"], "per": ["2"]}


MORE = """\
  - name: order
    label: Order
    method: POST
    path: /orders
    idempotent: false
    key_at: order.key
    fields: [{name: sku, required: true, at: order.sku}]
    result: made
    select: {id: id, buyer: person.name, skus: "lines[].sku", tags: "tags[].name"}
    sample: {id: 1}
  - name: orders
    label: Orders
    path: /orders
    pages: {kind: link}
    select: {number: id}
    sample: {number: 1}
"""


def test_a_key_in_the_body_names_that_are_left_and_headers_without_a_value(server, call, connection):
    source = CONNECTOR.replace('X-Version: "2"', 'X-Version: "2", X-Note: "{note}"') + MORE
    source = source.replace("auth: {", "  - {name: note}\nauth: {", 1)
    given = {"id": 7, "person": {"name": "Ann", "age": 40}, "lines": [{"sku": "a"}, {"sku": "b"}]}
    answering(server, (200, {"made": given}))
    output = call(made(source), "order", {"sku": "a"}, connection)
    assert output == {"id": 7, "buyer": "Ann", "skus": ["a", "b"], "tags": []}
    assert server.asked[0].json == {"order": {"sku": "a", "key": "key-of-this-step"}}
    assert not {"idempotency-key", "x-note"} & server.asked[0].headers.keys()
    assert "order" not in made(source).keyless_actions
    in_query = made(CONNECTOR.replace("idempotency: Idempotency-Key", "idempotency: requestid\nidempotency_in: query"))
    answering(server, (200, {"id": 1}))
    call(in_query, "pay", {"item": "7", "amount": 1}, connection)
    assert server.asked[-1].query == {"requestid": ["key-of-this-step"]}
    answering(server, (200, [given]))
    assert call(made(source), "orders", {}, {**connection, "note": "n"})["items"] == [{"number": 7}]
    assert server.asked[-1].headers["x-note"] == "n"


def test_failures_are_at_several_places(server, call, connection):
    several = made(CONNECTOR.replace("failure: problems", "failure: [faults, problems]"))
    for place in ("faults", "problems"):
        answering(server, (200, {"id": 1, place: ["x"]}))
        with pytest.raises(ConnectorError):
            call(several, "pay", {"item": "7", "amount": 1}, connection)


FAULTS = {
    "limit": ((429, {"error": {"message": "slow"}}, {"Retry-After": "7"}), ("rate_limited", True, 7.0), "wait 7 seconds. slow."),
    "limit_of_the_answer": ((429, {"retry_in": 3}), ("rate_limited", True, 3.0), "wait 3 seconds."),
    "limit_without_an_end": ((429, {"retry_in": 10**400}), ("rate_limited", True, 86_400.0), "seconds."),
    "limit_of_a_header": ((403, {}, {"x-left": "0", "x-reset": "5"}), ("rate_limited", True, 5.0), "wait 5 seconds."),
    "limit_without_a_time": ((429, b"<html>"), ("rate_limited", True, 9.0), "wait 9 seconds."),
    "server": ((500, b"<html>"), ("http_500", True, None), "Shop rejected POST /items/7/pay with HTTP 500."),
    "expired_token": ((401, {"error": {"message": f"no {TOKEN}"}}), ("needs_reconnect", False, None), "HTTP 401: no ***. Reconnect"),
    "revoked_token": ((400, {"error": {"code": "token_revoked"}}), ("needs_reconnect", False, None), "HTTP 400."),
    "busy": ((409, {"error": {"code": "lock_timeout", "message": "Busy."}}), ("http_409", True, None), "HTTP 409: Busy."),
    "advice": ((402, {"error": {"code": "sold_out"}}), ("http_402", False, None), "HTTP 402. Order another article."),
    "failure_in_a_good_answer": ((200, {"problems": ["x"], "error": "Sold"}), ("http_200", False, None), "pay: Sold."),
    "another_type": ((200, [1]), ("invalid_answer", False, None), "The response from Shop is not a mapping."),
    "a_page": ((200, b"<html>"), ("invalid_answer", False, None), "not JSON"),
    "elsewhere": ((302, b"", {"Location": "https://evil.example/"}), ("http_302", False, None), "HTTP 302"),
}  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_said_and_the_next_call_works(server, call, connection, fault):
    given, (code, retryable, wait), said = FAULTS[fault]
    server.answer = lambda asked: (*given, {})[:3] if len(server.asked) == 1 else (200, {"id": 1}, {})
    with pytest.raises(ConnectorError) as caught:
        call(shop, "pay", {"item": "7", "amount": 1}, connection)
    error = caught.value
    assert (error.code, error.retryable, error.retry_after) == (code, retryable, wait), error
    assert said in error.message and TOKEN not in f"{error.message} {error.details}"
    assert call(shop, "pay", {"item": "7", "amount": 1}, connection) == {"id": 1}


def test_a_limit_of_calls_is_the_connector_s():
    assert shop.rate_limit == RateLimit(requests=7, seconds=10, concurrent=2)
    source = CONNECTOR.replace("requests: 7, seconds: 10, concurrent: 2, ", "")
    assert made(source).rate_limit is None
    with pytest.raises(FaultyDocumentError) as caught:
        made(CONNECTOR.replace("requests: 7", "requests: 0"))
    assert ">= 1" in str(caught.value)


def test_a_slow_service_ends_with_the_time_of_the_step(server, connection):
    import threading

    gate = threading.Event()
    server.answer = lambda asked: (gate.wait(30) and 200, {}, {})
    try:
        with pytest.raises(Exception, match="did not respond") as caught:
            shop.execute("pay", {"item": "7", "amount": 1}, real_context(connection, seconds=0.5))
    finally:
        gate.set()
    assert caught.value.retryable


BAD_INPUTS = [
    ("pay", {"item": "..", "amount": 1}, {}),
    ("create_item", {"name": "x", "trace": "a\r\nHost: evil"}, {}),
    ("create_item", {"name": "x", "more": {"item": 1}, "price": 1}, {}),
    ("list_items", {"limit": 10_001}, {}),
    ("list_items", {}, {"token": ""}),
    ("list_items", {}, {"region": "evil.example/", "base_url": ""}),
    ("list_items", {}, {"region": "a.b", "base_url": ""}),
    ("list_items", {}, {"base_url": "https://user@evil.example/"}),
    ("list_items", {}, {"base_url": "file:///etc/passwd"}),
    ("upload", {"folder": "a/../../b", "files": []}, {}),
]


@pytest.mark.parametrize(
    ("action", "params", "changes"), BAD_INPUTS, ids=[str(number) for number in range(len(BAD_INPUTS))]
)
def test_bad_values_send_nothing(action, params, changes):
    http = ScriptedHttp()
    if action == "create_item" and "more" in params:
        params = {"name": "x", "price": 1, "more": {"item": 1}}
        shop_ = made(
            CONNECTOR.replace('{name: more, kind: mapping, at: ""}', "{name: more, kind: mapping, at: item.price.x}")
        )
    else:
        shop_ = shop
    with pytest.raises(ConnectorError) as caught:
        shop_.execute(action, params, context(http, {"region": "eu", "token": TOKEN, **changes}))
    assert caught.value.code == "invalid_input" and http.requests == []


def test_the_address_is_made_of_the_settings_and_checked_when_they_are_saved():
    assert shop.own_hosts({"region": "us"}) == ("us.api.shop.example",)
    assert shop.own_hosts({"region": "us/"}) == ()
    for config in ({"region": "evil.example/x"}, {"region": ""}, {"region": "eu", "base_url": "https://a@b.example"}):
        with pytest.raises(ConnectorError):
            shop.validate_config(config)
    shop.validate_config({"region": "eu"})


def test_a_description_shows_the_request_without_secrets():
    http = ScriptedHttp()
    params = {"item": "7", "amount": 5}
    found = describe_call(shop, shop.action("pay"), params, context(http, {"region": "eu"}))
    assert found == {
        "summary": "Pay: POST https://eu.api.shop.example/v1/items/7/pay", "method": "POST",
        "host": "eu.api.shop.example", "path": "/v1/items/7/pay", "query": {}, "body": {"amount": 5},
    }  # fmt: skip
    assert http.requests == [] and shop.action("pay").moves_money and not shop.action("change").moves_money


def test_a_description_shows_all_values_of_a_parameter():
    repeating = made(CONNECTOR.replace("tags, kind: list, arrays: comma", "tags, kind: list"))
    given = {"tags": ["a", "b", "c"], "limit": 1}
    found = describe_call(repeating, repeating.action("list_items"), given, context(ScriptedHttp(), {"region": "eu"}))
    assert found["query"] == {"tags": ["a", "b", "c"]}


def test_what_a_sign_in_gives_is_a_bearer_token_where_the_document_says_so():
    signs_in = made(CONNECTOR.replace("{type: bearer}", "{type: header, name: X-Key, provider: gitlab, bearer: true}"))
    http = ScriptedHttp()
    for settings in ({"token": TOKEN}, {"token": TOKEN, "access_token": TOKEN, "oauth": {}}):
        signs_in.execute("pay", {"item": "7", "amount": 1}, context(http, {"region": "eu", **settings}))
    by_key, signed_in = (request.headers for request in http.requests)
    assert (by_key["X-Key"], signed_in["Authorization"]) == (TOKEN, f"Bearer {TOKEN}")
    assert "Authorization" not in by_key and "X-Key" not in signed_in


def test_options_and_the_check_come_from_actions(server, connection):
    answering(server, (200, {"data": [{"id": 5, "name": "Anvil"}, {"id": 6}]}))
    assert shop.options("items", {}, real_context(connection)) == [("5", "Anvil"), ("6", "6")]
    some = made(CONNECTOR.replace("items: {action: list_items}", "items: {action: list_items, only: name}"))
    assert some.options("items", {}, real_context(connection)) == [("5", "Anvil")]
    rule = '{action: list_items, label: "{name} {price.eur} EUR", only: {name: Anvil, sold: false}}'
    some = made(CONNECTOR.replace("items: {action: list_items}", f"items: {rule}"))
    listed = [{"id": 5, "name": "Anvil", "sold": False, "price": {"eur": 9}}, {"id": 6, "name": "Anvil", "sold": True}]
    answering(server, (200, {"data": listed}))
    assert some.options("items", {}, real_context(connection)) == [("5", "Anvil 9 EUR")]
    assert shop.check_connection(real_context(connection)) == "Signed in to Shop as Anvil."


# --- files ------------------------------------------------------------------------------------------------------------

MISSES = (
    ("format: 1", "format: 2", 1, "format must be 1, not 2"),
    ("format: 1\n", "", 1, "format must be 1, not None"),
    ("headers:", "colour: red\nheaders:", 10, "The format has no name 'colour' here"),
    ("tags, kind: list", "tags, knd: list", 28, "actions[0].fields[0]: The format has no name 'knd' here. Did you mean kind?"),
    ("path: /items\n", "path: /items/{x}\n", 26, "neither a field nor a setting 'x'"),
    ("method: POST\n    path: /search", "method: GETT\n    path: /search", 85, "'GETT' is not one of the values"),
    ("https://{region}", "http://{region}", 5, "begins with https://"),
    ("https://{region}.api.shop.example/v1", "https://{region}/v1", 5, "last 2 parts"),
    ("https://{region}.api.shop.example/v1", "https://{region}.co.uk/v1", 5, "last 3 parts"),
    ("https://{region}.api.shop.example/v1", "https://{region}.com.au/v1", 5, "last 3 parts"),
    ("https://{region}.api.shop.example/v1", "https://localhost/v1", 5, "public host"),
    ("{type: bearer}", "{type: header, token: '{region}', name: X}", 9, "kind secret"),
    ("{type: bearer}", "{type: bearer, provider: gitlab, bearer: true}", 9, "bearer is for the types"),
    ("name: create_item", "name: list_items", 32, "occurs twice"),
    ("label: List items", "label: List items\n    key_at: key", 26, "can have key_at"),
    ("{action: list_items, account", "{action: pay, account", 20, "changes data"),
    ("items: {action: list_items}", "items: {action: nothing}", 22, "There is no action 'nothing'"),
    ("required: true, options: items", "required: true, options: them", 50, "no 'them' in options"),
    ("{name: lines, kind: list}", "{name: lines, kind: list, columns: [{name: item, options: them}]}", 52, "no 'them' in options"),
    ("cursor: next, parameter", "parameter", 89, "either cursor or last_item"),
    ("code: shop", "code: other", 2, "The code must be shop"),
    ('template: "t:{value}"', "template: t", 40, "A template must contain {value}"),
    ("kind: mapping, at: \"\"", "kind: mapping, at: \"\", each: a", 39, "Only a list in the body"),
    ("default: eu", "default: 1", 7, "must be text"),
    ("name: Shop", "name: [", 5, "Invalid YAML"),
    ("name: Shop", "name: Shop\nname: Again", 4, "The key name occurs twice"),
    ("name: Shop", "name: &a Shop\ndocumentation: *a", 4, "Aliases"),
    ("name: Shop", "name: !!python/object:os.system x", 3, "Invalid YAML"),
)  # fmt: skip


def test_a_faulty_file_names_file_line_and_fault(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    path, wrong = folder / "connector.yaml", []
    path.write_text(CONNECTOR)
    assert load_connector(path, code="shop").code == "shop"
    for old, new, line, said in MISSES:
        assert old in CONNECTOR, old
        path.write_text(CONNECTOR.replace(old, new, 1))
        try:
            load_connector(path, code="shop")
            wrong.append((new, "is taken"))
        except ConnectorFileError as error:
            if not (str(error).startswith(f"shop/connector.yaml, line {line}: ") and said in str(error)):
                wrong.append((new, line, said, str(error)))
    assert not wrong, "\n".join(map(str, wrong))


def test_hostile_documents_end_with_a_reason():
    bomb = "a: &a [x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    for source, said in (
        (bomb, "Aliases"),
        ("[" * 5_000, "deep|YAML"),
        ('{"a":' * 100_000, "levels deep"),
        ("x: " + "[" * (MAX_DEPTH + 1) + "*a", "levels deep"),
        ("\x00", "Invalid YAML"),
        ("a: " + "9" * 9_000, "Invalid YAML"),
        ("a: !!binary aGk=", "Invalid YAML"),
        ("a: !!timestamp 2026-01-01", "Invalid YAML"),
        ("a: b" * 400_000, "larger than"),
    ):
        with pytest.raises(DocumentError, match=said):
            read_document(source.encode())
    values = read_document(b"{a: no, b: 2026-01-01, c: 010, d: 1.5, e: ~, f: true, 404: x}")
    assert values == {"a": "no", "b": "2026-01-01", "c": 10, "d": 1.5, "e": None, "f": True, "404": "x"}
    with pytest.raises(DocumentError, match="UTF-8"):
        read_document(b"name: \xff\xfe\xfa")


@pytest.fixture
def refreshed():
    connectors.refresh()
    yield
    connectors.refresh()


@pytest.fixture
def own_folder(tmp_path, settings, refreshed):
    """A project's folder: one connector that works, and one that does not."""
    for name, source in (("shop", CONNECTOR), ("broken", CONNECTOR.replace("path: /search", "paht: /search"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "connector.yaml").write_text(source.replace("code: shop", f"code: {name}"))
    settings.AUTOMATE_CONNECTORS_DIR = tmp_path
    yield tmp_path


@pytest.mark.extended
@pytest.mark.django_db
def test_a_project_has_connectors_of_its_own_and_sees_its_faults(own_folder, sign_in, stranger, owner):
    assert connectors.get("shop").name == "Shop"
    [broken] = [plugin for plugin in connectors.plugins if plugin.error]
    assert broken.name == "broken" and "broken/connector.yaml, line 86: " in broken.error
    stranger.user_permissions.add(Permission.objects.get(codename="administer_site"))
    page = Page(sign_in(stranger).get(reverse("studio:plugin_list"), {"show": "broken"}))
    assert (
        "broken/connector.yaml, line 86: actions[6]: The format has no name 'paht' here. Did you mean path?"
        in page.text
    )
    connection = Connection(name="Shop", slug="shop", connector="shop", owner=owner)
    connection.config = {"region": "us", "token": "env:SHOP"}
    connection.full_clean()
    assert connection.hosts() == ["us.api.shop.example"]
    connection.config["region"] = "evil.example/"
    with pytest.raises(Exception, match="region must be a single name"):
        connection.full_clean()


SIGNED_IN = """\
format: 1
code: signed
name: Signed
description: Signs in
base_url: "{instance_url}/v1"
connection: [{name: instance_url, label: Address, kind: url}]
auth: {type: oauth, provider: salesforce}
actions: [{name: get, label: Get, path: /get, sample: {}}]
"""


@pytest.mark.extended
@pytest.mark.django_db
def test_a_connector_that_signs_in(tmp_path, settings, refreshed, sign_in, owner):
    (tmp_path / "signed").mkdir()
    (tmp_path / "signed" / "connector.yaml").write_text(SIGNED_IN)
    settings.AUTOMATE_CONNECTORS_DIR = tmp_path
    signed = connectors.get("signed")
    page = sign_in(owner).get(reverse("admin:automate_connectors_connection_add"), {"connector": "signed"})
    assert '<option value="salesforce" selected>' in page.content.decode()
    signed.validate_config({})
    http = ScriptedHttp()
    kept = {"token": TOKEN, "oauth": {"instance_url": "https://acme.my.salesforce.com", "token": "other"}}
    assert signed.execute("get", {}, context(http, kept)) == {}
    [sent] = http.requests
    assert (sent.url, sent.headers["Authorization"]) == ("https://acme.my.salesforce.com/v1/get", f"Bearer {TOKEN}")
    with pytest.raises(ConnectorError, match="not signed in") as caught:
        signed.execute("get", {}, context(http, {"instance_url": "https://acme.my.salesforce.com"}))
    assert caught.value.code == "needs_reconnect"
    for wrong, said in (
        (", provider: salesforce", "Name the OAuth provider"),
        ("salesforce", "no OAuth provider 'nobody'"),
    ):
        path = tmp_path / "signed" / "connector.yaml"
        path.write_text(SIGNED_IN.replace(wrong, "nobody" if wrong == "salesforce" else ""))
        with pytest.raises(ConnectorFileError, match=said):
            load_connector(path)


@pytest.mark.extended
def test_the_folder_is_checked(settings, tmp_path):
    for value, ids in (
        (tmp_path, []),
        (None, []),
        (tmp_path / "nowhere", ["automate_connectors.E015"]),
        (7, ["automate_connectors.E015", "automate_core.E080"]),
    ):
        settings.AUTOMATE_CONNECTORS_DIR = value
        found = [each.id for each in run_checks(tags=["automate"]) if "CONNECTORS_DIR" in each.msg]
        assert sorted(found) == ids


PACKAGED = Path(__file__).parent / "nowhere" / "connector.yaml"


def test_a_plug_in_package_names_its_file(monkeypatch, tmp_path, refreshed):
    good = tmp_path / "connector.yaml"
    good.write_text(CONNECTOR)
    monkeypatch.setattr("tests.connectors.test_declared.GOOD", good, raising=False)
    entries = [
        EntryPoint(name, f"tests.connectors.test_declared:{target}", "x")
        for name, target in (("shop", "GOOD"), ("gone", "PACKAGED"))
    ]
    monkeypatch.setattr("automate_plugins.registry.entry_points", lambda group: entries)
    connectors.refresh()
    assert connectors.get("shop").code == "shop"
    [gone] = [plugin for plugin in connectors.plugins if plugin.name == "gone"]
    assert gone.error == "nowhere/connector.yaml: The file cannot be read: No such file or directory"


def test_the_example_of_the_documentation_is_one(tmp_path):
    page = (ROOT / "docs" / "declared-connectors.md").read_text()
    source = next(block for block in page.split("```yaml\n")[1:] if block.startswith("format: 1")).partition("```")[0]
    (tmp_path / "connector.yaml").write_text(source)
    assert [action.name for action in load_connector(tmp_path / "connector.yaml").actions]
