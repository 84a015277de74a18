"""The page of Telegram's Bot API in a form for programs: https://github.com/PaulSonOfLars/telegram-bot-api-spec."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.vendors.descriptions import Description

_TYPES = {"Integer": "integer", "String": "string", "Boolean": "boolean", "Float": "number", "True": "boolean"}


def read_page(path: Path) -> Description:
    """Read the types and methods; each method can be called by GET and by POST."""
    document = json.loads(path.read_text(encoding="utf-8"))
    schemas = {
        name: {
            "type": "object",
            "properties": {one["name"]: _schema(one["types"]) for one in each.get("fields", [])},
            "anyOf": [{"$ref": f"#/schemas/{inner}"} for inner in each.get("subtypes", [])],
        }
        for name, each in document["types"].items()
    }
    paths: dict[str, Any] = {"/file/bot{token}/{file_path}": {"get": {}}}
    paths |= {f"/bot{{token}}/{name}": _operations(method) for name, method in document["methods"].items()}
    return Description({"paths": paths, "schemas": schemas})


def _operations(method: dict[str, Any]) -> dict[str, Any]:
    fields = method.get("fields", [])
    members = {one["name"]: _schema(one["types"]) for one in fields}
    required = [one["name"] for one in fields if one.get("required")]
    answer = {"type": "object", "properties": {"ok": {"type": "boolean"}, "result": _schema(method["returns"])}}
    body = {"type": "object", "properties": members, "required": required}
    shared = {"responses": {"200": {"content": {"application/json": {"schema": answer}}}}}
    query = [{"name": n, "in": "query", "required": n in required, "schema": one} for n, one in members.items()]
    return {
        "get": {**shared, "parameters": query},
        "post": {**shared, "requestBody": {"content": {"application/json": {"schema": body}}}},
    }


def _schema(types: Iterable[str]) -> dict[str, Any]:
    found = []
    for written in types:
        name = written.replace("Array of ", "")
        one: dict[str, Any] = {"type": _TYPES[name]} if name in _TYPES else {"$ref": f"#/schemas/{name}"}
        for _ in range(written.count("Array of ")):
            one = {"type": "array", "items": one}
        found.append(one)
    return found[0] if len(found) == 1 else {"anyOf": found}
