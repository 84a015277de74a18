"""The GraphQL texts of connectors against the vendor's schema: https://github.com/linear/linear, `schema.graphql`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import graphql
import pytest

from automate_connectors.declared.parsing import parse
from automate_connectors.registry import connectors
from tests.vendors.requests import Request, requests_of

SCHEMA = """
type Query { issue(id: ID!): Issue }
type Mutation { create(input: Input!): Issue }
type Issue { id: ID! title: String }
input Input { title: String! state: State }
enum State { OPEN CLOSED }
"""


def find_faults(request: Request, schema: graphql.GraphQLSchema) -> list[str]:
    """Return what is wrong with the text of a request, and with the variables that it is sent."""
    sent = [each for each in request.sent() if each.where == "body"]
    source = next((each.value for each in sent if each.name == "query"), None)
    if source is None:
        return []
    document = graphql.parse(source)
    lines = [error.message for error in graphql.validate(schema, document)]
    [operation] = document.definitions
    variables = {each.variable.name.value: each for each in operation.variable_definitions or ()}
    names = [each.name.split(".")[1:] for each in sent if each.name.startswith("variables.")]
    lines += [f"${path[0]} is not declared" for path in names if path[0] not in variables]
    given = {path[0] for path in names}
    lines += [
        f"${name} is required"
        for name, each in variables.items()
        if isinstance(each.type, graphql.NonNullTypeNode) and name not in given and each.default_value is None
    ]
    for path in names:
        if path[0] in variables:
            lines += _members(graphql.type_from_ast(schema, variables[path[0]].type), path)
    return [f"{request.action.name}: {line}" for line in lines]


def _members(type_: object, path: list[str]) -> Iterator[str]:
    for part in path[1:]:
        named = graphql.get_named_type(type_)
        if part.isdecimal() or not isinstance(named, graphql.GraphQLInputObjectType):
            continue
        if part not in named.fields:
            yield f"{named.name} has no {part}"
            return
        if reason := named.fields[part].deprecation_reason:
            yield f"{named.name}.{part} is deprecated: {reason}"
        type_ = named.fields[part].type


@pytest.mark.extended
def test_the_texts_of_linear_are_valid():
    folder = os.environ.get("AUTOMATE_VENDOR_DOCUMENTS")
    path = Path(folder or "") / "documents" / "linear.graphql"
    if not folder or not path.exists():
        pytest.skip(f"{path} is not there; AUTOMATE_VENDOR_DOCUMENTS names the folder")
    schema = graphql.build_schema(path.read_text(), assume_valid=True)
    requests = requests_of(connectors.get("linear").document)
    assert [line for each in requests for line in find_faults(each, schema)] == []


@pytest.mark.parametrize(
    ("query", "variables", "line"),
    [
        ("mutation M($input: Input!) { create(input: $input) { id } }", "input.title", ""),
        ("mutation M($input: Input!) { create(input: $input) { name } }", "input.title", "Cannot query field 'name'"),
        ("mutation M($input: Input!) { create(input: $input) { id } }", "input.name", "Input has no name"),
        ("mutation M($input: Input!) { create(input: $input) { id } }", "other", "$other is not declared"),
        ("query Q($id: ID!) { issue(id: $id) { id } }", "", "$id is required"),
    ],
)
def test_texts_and_variables_are_compared(query, variables, line):
    value = {
        "format": 1, "code": "x", "name": "X", "description": "X", "base_url": "https://api.x.example",
        "actions": [{
            "name": "call", "label": "Call", "method": "POST", "path": "/graphql", "constants": {"body": {"query": query}},
            "fields": [{"name": "value", "at": f"variables.{variables}"}] if variables else [],
        }],
    }  # fmt: skip
    [request] = requests_of(parse(value))
    found = find_faults(request, graphql.build_schema(SCHEMA))
    assert any(line in each for each in found) if line else found == []
