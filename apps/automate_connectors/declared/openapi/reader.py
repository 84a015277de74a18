"""OpenAPI documents of versions 3.0 and 3.1: their operations, with local references alone, bounded in size and depth.

Source: https://spec.openapis.org/oas/v3.1.1. Nothing is fetched: a reference to another document is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from automate_connectors.declared.yaml_files import DocumentError, read_document, work_limit
from automate_plugins import text

MAX_BYTES = 32_000_000
MAX_OPERATIONS = 50_000
MAX_REFERENCES = 30  #: in a row
MAX_WORK = 2_000_000  #: schemas and members of them that are looked at, in the whole document
METHODS = ("get", "post", "put", "patch", "delete")


class Server(msgspec.Struct, frozen=True):
    """An address of the API, which may have variables in braces."""

    url: str = ""
    variables: dict[str, dict[str, Any]] = {}


class Info(msgspec.Struct, frozen=True):
    """What the API is called."""

    title: str = ""
    description: str = ""
    version: str | float | int | None = None


class _Whole(msgspec.Struct, frozen=True):
    openapi: str | float
    info: Info = Info()
    servers: list[Server] = []
    paths: dict[str, Any] = {}
    security: list[dict[str, Any]] = []


msgspec.json.Decoder(_Whole)  # resolves its types before threads do so, which msgspec does not survive


@dataclass(frozen=True)
class Operation:
    """One operation. `source` is its part of the document, `parameters` those of its path as well."""

    id: str
    method: str
    path: str
    source: dict[str, Any]
    parameters: list[Any]

    @property
    def summary(self) -> str:
        """One line for people; "" where the document has none."""
        written = self.source.get("summary") or self.source.get("description") or ""
        return " ".join(str(written).split())


class Api:
    """A document: its text, or the value that was read from it.

    Raises DocumentError for what is no OpenAPI document of version 3.0 or 3.1.
    """

    def __init__(self, source: Any) -> None:
        value = read_document(source, max_bytes=MAX_BYTES) if isinstance(source, bytes) else source
        if isinstance(value, dict) and "swagger" in value:
            raise DocumentError(text("Swagger 2.0 documents are not supported. Convert the document to OpenAPI 3."))
        if not isinstance(value, dict) or "openapi" not in value:
            raise DocumentError(text("This is not an OpenAPI document: the name openapi is missing."))
        try:
            whole = msgspec.convert(value, _Whole)
        except msgspec.ValidationError as error:
            raise DocumentError(text("This is not a valid OpenAPI document: %(reason)s", reason=str(error))) from error
        self.version = str(whole.openapi)
        if not self.version.startswith(("3.0", "3.1")):
            raise DocumentError(text("OpenAPI %(version)s is not supported. Use 3.0 or 3.1.", version=self.version))
        self.info, self.servers, self.security = whole.info, whole.servers, whole.security
        self._value = value
        self._paths = whole.paths
        self.work = work_limit(
            MAX_WORK, text("The parts of the document are too large or refer to each other too often.")
        )

    def as_json(self) -> bytes:
        """The whole document as JSON. Raises DocumentError for one that JSON cannot hold."""
        try:
            return msgspec.json.encode(self._value)
        except (ValueError, OverflowError, TypeError) as error:
            raise DocumentError(text("This is not a valid OpenAPI document: %(reason)s", reason=str(error))) from error

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """The operations by their ids, in the order of the document. Raises DocumentError."""
        found: dict[str, Operation] = {}
        numbers: dict[str, int] = {}  # the next one of an id that occurs again
        for operation in self._operations():
            self.work.spend()
            name, number = operation.id, numbers.get(operation.id, 2)
            while name in found:
                name, number = f"{operation.id}_{number}", number + 1
                self.work.spend()
            numbers[operation.id] = number
            found[name] = operation
            if len(found) > MAX_OPERATIONS:
                raise DocumentError(text("The document has more than %(maximum)s operations.", maximum=MAX_OPERATIONS))
        return found

    def search(self, words: str) -> dict[str, Operation]:
        """Return the operations that have each of the words in their id, path, summary or tags."""
        wanted = words.lower().split()
        return {
            name: each
            for name, each in self.operations.items()
            if all(word in f"{name} {each.path} {each.summary} {each.source.get('tags')}".lower() for word in wanted)
        }

    def resolve(self, value: Any) -> Any:
        """Return a value, or what its local reference leads to. Raises DocumentError."""
        for _ in range(MAX_REFERENCES):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str):
                return value
            self.work.spend(1 + len(value))
            others = {name: each for name, each in value.items() if name not in {"$ref", "summary", "description"}}
            value = self._at(reference)
            if others and isinstance(value, dict):
                self.work.spend(len(value))
                value = {**value, **others}
        raise DocumentError(
            text("A reference leads to itself, or through more than %(maximum)s others.", maximum=MAX_REFERENCES)
        )

    def mapping(self, value: Any) -> dict[str, Any]:
        """Return a mapping, or what its reference leads to; an empty one for anything else. Raises DocumentError."""
        found = self.resolve(value)
        return found if isinstance(found, dict) else {}

    @property
    def schemes(self) -> dict[str, Any]:
        """The security schemes."""
        components = self._value.get("components")
        return self.mapping(components.get("securitySchemes")) if isinstance(components, dict) else {}

    def _operations(self) -> Iterator[Operation]:
        for path, item in self._paths.items():
            item = self.mapping(item)
            shared = item.get("parameters")
            for method in METHODS:
                source = item.get(method)
                if not isinstance(source, dict):
                    continue
                own = source.get("parameters")
                given = source.get("operationId")
                name = given if isinstance(given, str) and given else f"{method} {path}"
                both = [*(shared if isinstance(shared, list) else ()), *(own if isinstance(own, list) else ())]
                yield Operation(id=name, method=method.upper(), path=path, source=source, parameters=both)

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#"):
            shown = reference[:200]
            raise DocumentError(text("The reference %(value)s points outside the document.", value=repr(shown)))
        found: Any = self._value
        for part in reference.removeprefix("#").removeprefix("/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                raise DocumentError(text("The reference %(value)s has no target.", value=repr(reference[:200])))
        return found
