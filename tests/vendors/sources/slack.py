"""The methods of Slack's Web API, as its Python SDK calls them: names and types of what is sent, no answers."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from tests.vendors.descriptions import Description

_TYPES = {"bool": "boolean", "int": "integer", "str": "string", "float": "number"}


def read_client(path: Path) -> Description:
    """Read the functions of the client that call a method."""
    functions = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.FunctionDef)]
    paths: dict[str, Any] = {}
    for function in functions:
        for call in ast.walk(function):
            is_call = isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "api_call" and call.args
            if is_call and isinstance(call.args[0], ast.Constant):
                paths[f"/api/{call.args[0].value}"] = _operations(function)
    return Description({"paths": paths})


def _operations(function: ast.FunctionDef) -> dict[str, Any]:
    arguments = function.args
    types = {one.arg: ast.unparse(one.annotation) for one in [*arguments.args, *arguments.kwonlyargs] if one.annotation}
    members = {name: _schema(written) for name, written in types.items()}
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required = [one.arg for one, default in pairs if default is None and "Optional" not in types.get(one.arg, "")]
    query = [{"name": n, "in": "query", "required": n in required, "schema": one} for n, one in members.items()]
    body = {"type": "object", "properties": members, "required": required}
    return {
        "get": {"parameters": query},
        "post": {"requestBody": {"content": {"application/json": {"schema": body}}}},
    }


def _schema(written: str) -> dict[str, Any]:
    if any(word in written for word in ("Sequence", "List", "list", "Union")):
        return {}
    return next(({"type": kind} for word, kind in _TYPES.items() if word in written), {})
