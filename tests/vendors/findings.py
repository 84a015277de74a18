"""What a request has that the vendor's description has not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.vendors.descriptions import Description, Operation, Schema
from tests.vendors.requests import Read, Request, Sent

_TYPES = {
    "integer": {"integer", "number", "string"},
    "number": {"number", "integer", "string"},
    "boolean": {"boolean", "string"},
    "list": {"array", "string"},
    "mapping": {"object", "string"},
    "text": {"string", "integer", "number"},
    "long_text": {"string"},
}


def find_faults(request: Request, descriptions: Iterable[Description]) -> list[str]:
    """Return a line for each finding about a request, in the first description that has its path."""
    methods: list[str] = []
    for description in descriptions:
        found = description.find(request.method, request.address)
        if isinstance(found, Operation):
            return [f"{request.action.name}: {line}" for line in _compare(request, found)]
        methods += found
    known = f" with this method; known: {', '.join(methods)}" if methods else ""
    return [f"{request.action.name}: {request.method.upper()} {request.address} is unknown{known}"]


def _compare(request: Request, operation: Operation) -> Iterator[str]:
    if operation.source.get("deprecated"):
        yield f"{operation.name} is deprecated"
    values = [sent for sent in request.sent() if sent.where != "file"]
    for sent in values:
        found = _place(sent, operation)
        if isinstance(found, str):
            yield found
        elif found is not None:
            yield from _types(sent, found)
    yield from _missing(request, operation, values)
    answer = operation.answer
    if answer is not None and request.action.answer == "json":
        for read in request.read():
            if not _is_there(request, read, operation.description, answer):
                yield f"{read.what} {read.path!r} is not in the answer"


def _place(sent: Sent, operation: Operation) -> list[Schema] | str | None:
    """Return the schemas of a value, None where it has none, or what is wrong with its place."""
    description, body = operation.description, operation.body
    if sent.where == "body":
        if body is None:
            return f"{sent.name} is sent in a body, and the operation has none"
        schemas = description.at(body, sent.name)
        if schemas is None:
            is_query = ("query", sent.name) in operation.parameters
            return f"{sent.name} is not in the body{', but in the query' if is_query else ''}"
        unusable = next((name for name in ("readOnly", "deprecated") if any(one.get(name) for one in schemas)), "")
        return f"{sent.name} is {unusable}" if unusable else schemas
    bare = re.sub(r"\[\d*\]$", "", sent.name)
    names = (sent.name, bare, f"{bare}[]", sent.name.split("[")[0])
    known = next((operation.parameters[sent.where, n] for n in names if (sent.where, n) in operation.parameters), None)
    if known is None and sent.where == "header":
        return None
    if known is None:
        is_body = body is not None and description.at(body, sent.name)
        return f"{sent.name} is not in the query{', but in the body' if is_body else ''}"
    return f"{sent.name} is deprecated" if known.get("deprecated") else description.variants(known.get("schema", known))


def _types(sent: Sent, schemas: list[Schema]) -> Iterator[str]:
    types = {kind for one in schemas for kind in _listed(one.get("type"))}
    within = [*schemas, *(one["items"] for one in schemas if isinstance(one.get("items"), dict))]
    known = {str(value) for one in within for value in _listed(one.get("enum"))}
    known |= {str(one["const"]) for one in schemas if "const" in one}
    fitting = _TYPES.get(sent.kind, types)
    if types and not types & fitting and sent.value is None:
        yield f"{sent.name} is {sent.kind}, and the API takes {', '.join(sorted(types))}"
    given = {*sent.choices, *([sent.value] if isinstance(sent.value, str) else [])}
    if known and types <= {"string", "integer"} and (unknown := {value for value in given if value} - known):
        yield f"{sent.name} is {', '.join(sorted(unknown))}, and the API knows {', '.join(sorted(known)[:25])}"


def _missing(request: Request, operation: Operation, values: Iterable[Sent]) -> Iterator[str]:
    given = {(sent.where, sent.name.split(".")[0] if sent.where == "body" else sent.name) for sent in values}
    given |= {("body", field.at or field.name) for field in request.action.fields if field.kind == "file"}
    for (place, name), one in operation.parameters.items():
        if place == "query" and one.get("required") and ("query", name) not in given:
            yield f"{name} is required in the query"
    body = operation.description.resolve(operation.body)
    if ("body", "") in given or any(name in body for name in ("oneOf", "anyOf")):
        return
    for schema in operation.description.variants(body):
        for name in _listed(schema.get("required")):
            if ("body", name) not in given:
                yield f"{name} is required in the body"


def _is_there(request: Request, read: Read, description: Description, answer: Schema) -> bool:
    pages, root = request.action.pages, request.action.result
    if not read.in_item:
        return description.at(answer, read.path) is not None
    places = [[root, read.path], [root, "0", read.path]] if pages is None else [[pages.items, "0", read.path]]
    return any(description.at(answer, ".".join(filter(None, place))) is not None for place in places)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
