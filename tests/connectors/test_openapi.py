"""OpenAPI documents as connectors: what becomes of operations, and what hostile documents end with."""

from __future__ import annotations

import copy
import io
import json
import os
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from automate_connectors.declared.loading import ConnectorFileError, load_connector
from automate_connectors.declared.openapi.actions import action_of, find_operation
from automate_connectors.declared.openapi.connector import connector_of
from automate_connectors.declared.openapi.reader import Api
from automate_connectors.declared.yaml_files import DocumentError

ITEM = {"type": "object", "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}}}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Tiny Shop", "description": "Sells <script>alert(1)</script>things. And more."},
    "servers": [{"url": "http://localhost:8000"}, {"url": "https://{region}.shop.example/v1", "variables": {"region": {"default": "eu"}}}],
    "security": [{"key": []}],
    "paths": {
        "/items/{item-id}": {
            "parameters": [{"$ref": "#/components/parameters/Item"}],
            "get": {"operationId": "getItem", "summary": "Get an item", "tags": ["Items"],
                    "parameters": [
                        {"name": "fields[]", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                        {"name": "expand", "in": "query", "explode": False, "schema": {"type": "array", "items": {}}},
                        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                    ],
                    "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}},
        },
        "/items": {
            "post": {"operationId": "create-item", "description": "Create [one](https://x.example) **item**.\n\nWith `care`.",
                     "requestBody": {"required": True, "content": {"application/json": {"schema": {
                         "allOf": [{"$ref": "#/components/schemas/Item"}, {"type": "object", "required": ["price"], "properties": {
                             "price": {"type": "number", "nullable": True}, "state": {"type": "string", "enum": ["new", "old"], "default": "new"},
                             "limit": {"type": "integer"}, "due": {"type": "string", "format": "date"},
                             "greeting": {"type": "string", "default": "{{ secrets }}"}}}]}}}},
                     "responses": {"201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}},
            "delete": {"responses": {"204": {}}},
        },
        "/forms": {"post": {"operationId": "form", "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {
            "type": "object", "properties": {"card": {"type": "object"}, "list": {"type": "array"}}}}}}, "responses": {"200": {}}}},
        "/files": {"post": {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {"schema": {
            "type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}}}},
            "responses": {"200": {}}}},
        "/any": {"put": {"operationId": "any", "requestBody": {"content": {"application/json": {"schema": {
            "oneOf": [{"type": "object"}, {"type": "array"}]}}}}, "responses": {"200": {}}}},
    },
    "components": {
        "schemas": {"Item": ITEM},
        "parameters": {"Item": {"name": "item-id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    },
}  # fmt: skip


def document(**changes):
    made = copy.deepcopy(DOCUMENT)
    made.update(changes)
    return json.dumps(made).encode()


ACTIONS = {
    "getItem": {
        "name": "get_item", "label": "Get an item", "path": "/items/{item_id}",
        "fields": [
            {"name": "item_id", "label": "Item id", "required": True},
            {"name": "fields", "label": "Fields", "at": "fields[]", "kind": "list"},
            {"name": "expand", "label": "Expand", "kind": "list", "arrays": "comma"},
            {"name": "x_trace", "label": "X trace", "at": "X-Trace", "in": "header"},
        ],
        "sample": {"id": "text", "name": "text"},
    },
    "create-item": {
        "name": "create_item", "label": "Create item", "description": "Create one item. With care.", "method": "POST",
        "path": "/items",
        "fields": [
            {"name": "price", "label": "Price", "kind": "number", "required": True},
            {"name": "name", "label": "Name"},
            {"name": "state", "label": "State", "kind": "choice", "choices": ["new", "old"], "default": "new"},
            {"name": "limit_2", "label": "Limit", "at": "limit", "kind": "integer"},
            {"name": "due", "label": "Due", "kind": "date"},
            {"name": "greeting", "label": "Greeting"},
        ],
        "sample": {"id": "text", "name": "text"},
    },
    "DELETE /items": {"name": "delete_items", "label": "Delete items", "method": "DELETE", "path": "/items", "answer": "none"},
    "form": {
        "name": "form", "label": "Form", "method": "POST", "path": "/forms", "body": "form",
        "fields": [{"name": "card", "label": "Card", "kind": "mapping"}, {"name": "list", "label": "List", "kind": "list"}],
        "answer": "none",
    },
    "upload": {
        "name": "upload", "label": "Upload", "method": "POST", "path": "/files", "body": "multipart",
        "fields": [{"name": "file", "label": "File", "kind": "file", "in": "file", "required": True}], "answer": "none",
    },
    "any": {
        "name": "any", "label": "Any", "method": "PUT", "path": "/any",
        "fields": [{"name": "body", "label": "Body", "kind": "json", "at": ""}], "answer": "none",
    },
}  # fmt: skip


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_operations_become_actions(version):
    api = Api(document(openapi=version))
    assert {name: action_of(api, find_operation(api, name)) for name in ACTIONS} == ACTIONS


def test_types_of_3_1():
    properties = {
        "a": {"type": ["string", "null"]}, "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "c": {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "d": {"type": "string", "contentMediaType": "image/png"},
        "e": {"const": "x"}, "f": {"type": "string", "enum": ["y", None]},
    }  # fmt: skip
    body = {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": properties}}}}
    paths = {"/t": {"post": {"operationId": "t", "requestBody": body, "responses": {}}}}
    api = Api(document(openapi="3.1.0", paths=paths))
    kinds = {each["name"]: each.get("kind") for each in action_of(api, api.operations["t"])["fields"]}
    assert kinds == {"a": None, "b": "integer", "c": "json", "d": "file", "e": "json", "f": "choice"}


DEEP = {"$ref": "#/components/schemas/Deep"}
WIDE = {"Deep": {"allOf": [DEEP] * 10, "properties": {f"p{i}": DEEP for i in range(10)}}}
TREE = {
    "Deep": {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": DEEP}}}
}


def with_schemas(schemas):
    body = {"content": {"application/json": {"schema": DEEP}}}
    paths = {"/d": {"post": {"operationId": "d", "requestBody": body, "responses": {"200": body}}}}
    return document(paths=paths, components={"schemas": schemas})


def test_a_schema_that_holds_itself_ends():
    api = Api(with_schemas(TREE))
    made = action_of(api, api.operations["d"])
    assert [field["name"] for field in made["fields"]] == ["name", "children"] and made["sample"]["name"] == "text"


HOSTILE = {
    "reference_to_itself": (with_schemas({"Deep": DEEP}), "leads to itself"),
    "reference_in_a_ring": (with_schemas({"Deep": {"$ref": "#/components/schemas/B"}, "B": DEEP}), "leads to itself"),
    "schemas_that_multiply": (with_schemas(WIDE), "too large or refer to each other"),
    "remote_reference": (with_schemas({"Deep": {"$ref": "https://evil.example/x.json"}}), "points outside the document"),
    "file_reference": (with_schemas({"Deep": {"$ref": "/etc/passwd"}}), "points outside the document"),
    "missing_reference": (with_schemas({}), "has no target"),
    "swagger": (b'{"swagger": "2.0"}', "Swagger 2.0"),
    "not_one": (b"[1, 2]", "not an OpenAPI document"),
    "another_version": (document(openapi="4.0.0"), "4.0.0 is not supported"),
    "wrong_type": (document(paths=[1]), "not a valid OpenAPI document"),
    "deep_json": (b'{"openapi":' + b"[" * 200_000, "deep|YAML"),
    "aliases": (b"openapi: 3.0.0\na: &a [1]\nb: *a\n", "Aliases"),
    "too_large": (b" " * 33_000_000, "larger than 32 MB"),
    "local_server": (document(servers=[{"url": "http://localhost"}, {"url": "https://10.0.0.1/x"}, {"url": "/v1"}]), "no public https server"),
    "needs_a_cookie": (document(paths={"/d": {"get": {"operationId": "d", "parameters": [
        {"name": "c", "in": "cookie", "required": True}]}}}), "cookie"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_end_with_a_reason(name):
    source, said = HOSTILE[name]
    with pytest.raises(DocumentError, match=said):
        api = Api(source)
        connector_of(api, ["d"])


def run(*arguments):
    out = io.StringIO()
    call_command("automate_connector_from_openapi", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "openapi.json"
    path.write_bytes(document())
    return path


def test_the_command_lists_and_searches(file):
    assert run(str(file)).splitlines()[:2] == [
        "getItem GET /items/{item-id}  Get an item",
        "create-item POST /items  Create one item. With care.",
    ]
    assert run(str(file), "--search", "items get").splitlines() == ["getItem GET /items/{item-id}  Get an item"]


def test_the_command_writes_a_connector_that_works(file, tmp_path, server, call):
    folder = tmp_path / "shop"
    folder.mkdir()
    target = folder / "connector.yaml"
    assert "written" in run(
        str(file), *("--operation=getItem", "--operation=create-item"), "--code=shop", "-o", str(target)
    )
    adapter = load_connector(target, code="shop")()
    assert (adapter.name, adapter.description) == ("Tiny Shop", "Sells alert(1) things. And more")
    assert adapter.own_hosts({"region": "us"}) == ("us.shop.example",)
    server.answer = lambda asked: (200, {"id": "7", "name": "Anvil"}, {})
    connection = {"token": "k", "region": "eu", "base_url": server.url}
    assert call(adapter, "create_item", {"price": 2, "name": "Anvil"}, connection)["id"] == "7"
    call(adapter, "get_item", {"item_id": "7", "fields": ["a", "b"], "expand": ["c", "d"]}, connection)
    created, found = server.asked
    assert created.json == {"price": 2, "name": "Anvil", "state": "new"} and created.headers["x-key"] == "k"
    assert found.path == "/items/7" and found.query == {"fields[]": ["a", "b"], "expand": ["c,d"]}


def test_what_operations_share_is_written_for_each(file, tmp_path):
    """An example of a schema that two operations answer with: a connector.yaml holds no aliases."""
    shared = copy.deepcopy(DOCUMENT)
    tags = {"type": "array", "items": {"type": "string"}, "example": ["bug", "new"]}
    shared["components"]["schemas"]["Item"]["properties"]["tags"] = tags
    file.write_text(json.dumps(shared))
    target = tmp_path / "connector.yaml"
    run(str(file), "--operation=getItem", "--operation=create-item", "--code=shop", "-o", str(target))
    samples = [action.sample for action in load_connector(target, code="shop")().document.actions]
    assert [sample["tags"] for sample in samples] == [["bug", "new"]] * 2


def test_what_the_command_cannot_do_is_one_line(file, tmp_path):
    for arguments, said in (
        ((str(file), "--operation", "getItems"), "There is no operation 'getItems'"),
        ((str(file), "--operation", "item"), "Similar: getItem, create-item"),
        ((str(tmp_path / "nowhere.json"),), "cannot be read"),
        ((str(file), "--operation", "getItem", "--base-url", "http://x.example"), "begins with https://"),
        ((str(file), "--operation", "getItem", "--code", "Not a code"), "code: Use lowercase"),
        ((str(file), "--operation", "getItem", "-o", str(tmp_path)), "Is a directory"),
    ):
        with pytest.raises(CommandError) as caught:
            run(*arguments)
        assert said in str(caught.value) and "\n" not in str(caught.value) and caught.value.returncode == 2


OVERLAY = """\
format: 1
code: shop
name: Shop
description: Sells things
base_url: https://api.shop.example
openapi: openapi.json
actions:
  - operation: create-item
    name: add_item
    label: Add item
    effect: moves_money
    without: [due, greeting]
    fields:
      - {name: price, label: Price in euros, help: Without tax}
      - {name: note, at: meta.note}
"""


def test_a_file_chooses_operations_and_changes_them(file, tmp_path):
    path = tmp_path / "connector.yaml"
    path.write_text(OVERLAY)
    [action] = load_connector(path).actions
    assert (action.name, action.label, action.moves_money) == ("add_item", "Add item", True)
    assert [field.name for field in action.fields] == ["price", "name", "state", "limit_2", "note"]
    assert (action.fields[0].label, action.fields[0].required, action.fields[0].kind) == (
        "Price in euros",
        True,
        "number",
    )
    for old, new, line, said in (
        ("create-item", "nothing", 8, "There is no operation 'nothing'"),
        ("openapi.json", "gone.json", 6, "gone.json: The file cannot be read"),
        ("openapi.json", "../openapi.json", 6, "names a file in the folder"),
        ("[due,", "[dua,", 12, "no field 'dua'"),
        ("Add item", "[1]", 10, "Expected str, not array"),
    ):
        path.write_text(OVERLAY.replace(old, new, 1))
        with pytest.raises(ConnectorFileError) as caught:
            load_connector(path)
        assert f"line {line}: " in str(caught.value) and said in str(caught.value), str(caught.value)


# --- documents of strangers -------------------------------------------------------------------------------------------


def operation(number, **more):
    return {f"/p{number}": {"get": {"operationId": "same", "responses": {}, **more}}}


def paths_of(number, **more):
    return {
        "openapi": "3.1.0",
        "paths": {name: each for n in range(number) for name, each in operation(n, **more).items()},
    }


def test_operations_of_one_name_are_told_apart_in_one_pass():
    found = list(Api(paths_of(20_000)).operations)
    assert found[:3] == ["same", "same_2", "same_3"] and found[-1] == "same_20000"


def wide(number):
    """A schema whose properties are all itself."""
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    schema = {"type": "object", "properties": {f"p{n}": {"$ref": "#/components/schemas/A"} for n in range(number)}}
    return {**paths_of(200, requestBody=body), "components": {"schemas": {"A": schema}}}


def ring(number):
    """References with many names beside them."""
    beside = {f"x{n}": 1 for n in range(number)}
    chain = {f"S{n}": {"$ref": f"#/components/schemas/S{n + 1}", **beside} for n in range(28)} | {"S28": {}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    return {**paths_of(200, requestBody=body), "components": {"schemas": chain}}


@pytest.mark.parametrize("document", [wide(2_000), ring(20_000)], ids=["wide", "ring"])
def test_the_work_on_a_whole_document_is_limited(document):
    api = Api(document)
    began = time.thread_time()
    with pytest.raises(DocumentError, match="refer to each other too often"):
        for each in list(api.operations.values()):
            action_of(api, each)
    assert time.thread_time() - began < 10


def test_a_document_of_very_many_values_is_refused_before_it_is_read():
    with pytest.raises(DocumentError, match=r"2,?000,?000 values"):
        Api(b'{"openapi": "3.1.0", "x": [' + b"[]," * 2_000_000 + b"[]]}")


# --- whole documents of services --------------------------------------------------------------------------------------

#: A folder of OpenAPI documents, such as api.github.com.json of the npm package @octokit/openapi 23.0.2 (MIT).
DOCUMENTS = "AUTOMATE_TEST_OPENAPI_DOCUMENTS"
CHOSEN = 40  #: operations of a document that become actions of one connector


def whole_documents():
    folder = os.environ.get(DOCUMENTS)
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix in {".json", ".yaml"}) if folder else []
    skipped = pytest.mark.skip(reason=f"{DOCUMENTS} names no folder of whole OpenAPI documents")
    return paths or [pytest.param(None, marks=skipped)]


@pytest.mark.parametrize("path", whole_documents(), ids=lambda path: getattr(path, "name", "none"))
def test_a_whole_document_becomes_a_connector(path, tmp_path):
    """All operations are listed and searched; operations from its beginning to its end become actions that load."""
    listed = [line.split(" ", 1)[0] for line in run(str(path)).splitlines()]
    assert len(listed) == len(set(listed)) > CHOSEN
    chosen = listed[:: len(listed) // CHOSEN][:CHOSEN]
    assert chosen[-1] in run(str(path), "--search", chosen[-1])
    target = tmp_path / "connector.yaml"
    run(str(path), *(f"--operation={name}" for name in chosen), "--code=whole", "-o", str(target))
    adapter = load_connector(target, code="whole")()
    assert len(adapter.actions) == CHOSEN and all(action.label for action in adapter.actions)
