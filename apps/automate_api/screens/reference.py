"""The reference of the API: every operation with its parameters and schemas, and a form that sends it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automate_governance.admin_site import reverse
from automate_ui.navigation.admin_pages import render_page

_MOST_DEPTH = 3


@dataclass(frozen=True, kw_only=True)
class Member:
    """A parameter, or a member of a JSON document by its path. `place` is path, query or header."""

    name: str
    kind: str
    required: bool
    description: str
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation. `example` is a body to begin with, empty where none is sent."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Member, ...]
    body: tuple[Member, ...]
    example: str
    status: str
    answer: tuple[Member, ...]


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The page. Its document is built once in a process."""
    try:
        root = reverse("automate_api:api-root")
    except NoReverseMatch as error:
        raise Http404 from error  # the project has the screens alone
    return render_page(
        request,
        "automate_api/reference/page.html",
        _("API reference"),
        groups=operation_groups(root),
        document_url=reverse("automate_api:openapi-json"),
    )


@cache
def operation_groups(prefix: str) -> list[tuple[str, list[Operation]]]:
    """The operations by their tags, in the order of their paths."""
    from automate_api.v1.api import api

    document = api.get_openapi_schema(path_prefix=prefix)
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            [tag] = operation["tags"]
            groups.setdefault(tag, []).append(_operation(document, method.upper(), path, operation))
    return sorted(groups.items())


def _operation(document: Mapping[str, Any], method: str, path: str, found: Mapping[str, Any]) -> Operation:
    body = _content_schema(found.get("requestBody", {}))
    status = min(status for status in found["responses"] if status != "default")
    answer = _content_schema(found["responses"][status])
    return Operation(
        id=found["operationId"],
        method=method,
        path=path,
        summary=found["summary"],
        description=found["description"],
        parameters=tuple(
            Member(
                name=each["name"],
                kind=_kind(document, each["schema"]),
                required=each.get("required", False),
                description=each.get("description", ""),
                place=each["in"],
            )
            for each in found.get("parameters", ())
        ),
        body=tuple(_members(document, body)),
        example=json.dumps(_example(document, body), indent=2, default=str) if body else "",
        status=status,
        answer=tuple(replace(each, required=False) for each in _members(document, answer)),
    )


def _content_schema(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    content = holder.get("content", {})
    found: Mapping[str, Any] = content.get("application/json", {}).get("schema", {})
    return found


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind references, and without null beside a single type."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        elif len(others := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]) == 1:
            schema = others[0]
        else:
            return schema


def _members(
    document: Mapping[str, Any], schema: Mapping[str, Any], before: str = "", depth: int = 0
) -> Iterator[Member]:
    """The members of an object by their paths: `items[].id`."""
    schema = _resolved(document, schema)
    for name, each in schema.get("properties", {}).items():
        path = f"{before}{name}"
        description = each.get("description", "")
        required = name in schema.get("required", ())
        yield Member(name=path, kind=_kind(document, each), required=required, description=description)
        inner = _resolved(document, each)
        if inner.get("type") == "array":
            path, inner = f"{path}[]", _resolved(document, inner.get("items", {}))
        if depth < _MOST_DEPTH and inner.get("properties"):
            yield from _members(document, inner, f"{path}.", depth + 1)


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The type of a value in JSON's words, or its values."""
    schema = _resolved(document, schema)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"{_kind(document, schema.get('items', {}))}[]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_kind(document, each) for each in schema["anyOf"]))
    return str(schema.get("format") or schema.get("type") or "any")


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A document to begin with: required members, and those that have an example or a default."""
    schema = _resolved(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    match schema.get("type"):
        case "object":
            named = schema.get("properties", {}).items()
            wanted = schema.get("required", ())
            shown = {name: each for name, each in named if name in wanted or each.keys() & {"default", "examples"}}
            return {name: _example(document, each) for name, each in shown.items()}
        case "array":
            return []
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case "string":
            return next(iter(schema.get("enum", ())), "")
    return {}
