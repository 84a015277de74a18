"""What the OpenAPI document says of all operations alike: problems, idempotency keys, the form of tokens."""

from __future__ import annotations

from typing import Any

from automate_api.v1.idempotency import HEADER, MOST_KEY_LENGTH, REPLAYED

DESCRIPTION = """\
Start and watch workflows, and everything else that the screens do, under a person's or a service account's permissions.

Each request carries an API token. A token may do what its scopes name, as far as its owner may do it at that moment;
what it may not view is not found. Lists have cursor pages. Errors are problem documents (RFC 9457). A POST request
with an `Idempotency-Key` takes effect once."""

_PROBLEM = {
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "description": "Always about:blank: the status says what kind it is."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "missing_scope": {"type": "string", "description": "With 403 and 404: the scope that the token needs."},
    },
}
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_KEY_LENGTH},
    "description": "Any text of your own. A repeated request with the same key gets the first answer, with the header"
    f" {REPLAYED}, and has no further effect.",
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document of Django Ninja with what it does not know."""
    document["info"]["description"] = DESCRIPTION
    components = document["components"]
    components["schemas"]["Problem"] = _PROBLEM
    components["schemas"] = dict(sorted(components["schemas"].items()))
    components["responses"] = {
        "Problem": {
            "description": "Problem",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["securitySchemes"]["BearerToken"]["description"] = "An API token, which begins with dat_."
    document["paths"] = dict(sorted(document["paths"].items()))
    for methods in document["paths"].values():
        for method, operation in methods.items():
            operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
            operation["responses"] = {str(status): found for status, found in operation["responses"].items()}
            operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
            if body := operation.get("requestBody"):
                [content] = body["content"].values()
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                body["required"] = bool(components["schemas"].get(name, content["schema"]).get("required"))
            if method == "post":
                operation.setdefault("parameters", []).append(_KEY)
    return document
