"""The requests of a declared connector as flat values: what is sent where, and which paths are read in the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automate_connectors.declared.document import ActionPart, Document, Where
from automate_connectors.declared.requests import method_of, where_of


@dataclass(frozen=True)
class Sent:
    """A value of a request. `name` is that on the wire, dotted in a body; `value` that of a constant."""

    where: str
    name: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    value: Any = None


@dataclass(frozen=True)
class Read:
    """A path that is read in an answer; of lists, in each item."""

    what: str
    path: str
    in_item: bool = False


@dataclass(frozen=True)
class Request:
    """A request of an action."""

    document: Document
    action: ActionPart

    @property
    def method(self) -> str:
        """Its method, in lower case."""
        return method_of(self.action).value.lower()

    @property
    def address(self) -> str:
        """Its address, with names in braces."""
        return (self.action.base_url or self.document.base_url) + self.action.path

    def sent(self) -> Iterator[Sent]:
        """Yield all values outside of the path."""
        action = self.action
        for field in action.fields:
            where = where_of(action, field)
            if where not in {Where.PATH, Where.MESSAGE}:
                name = field.name if field.at is None else field.at
                inner = ["0", field.each] if field.each else []
                kind = "text" if field.template or field.chunks else field.kind.value
                yield Sent(where.value, ".".join([*filter(None, [name]), *inner]), kind, tuple(field.choices))
        constants = action.constants
        yield from (Sent("query", name, value=value) for name, value in constants.query.items())
        yield from (Sent("header", name, value=value) for name, value in constants.headers.items())
        yield from (Sent("body", name, value=value) for name, value in _leaves(constants.body, ""))
        yield from (Sent("body", place) for place in (action.message_at, action.key_at) if place)
        pages = action.pages
        if pages is not None:
            parameters = [pages.parameter, pages.size.parameter if pages.size else ""]
            yield from (
                Sent(pages.where, name, "integer" if i else "text") for i, name in enumerate(parameters) if name
            )

    def read(self) -> Iterator[Read]:
        """Yield the paths that are read in the answer."""
        action, pages = self.action, self.action.pages
        if action.result:
            yield Read("result", action.result)
        if pages is not None:
            yield from (Read("pages", path) for path in (pages.items, pages.cursor, pages.more) if path)
            if pages.last_item:
                yield Read("last_item", pages.last_item, in_item=True)
        yield from (Read("select", path, in_item=True) for path in action.select.values())
        for poll in self.document.polls:
            if poll.action == action.name and not poll.rows:
                ids = [poll.id] if isinstance(poll.id, str) else poll.id
                for path in filter(None, [*ids, poll.time, poll.version]):
                    if "{" not in path:
                        yield Read(f"poll {poll.name}", path, in_item=True)
        if isinstance(action.sample, dict) and not action.select:
            yield from (Read("sample", name, in_item=True) for name in action.sample)


def requests_of(document: Document) -> list[Request]:
    """Return the requests of all actions, hidden ones too."""
    return [Request(document, action) for action in document.actions]


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield the plain values of a body with their places; of lists of mappings, at the first item."""
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, f"{place}.{name}".strip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for each in value:
            yield from _leaves(each, f"{place}.0".strip("."))
    elif place and value is not None:
        yield place, value
