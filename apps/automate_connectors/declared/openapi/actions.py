"""Actions of a `connector.yaml` from the operations of an OpenAPI document: what can be written as fields, is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from automate_connectors.declared.openapi.reader import Api, Operation
from automate_connectors.declared.openapi.schemas import Property, Schemas, one_line, plain
from automate_connectors.declared.yaml_files import DocumentError
from automate_plugins import text
from automate_plugins.fields import FieldKind

_OPENED = 2  #: levels of objects in a body whose members become fields
MAX_FIELDS = 60  #: of one action; further properties of a body go into one mapping
_BODIES = {
    "application/json": "json",
    "application/merge-patch+json": "merge_patch",
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}
#: Headers that the platform sends itself (https://spec.openapis.org/oas/v3.1.1#parameter-object names the first three).
_OWN_HEADERS = {"accept", "content-type", "authorization", "idempotency-key", "user-agent", "host", "content-length"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_RESERVED = {"limit"}


def find_operation(api: Api, name: str) -> Operation:
    """Return the operation of an id, or of `METHOD /path`. Raises DocumentError with similar names."""
    found = api.operations.get(name)
    if found is None:
        method, _, path = name.partition(" ")
        found = next((o for o in api.operations.values() if o.method == method.upper() and o.path == path), None)
    if found is None:
        similar = list(api.search(name))[:5]
        if similar:
            raise DocumentError(
                text("There is no operation %(name)s. Similar: %(known)s.", name=repr(name), known=", ".join(similar))
            )
        raise DocumentError(text("There is no operation %(name)s.", name=repr(name)))
    return found


def action_of(api: Api, operation: Operation, *, taken: Iterable[str] = (), opened: bool = False) -> dict[str, Any]:
    """Return an action as `connector.yaml` holds it, without proposals. `taken` are names of other actions.

    `opened` makes fields of the members of objects in the body, and a list of what may be one text or several.
    Raises DocumentError for an operation that needs what the format does not have.
    """
    return _Writer(api, operation, opened=opened).action(set(taken))


def shared_headers(api: Api, operations: Iterable[Operation]) -> dict[str, dict[str, Any]]:
    """Return the headers that each of several operations requires, with their parameters."""
    shared: dict[str, dict[str, Any]] = {}
    for index, operation in enumerate(operations):
        found = {
            str(one["name"]): one
            for one in map(api.mapping, operation.parameters)
            if one.get("in") == "header" and one.get("required") is True and one.get("name")
        }
        shared = {name: one for name, one in shared.items() if name in found} if index else found
        if not shared:
            break
    return {name: one for name, one in shared.items() if name.lower() not in _OWN_HEADERS}


def identifier(written: str, most: int = 50) -> str:
    """Return a name in lower case with underscores, which begins with a letter."""
    words = [word.lower() for word in _WORDS.findall(written)]
    found = "_".join(words)[:most].strip("_")
    return found if found[:1].isalpha() else f"x_{found}".strip("_")


def label_of(name: str) -> str:
    """Return a label made of a name."""
    words = " ".join(word if word.isupper() else word.lower() for word in _WORDS.findall(name)) or name
    return words[:1].upper() + words[1:]


class _Writer:
    def __init__(self, api: Api, operation: Operation, *, opened: bool) -> None:
        self._api, self._operation, self._schemas = api, operation, Schemas(api)
        self._opened = opened
        self._names: set[str] = set(_RESERVED)
        address = operation.path.partition("#")[0]  # some documents tell operations of one path apart by it
        self._path, _, query = address.partition("?")
        self._constants = dict(parse_qsl(query))
        self._fields: list[dict[str, Any]] = []

    def action(self, taken: set[str]) -> dict[str, Any]:
        operation = self._operation
        name = base = identifier(operation.id)
        number = 2
        while name in taken:
            name, number = f"{base[:46]}_{number}", number + 1
        label = plain(operation.source.get("summary"), 60).rstrip(".") or label_of(base)
        made: dict[str, Any] = {"name": name, "label": label}
        if description := plain(operation.source.get("description")):
            made["description"] = description
        if operation.method != "GET":
            made["method"] = operation.method
        self._parameters()
        body = self._body()
        made |= {"path": self._path, **body}
        if self._constants:
            made["constants"] = {"query": self._constants}
        if self._fields:
            made["fields"] = self._fields
        return made | self._answer()

    def _parameters(self) -> None:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for parameter in self._operation.parameters:
            one = self._api.mapping(parameter)
            if isinstance(one.get("name"), str) and isinstance(one.get("in"), str):
                found[one["in"], one["name"]] = one
        written = set(_PLACEHOLDER.findall(self._path))
        for name in written - {name for place, name in found if place == "path"}:
            found["path", name] = {"name": name, "in": "path", "schema": {"type": "string"}}
        for (place, name), one in sorted(found.items(), key=lambda each: each[0][0] != "path"):
            self._parameter(place, name, one, written)

    def _parameter(self, place: str, name: str, one: dict[str, Any], written: set[str]) -> None:
        if place == "header" and name.lower() in _OWN_HEADERS:
            return
        required = one.get("required") is True or place == "path"
        if place not in {"path", "query", "header"} or (place == "path" and name not in written):
            if required and place != "path":
                raise self._refusal(text("it needs a cookie"))
            return
        content = list(self._api.mapping(one.get("content")).values())
        schema = one.get("schema") or (self._api.mapping(content[0]).get("schema") if content else {})
        field = self._field(name, schema, one.get("description"), required=required)
        if field.get("kind") == FieldKind.FILE:
            field.pop("kind")
        if place == "path":
            field.pop("kind", None) if field.get("kind") in {"list", "mapping", "json"} else None
            field.pop("at", None)
            self._path = self._path.replace(f"{{{name}}}", f"{{{field['name']}}}")
        elif place == "header":
            field["in"] = "header"
        else:
            if self._operation.method not in {"GET", "DELETE"}:
                field["in"] = "query"
            if field.get("kind") == "list" and one.get("explode") is False:
                field["arrays"] = "comma"
        self._fields.append(field)

    def _body(self) -> dict[str, Any]:
        body = self._api.mapping(self._operation.source.get("requestBody"))
        content = self._api.mapping(body.get("content"))
        if not content:
            return {}
        media, kind = self._media(content)
        schema = self._api.mapping(content[media]).get("schema")
        required = body.get("required") is True
        if kind == "file":
            self._fields.append({**self._named("file"), "kind": "file", "in": "file", "required": True})
            return {"body": "file"}
        properties = self._schemas.properties(schema)
        is_flat = properties is not None and all("." not in each.name and each.name for each in properties)
        if properties == []:
            return {}
        if properties is None or not is_flat:
            shape = self._schemas.type_of(self._schemas.merged(schema))
            named = self._named("body", label="Body")
            self._fields.append(
                {**named, "kind": "mapping" if shape == "object" else "json", "at": "", **_if(required)}
            )
        else:
            self._flat(properties, kind, required)
        for field in self._fields:
            if "in" not in field and self._operation.method == "DELETE" and "at" in field:
                field["in"] = "body"
        return {"body": kind} if kind != "json" else {}

    def _flat(self, properties: list[Property], kind: str, body_required: bool) -> None:
        space = MAX_FIELDS - len(self._fields)
        placed: list[tuple[tuple[str, ...], Property]] = [((each.name,), each) for each in properties]
        if self._opened and kind in {"json", "merge_patch"}:
            inner = list(self._members(properties))
            placed = inner if len(inner) <= space else placed
        ordered = sorted(placed, key=lambda each: not each[1].required)
        outer = len(properties) == 1  # an object around all the others says nothing
        for path, each in ordered[:space]:
            field = self._field(each.name, each.schema, each.schema.get("description"), required=each.required)
            if len(path) > 1:
                self._names.discard(field["name"])
                field |= {**self._named(" ".join(path[outer:])), "at": ".".join(path)}
            if field.get("kind") == FieldKind.FILE:
                field |= {"in": "file"} if kind == "multipart" else {"kind": "long_text"}
            elif self._operation.method in {"GET", "DELETE"}:
                field["in"] = "body"
            self._fields.append(field)
        if len(ordered) > space:
            self._fields.append(
                {**self._named("more", label=text("More fields")), "kind": "mapping", "at": "", "in": "body"}
            )

    def _members(
        self, properties: list[Property], path: tuple[str, ...] = (), *, required: bool = True
    ) -> Iterator[tuple[tuple[str, ...], Property]]:
        """Yield the properties with their places, and the members of objects in place of them, down to two levels."""
        for each in properties:
            place, needed = (*path, each.name), required and each.required
            inner = self._schemas.properties(each.schema) if len(place) <= _OPENED else None
            if inner and all(one.name and "." not in one.name for one in inner):
                yield from self._members(inner, place, required=needed)
            else:
                yield place, replace(each, required=needed)

    def _media(self, content: dict[str, Any]) -> tuple[str, str]:
        for wanted, kind in _BODIES.items():
            for media in content:
                name = media.partition(";")[0].strip().lower()
                if name == wanted or (wanted == "application/json" and name.endswith("+json") and "patch" not in name):
                    return media, kind
        media = next(iter(content))
        if "json" in media or media == "*/*":
            return media, "json"
        return media, "file"

    def _field(self, name: str, schema: Any, description: Any, *, required: bool) -> dict[str, Any]:
        made = self._named(name)
        if help_ := plain(description):
            made["help"] = help_
        made |= self._schemas.field(schema)
        if self._opened and self._schemas.takes_texts(schema):
            made["kind"] = FieldKind.LIST.value
        choices = made.get("choices", [])
        if self._opened and required and len(choices) == 1:
            made["default"] = choices[0]
        return made | _if(required)

    def _named(self, name: str, label: str = "") -> dict[str, Any]:
        """Return `name` and `label` of a field, and `at` where it is called otherwise in the request."""
        found = base = identifier(name)
        number = 2
        while found in self._names:
            found, number = f"{base}_{number}", number + 1
        self._names.add(found)
        return {"name": found, "label": label or label_of(name), **({"at": name} if found != name else {})}

    def _answer(self) -> dict[str, Any]:
        responses = self._api.mapping(self._operation.source.get("responses"))
        good = [status for status in responses if str(status)[:1] == "2"] or [s for s in responses if s == "default"]
        content = self._api.mapping(self._api.mapping(responses.get(good[0])).get("content")) if good else {}
        media = next((each for each in content if "json" in each.lower() or each == "*/*"), None)
        if media is None:
            if not content:
                return {"answer": "none"}
            return {"answer": "text" if next(iter(content)).startswith("text/") else "file"}
        given = self._api.mapping(content[media])
        sample = given.get("example")
        if sample is None or len(str(sample)) > 2_000:
            sample = self._schemas.sample(given.get("schema"))
        return {"sample": sample} if isinstance(sample, dict | list) else {"sample": {}}

    def _refusal(self, reason: str) -> DocumentError:
        name = self._operation.id
        return DocumentError(text("The operation %(name)s cannot be used: %(reason)s.", name=name, reason=reason))


def _if(required: bool) -> dict[str, Any]:
    return {"required": True} if required else {}


def listing(api: Api, search: str = "") -> Iterator[str]:
    """Yield a line for each operation: its id, method, path and summary."""
    for name, operation in (api.search(search) if search else api.operations).items():
        shown = plain(operation.summary, 80)
        yield one_line(f"{name} {operation.method} {operation.path}") + (f"  {shown}" if shown else "")
