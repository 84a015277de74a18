"""What a new connector gets beyond the operations of its document: prefixes, pages, keys, results."""

from __future__ import annotations

import json

import pytest
from ruamel.yaml import YAML

from automate_connectors.declared.adapter import declare
from automate_connectors.declared.checks import faults
from automate_connectors.declared.openapi.authorization import authorization_header
from automate_connectors.declared.openapi.connector import connector_of
from automate_connectors.declared.openapi.reader import Api
from automate_connectors.declared.openapi.schemas import plain
from automate_connectors.declared.parsing import parse
from automate_connectors.stored import drafts
from automate_connectors.stored.versions import build_draft

ITEM = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
NUMBER, TEXT = {"type": "integer"}, {"type": "string"}


def listing(answer, *parameters, headers=None):
    """A GET with query parameters, each a name or a whole parameter; `headers` are those of its answer."""
    given = [{"name": one, "in": "query", "schema": NUMBER} if isinstance(one, str) else one for one in parameters]
    schema = answer if "type" in answer else {"type": "object", "properties": answer}
    found = {"content": {"application/json": {"schema": schema}}, "headers": headers or {}}
    return {"parameters": given, "responses": {"200": found}}


def limit(name="limit", **more):
    return {"name": name, "in": "query", "schema": {"type": "integer", **more}}


def api(*, schemes=None, **operations):
    """A document; each operation is a GET at its name, or (method, operation)."""
    paths = {}
    for name, given in operations.items():
        method, operation = given if isinstance(given, tuple) else ("get", given)
        paths[f"/{name}"] = {method: {"operationId": name, **operation}}
    return Api(
        {
            "openapi": "3.1.0",
            "info": {"title": "Service"},
            "servers": [{"url": "https://api.service.example"}],
            "paths": paths,
            "components": {"securitySchemes": schemes or {}},
        }
    )


def made(document, *names, **more):
    """The checked connector of these operations."""
    value = connector_of(document, names or list(document.operations), **more)
    checked = parse(value)
    assert list(faults(checked)) == []
    return value


ITEMS = {"type": "array", "items": ITEM}
PAGED = {
    "by offset": (
        listing({"incidents": ITEMS, "more": {"type": "boolean"}}, limit(maximum=100), "offset", "state"),
        {"kind": "offset", "parameter": "offset", "more": "more", "items": "incidents", "size": {"parameter": "limit", "most": 100}},
    ),
    "after the last item": (
        listing({"data": ITEMS, "has_more": {"type": "boolean"}}, {**limit(), "description": "The maximum is 100."}, "after", "state"),
        {"kind": "cursor", "last_item": "id", "parameter": "after", "more": "has_more", "items": "data", "size": {"parameter": "limit", "most": 100}},
    ),
    "by cursor": (
        listing({"results": ITEMS, "tags": ITEMS, "meta": {"type": "object", "properties": {"next_cursor": {"type": "string"}}}}, "cursor", limit("page_size", default=25), "state"),
        {"kind": "cursor", "cursor": "meta.next_cursor", "parameter": "cursor", "items": "results", "size": {"parameter": "page_size", "most": 25}},
    ),
    "by address": (
        listing({"data": ITEMS, "links": {"type": "object", "properties": {"next": {"type": "string"}}}}, "page[cursor]", "state"),
        {"kind": "cursor", "cursor": "links.next", "parameter": "page[cursor]", "items": "data"},
    ),
    "by page": (
        listing({"items": ITEMS, "has_next": {"type": "boolean"}}, "page", "state"),
        {"kind": "page", "parameter": "page", "more": "has_next", "items": "items"},
    ),
    "by the Link header": (
        listing(ITEMS, limit("per_page", maximum=100), "page", "state", headers={"Link": {"schema": TEXT}}),
        {"kind": "link", "size": {"parameter": "per_page", "most": 100}},
    ),
    "an object is no cursor": (
        listing({"data": ITEMS, "pages": {"type": "object", "properties": {"next": ITEM}}}, "starting_after", "state"), None,
    ),
    "not said": (listing({"data": ITEMS}, limit(), "offset", "state"), None),
    "no list": (listing({"total": NUMBER, "more": {"type": "boolean"}}, "offset", "state"), None),
    "no parameter": (listing({"data": ITEMS, "has_more": {"type": "boolean"}}, "state"), None),
    "two lists": (listing({"boys": ITEMS, "girls": ITEMS, "more": {"type": "boolean"}}, "offset", "state"), None),
}  # fmt: skip


@pytest.mark.parametrize("case", PAGED)
def test_pages_are_proposed_where_the_document_says_how_to_go_on(case):
    operation, pages = PAGED[case]
    [action] = made(api(find=operation))["actions"]
    assert action.get("pages") == pages
    names = [field["name"] for field in action.get("fields", [])]
    if pages:
        assert names == ["state"] and action["sample"] == {"id": "text", "name": "text"}


SCHEMES = {
    "Token token={token}": {"description": "The API key, with format `Token token=<API_KEY>`"},
    "Klaviyo-API-Key {token}": {"x-default": "Klaviyo-API-Key your-private-api-key"},
    "GenieKey {token}": {"description": "Send `Authorization: GenieKey YOUR_KEY` with each request."},
    'Token token="{token}"': {"description": 'For example: Authorization: Token token="<key>"'},
    "Bearer {token}": {"description": "Enter the value 'Bearer {token}'."},
    "": {"description": "Use the API key <key> of your account."},
}


@pytest.mark.parametrize("template", SCHEMES)
def test_the_prefix_of_the_credentials_is_that_of_the_description(template):
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization", **SCHEMES[template]}
    assert authorization_header(scheme) == template
    value = made(api(schemes={"key": scheme}, find=listing({"data": ITEMS})))
    assert value["auth"].get("token", "") == template


KEY = {"parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}]}


def test_a_header_for_the_key_becomes_the_key_of_the_step():
    document = api(send=("post", {**KEY, "responses": {}}), rename=("post", {"responses": {}}), find=listing({}))
    value = made(document)
    assert value["idempotency"] == "Idempotency-Key"
    assert [(each["name"], each.get("idempotent")) for each in value["actions"]] == [
        ("send", None), ("rename", False), ("find", None)
    ]  # fmt: skip
    assert "idempotency" not in made(document, "rename")


def header(name, **schema):
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string", **schema}}


def test_a_header_that_each_request_needs_is_asked_once(server, call):
    shared = [header("revision", default="2024-10-15"), header("From"), header("X-Kind", enum=["json"])]
    document = api(
        find={**listing({}), "parameters": [*shared, header("X-Own")]},
        send=("post", {"parameters": shared, "responses": {}}),
    )
    value = made(document, code="pager")
    assert [(each["name"], each.get("default")) for each in value["connection"]] == [
        ("revision", "2024-10-15"), ("from", None)
    ]  # fmt: skip
    assert value["headers"] == {"revision": "{revision}", "From": "{from}", "X-Kind": "json"}
    find, send = value["actions"]
    assert [each["name"] for each in find["fields"]] == ["x_own"] and "fields" not in send
    server.answer = lambda asked: (200, {}, {})
    call(declare(parse(value))(), "send", {}, {"from": "me@example.com", "base_url": server.url})
    sent = server.asked[-1].headers
    assert (sent["revision"], sent["from"], sent["x-kind"]) == ("2024-10-15", "me@example.com", "json")


def body(schema):
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}, "responses": {}}


def test_members_of_objects_become_fields(server, call):
    urgency = {"type": "object", "properties": {"level": TEXT}, "required": ["level"]}
    incident = {
        "type": "object",
        "required": ["title", "kind"],
        "properties": {
            "title": TEXT, "kind": {"type": "string", "enum": ["incident"]}, "urgency": urgency,
            "deep": {"type": "object", "properties": {"deeper": {"type": "object", "properties": {"x": TEXT}}}},
        },
    }  # fmt: skip
    wrapped = {"type": "object", "required": ["incident"], "properties": {"incident": incident}}
    address = {"type": "object", "properties": {"line": TEXT}}
    flat = {"type": "object", "properties": {"name": TEXT, "address": address}}
    value = made(api(send=("post", body(wrapped)), add=("post", body(flat))), code="pager")
    send, add = ({each["name"]: each for each in action["fields"]} for action in value["actions"])
    assert {name: (each["at"], each.get("required", False)) for name, each in send.items()} == {
        "title": ("incident.title", True),
        "kind": ("incident.kind", True),
        "urgency_level": ("incident.urgency.level", False),
        "deep_deeper": ("incident.deep.deeper", False),
    }
    assert send["kind"]["default"] == "incident" and send["deep_deeper"]["kind"] == "mapping"
    assert [(name, each.get("at")) for name, each in add.items()] == [("name", None), ("address_line", "address.line")]
    server.answer = lambda asked: (200, {}, {})
    call(declare(parse(value))(), "send", {"title": "Fire", "kind": "incident"}, {"base_url": server.url})
    assert json.loads(server.asked[-1].body) == {"incident": {"title": "Fire", "kind": "incident"}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "array"], "items": TEXT},
        {"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
        {"anyOf": [{"type": "array", "items": TEXT}, TEXT, {"type": "null"}]},
    ],
)
def test_one_text_or_several_are_a_list(schema):
    [action] = made(api(send=("post", body({"type": "object", "properties": {"to": schema}}))))["actions"]
    assert action["fields"] == [{"name": "to", "label": "To", "kind": "list"}]
    numbers = {"oneOf": [TEXT, {"type": "array", "items": NUMBER}]}
    [action] = made(api(send=("post", body({"type": "object", "properties": {"to": numbers}}))))["actions"]
    assert action["fields"][0]["kind"] == "json"


def test_one_object_in_another_is_the_result():
    [action] = made(api(find=listing({"incident": ITEM})))["actions"]
    assert (action["result"], action["sample"]) == ("incident", {"id": "text", "name": "text"})


def test_an_operation_for_one_s_own_account_tests_the_connection():
    assert made(api(find=listing({}), me=listing({"login": {"type": "string"}})))["check"] == {"action": "me"}
    assert "check" not in made(api(find=listing({})))


def test_an_address_in_angle_brackets_is_no_markup():
    assert (
        plain('Use `"Your Name <sender@domain.com>"`, <b>always</b>.')
        == 'Use "Your Name <sender@domain.com>", always .'
    )
    assert plain("<script>alert('a@b')</script>x") == "alert('a@b') x"


def test_proposed_pages_work(server, call):
    operation = listing({"incidents": ITEMS, "more": {"type": "boolean"}}, limit(maximum=2), "offset")
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization", **SCHEMES["Token token={token}"]}
    connector = declare(parse(made(api(schemes={"key": scheme}, find=operation), code="pager")))()

    def respond(asked):
        assert asked.headers["authorization"] == "Token token=any"
        start = int(asked.query.get("offset", ["0"])[0])
        return 200, {"incidents": [{"id": str(start + each), "name": "x"} for each in range(2)], "more": start < 4}, {}

    server.answer = respond
    output = call(connector, "find", {}, {"token": "any", "base_url": server.url})
    assert output["count"] == 6 and output["complete"] and [item["id"] for item in output["items"]] == list("012345")


@pytest.mark.django_db
def test_a_draft_has_the_proposals_and_can_change_them(admin):
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Service"},
        "servers": [{"url": "https://api.service.example"}],
        "paths": {
            "/things": {
                "get": {"operationId": "find", **PAGED["after the last item"][0]},
                "post": {"operationId": "send", **KEY, "responses": {}},
            },
            "/rename": {"post": {"operationId": "rename", "responses": {}}},
        },
    }
    draft = drafts.begin_draft(json.dumps(document).encode(), by=admin)
    drafts.add_operations(draft, ["find", "send", "rename"], by=admin)
    value = YAML().load(draft.text)
    find, send, rename = value["actions"]
    assert value["idempotency"] == "Idempotency-Key" and "idempotent" not in send and rename["idempotent"] is False
    assert find["pages"]["last_item"] == "id" and find["without"] == ["limit_2", "after"]
    built = build_draft(draft).document
    assert [field.name for field in built.action("find").fields] == ["state"]


@pytest.mark.django_db
def test_a_draft_asks_for_shared_headers_once_and_opens_objects(admin):
    nested = {
        "type": "object",
        "properties": {"order": {"type": "object", "properties": {"order": TEXT, "note": TEXT}}},
    }
    document = api(
        send=("post", {**body(nested), "parameters": [header("Revision")]}),
        find={**listing({}), "parameters": [header("Revision")]},
    )
    draft = drafts.begin_draft(document.as_json(), by=admin)
    drafts.add_operations(draft, ["send", "find"], by=admin)
    value = YAML().load(draft.text)
    assert value["headers"] == {"Revision": "{revision}"} and value["actions"][0]["without"] == ["revision"]
    send, find = (build_draft(draft).document.action(name) for name in ("send", "find"))
    assert [(field.name, field.kind, field.at) for field in send.fields] == [
        ("order", "text", "order.order"), ("note", "text", "order.note")
    ]  # fmt: skip
    assert find.fields == []
