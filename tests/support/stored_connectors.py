"""A stored connector and an OpenAPI document for tests."""

from __future__ import annotations

from typing import Any

TEXT = """\
# Orders of the shop
format: 1
code: shop
name: Tiny shop
description: Sell things
base_url: https://api.shop.example/v1
connection:
  - {name: token, label: Token, kind: secret, required: true}
auth: {type: bearer}
actions:
  - name: list_items  # all of them
    label: List items
    path: /items
    fields:
      - {name: state, label: State, kind: choice, choices: [new, old]}
      - {name: most, label: Most, kind: integer}
    sample: {id: 1}
  - name: create_item
    label: Create item
    method: POST
    path: /items
    fields: [{name: name, label: Name, required: true}, {name: price, label: Price, kind: number}]
    sample: {id: 1}
"""
ITEM = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "price": {"type": "number"}}}
OPENAPI: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Depot", "description": "Keeps <script>alert(1)</script>things"},
    "servers": [{"url": "https://depot.example/v1"}],
    "paths": {
        "/items": {
            "get": {"operationId": "listItems", "summary": "List items", "tags": ["Items"], "responses": {"200": {}}},
            "post": {
                "operationId": "createItem",
                "summary": "Create an item",
                "tags": ["Items"],
                "requestBody": {"content": {"application/json": {"schema": ITEM}}},
                "responses": {"200": {"content": {"application/json": {"schema": ITEM}}}},
            },
        },
        "/orders/{order}": {"delete": {"summary": "Cancel an order", "tags": ["Orders"], "responses": {"204": {}}}},
    },
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
}


def save_connector(text: str, by: Any, **more: Any) -> Any:
    """Save a text as a connector, or as the next version of the one with its code; gives the version."""
    from automate_authoring.connector_versions import save_draft
    from automate_connectors.stored import drafts
    from automate_connectors.stored.building import build
    from automate_connectors.stored.models import DeclaredConnector

    found = DeclaredConnector.objects.filter(code=build(text, None).document.code).first()
    draft = drafts.edit_connector(found, by=by) if found else drafts.begin_draft(text.encode(), by=by)
    drafts.change_text(draft, text, by=by)
    return save_draft(draft, by=by, **more)
