"""What an OpenAPI document suggests but does not say: pages, the idempotency key, the result, fields in objects.

They are proposals for a new connector, which a person checks. `operation: ID` in a file takes none of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from automate_connectors.declared.openapi.actions import action_of, identifier, label_of
from automate_connectors.declared.openapi.operations import overlay
from automate_connectors.declared.openapi.reader import Api, Operation
from automate_connectors.declared.openapi.schemas import Schemas, plain

IDEMPOTENCY_KEY = "idempotency-key"
_LISTS = ("data", "items", "results", "records", "values", "entries", "objects")
_CURSORS = (
    "cursor", "after", "starting_after", "page_token", "pageToken", "next_token", "start_cursor", "page[cursor]",
)  # fmt: skip
_NEXT = (
    "next_cursor", "nextCursor", "next_page_token", "nextPageToken", "next_token", "next", "after", "end_cursor",
)  # fmt: skip
_MORE = ("has_more", "hasMore", "more", "has_next", "hasNext", "has_next_page", "hasNextPage")
_OFFSETS, _PAGES = ("offset", "skip"), ("page", "page_number", "pageNumber", "page[number]")
_SIZES = ("limit", "per_page", "page_size", "pageSize", "max_results", "maxResults", "page[size]")
_MAXIMUM = re.compile(r"\b(?:max(?:imum)?|up to|at most|between 1 and)\D{0,20}?(\d{1,4})\b", re.IGNORECASE)
_OWN_ACCOUNT = frozenset({"me", "self", "whoami", "myself", "account", "user", "profile"})


def propose(api: Api, operation: Operation, made: dict[str, Any], headers: Collection[str] = ()) -> dict[str, Any]:
    """Return what to add to the action `made` of this operation: `pages` or `result` with a sample, and fields.

    `headers` are those that the connector sends with each request: they are no fields.
    """
    opened = {each["name"]: each for each in action_of(api, operation, opened=True).get("fields", [])}
    present = {each["name"]: each for each in made.get("fields", [])}
    sent = {name.lower() for name in headers}
    without = [name for name in present if name not in opened]
    without += [name for name, each in present.items() if _header_of(each) in sent]
    fields = [
        {**({"kind": "text"} if name in present else {}), **each}  # in place of the kind that it has there
        for name, each in opened.items()
        if present.get(name) != each and _header_of(each) not in sent
    ]
    answer = _Answer(api, operation)
    found = answer.pages() if operation.method == "GET" else None
    if found is None:
        proposed = answer.result()
    else:
        pages, replaced = found
        without += [name for name, each in present.items() if each.get("at", name) in replaced]
        proposed = {"pages": pages, "sample": answer.item}
    return proposed | {name: value for name, value in (("without", without), ("fields", fields)) if value}


def _header_of(field: dict[str, Any]) -> str:
    return str(field.get("at", field["name"])).lower() if field.get("in") == "header" else ""


def apply(made: dict[str, Any], proposed: dict[str, Any]) -> dict[str, Any]:
    """Return the action with a proposal."""
    found = overlay(made, proposed)
    return {name: value for name, value in found.items() if name != "fields" or value}


def header_settings(
    api: Api, headers: Mapping[str, dict[str, Any]], taken: Iterable[str]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the headers of each request, and the settings of a connection for those whose value it has to say.

    One that has a single value is a constant.
    """
    schemas, names = Schemas(api), set(taken)
    sent: dict[str, str] = {}
    settings: list[dict[str, Any]] = []
    for header, parameter in headers.items():
        schema = schemas.merged(parameter.get("schema"))
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str):
            sent[header] = values[0]
            continue
        name = identifier(header)
        if name in names:
            name = f"{name}_header"
        names.add(name)
        written = {key: value for key, value in schemas.field(schema).items() if key in {"choices", "default"}}
        if "choices" in written:
            written["kind"] = "choice"
        elif "default" in written:
            written["default"] = str(written["default"])
        help_ = plain(parameter.get("description"))
        sent[header] = f"{{{name}}}"
        settings.append(
            {"name": name, "label": label_of(header), "required": True, **written, **({"help": help_} if help_ else {})}
        )
    return sent, settings


def idempotency_header(api: Api, operations: Iterable[Operation]) -> str:
    """Return the header of the idempotency key as one of the operations writes it; "" where none has one."""
    return next((name for each in operations for name in _key_headers(api, each)), "")


def takes_key(api: Api, operation: Operation) -> bool:
    """Whether the operation sends the idempotency key: one that only reads needs none."""
    return operation.method == "GET" or any(_key_headers(api, operation))


def find_check(actions: Iterable[dict[str, Any]]) -> str:
    """Return the name of an action that reads one's own account without inputs; "" without one."""
    for action in actions:
        reads = action.get("method", "GET") == "GET" and action.get("answer", "json") == "json"
        needs = any(each.get("required") for each in action.get("fields", []))
        if reads and not needs and action["path"].rpartition("/")[2].lower() in _OWN_ACCOUNT:
            return str(action["name"])
    return ""


def _key_headers(api: Api, operation: Operation) -> Iterator[str]:
    for parameter in map(api.mapping, operation.parameters):
        if parameter.get("in") == "header" and str(parameter.get("name")).lower() == IDEMPOTENCY_KEY:
            yield str(parameter["name"])


class _Answer:
    """The answer of an operation, and the parameters that ask for its pages."""

    def __init__(self, api: Api, operation: Operation) -> None:
        self._schemas = Schemas(api)
        responses = api.mapping(operation.source.get("responses"))
        good = next((responses[status] for status in responses if str(status)[:1] == "2"), None)
        content = api.mapping(api.mapping(good).get("content"))
        media = next((content[name] for name in content if "json" in name.lower()), None)
        self._root = self._schemas.merged(api.mapping(media).get("schema")) if media else {}
        self._members = self._properties(self._root)
        self._has_link = any(str(name).lower() == "link" for name in api.mapping(api.mapping(good).get("headers")))
        query = [one for one in map(api.mapping, operation.parameters) if one.get("in") == "query"]
        self._query = {str(one.get("name")): one for one in query}
        self.item: Any = {}

    def pages(self) -> tuple[dict[str, Any], set[str]] | None:
        """Return `pages`, and the parameters that it takes the place of; None where nothing says how to go on."""
        items = self._list()
        if items is None:
            return None
        found = self._way(items)
        if found is None:
            return None
        pages = {**found, **({"items": items} if items else {})}
        used = {found["parameter"]} if "parameter" in found else {*_PAGES, *_CURSORS} & self._query.keys()
        size = self._parameter(_SIZES)
        if size:
            used.add(size)
            if most := self._most(self._query[size]):
                pages["size"] = {"parameter": size, "most": most}
        return pages, used

    def result(self) -> dict[str, Any]:
        """Return `result` for an answer that is one object in another."""
        if len(self._members) != 1:
            return {}
        [(name, schema)] = self._members.items()
        inner = self._schemas.merged(schema, 1)
        if self._schemas.type_of(inner) != "object" or not inner.get("properties"):
            return {}
        return {"result": name, "sample": self._schemas.sample(inner)}

    def _way(self, items: str) -> dict[str, Any] | None:
        more, cursor, token = self._place(_MORE), self._place(_NEXT), self._parameter(_CURSORS)
        ends = {"more": more} if more else {}
        if token and cursor:
            return {"kind": "cursor", "cursor": cursor, "parameter": token, **ends}
        if token in {"after", "starting_after"} and more and isinstance(self.item, dict) and "id" in self.item:
            return {"kind": "cursor", "last_item": "id", "parameter": token, **ends}
        if self._has_link:
            return {"kind": "link"}
        if more and (offset := self._parameter(_OFFSETS)):
            return {"kind": "offset", "parameter": offset, **ends}
        if more and (page := self._parameter(_PAGES)):
            return {"kind": "page", "parameter": page, **ends}
        return None

    def _list(self) -> str | None:
        """Return the place of the list, whose item becomes `item`: the only one, or one with a usual name."""
        if self._schemas.type_of(self._root) == "array":
            lists = {"": self._root}
        else:
            schemas = {name: self._schemas.merged(each, 1) for name, each in self._members.items()}
            lists = {name: each for name, each in schemas.items() if self._schemas.type_of(each) == "array"}
        name = next(iter(lists), None) if len(lists) == 1 else next((each for each in _LISTS if each in lists), None)
        if name is None:
            return None
        self.item = self._schemas.sample(lists[name].get("items"))
        return name if isinstance(self.item, dict) else None

    def _place(self, names: tuple[str, ...]) -> str:
        """Return the path of a member with one of these names, in the answer or one level below."""
        inner = {name: self._properties(self._schemas.merged(each, 1)) for name, each in self._members.items()}
        for outer, members in {"": self._members, **inner}.items():
            for name in names:
                if name in members and self._is_plain(members[name]):
                    return f"{outer}.{name}".lstrip(".")
        return ""

    def _is_plain(self, schema: Any) -> bool:
        return self._schemas.type_of(self._schemas.merged(schema, 1)) not in {"array", "object"}

    def _parameter(self, names: tuple[str, ...]) -> str:
        return next((name for name in names if name in self._query), "")

    def _most(self, parameter: dict[str, Any]) -> int:
        """Return the largest page that the document names; 0 where it names none, and the service has its own."""
        schema = self._schemas.merged(parameter.get("schema"))
        written = _MAXIMUM.search(str(parameter.get("description") or ""))
        known = (schema.get("maximum"), int(written[1]) if written else None, schema.get("default"))
        return next((each for each in known if type(each) is int and each > 0), 0)

    @staticmethod
    def _properties(schema: dict[str, Any]) -> dict[str, Any]:
        members = schema.get("properties")
        return members if isinstance(members, dict) else {}
