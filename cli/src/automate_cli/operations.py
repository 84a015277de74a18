"""The operations of a server's API, as its OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automate_cli.client import Client
from automate_cli.errors import BadInputError, UnreachableError
from automate_cli.servers import PREFIX, path_of

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation. `places` says where each of its parameters belongs: path, query or header."""

    name: str
    method: str
    path: str  #: below the API's prefix, such as /runs/{run_id}
    summary: str
    places: Mapping[str, str]
    required: frozenset[str]
    takes_body: bool
    answers_json: bool
    streams: bool


@dataclass
class Call:
    """What is sent for an operation."""

    path: str
    query: dict[str, Sequence[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def read_operations(client: Client) -> dict[str, Operation]:
    """The operations of the client's server by their `operationId`. Raises RejectedError, UnreachableError."""
    try:
        return {each.name: each for each in _operations(client.get("/openapi.json"))}
    except (AttributeError, KeyError, TypeError):
        raise UnreachableError(f"{client.server} does not describe its API by an OpenAPI document.") from None


def call_of(operation: Operation, given: Mapping[str, Sequence[str]]) -> Call:
    """The call with those values of its parameters. Raises BadInputError."""
    known = ", ".join(operation.places) or "none"
    if unknown := given.keys() - operation.places.keys():
        raise BadInputError(f"{operation.name} has no parameter {min(unknown)}. It has: {known}.")
    if missing := operation.required - given.keys():
        raise BadInputError(f"{operation.name} needs --param {min(missing)}=VALUE.")
    values = {name: each[-1] for name, each in given.items()}
    parts = operation.path.strip("/").split("/")
    call = Call(path_of(*(values[part[1:-1]] if part.startswith("{") else part for part in parts)))
    for name, each in given.items():
        match operation.places[name]:
            case "query":
                call.query[name] = each
            case "header":
                call.headers[name] = values[name]
    return call


def _operations(document: Any) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            if method not in METHODS or PREFIX not in path:
                continue
            parameters = described.get("parameters", [])
            answers = {kind for each in described["responses"].values() for kind in each.get("content", ())}
            yield Operation(
                name=described["operationId"],
                method=method.upper(),
                path=path.partition(PREFIX)[2],
                summary=described.get("summary", ""),
                places={each["name"]: each["in"] for each in parameters},
                required=frozenset(each["name"] for each in parameters if each.get("required")),
                takes_body="requestBody" in described,
                answers_json="application/json" in answers,
                streams="text/event-stream" in answers,
            )
