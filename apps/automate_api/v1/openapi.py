"""What the OpenAPI document says of all operations alike: problems, idempotency keys, the form of tokens."""

from __future__ import annotations

import json
import re
from typing import Any

from automate_api.v1.error_codes import CODES, FIELD_CODES
from automate_api.v1.idempotency import HEADER, MOST_KEY_LENGTH, REPLAYED
from automate_api.v1.locations import LOCATIONS
from automate_api.v1.replies import RUN_ID
from automate_api.v1.resources.drafts import IF_MATCH
from automate_core.refusals import REQUEST_ID
from automate_governance.models import NAME_PATTERN

DESCRIPTION = """\
Start and watch workflows, and everything else that the screens do, under a person's or a service account's permissions.

Each request carries an API token. A token may do what its scopes name, as far as its owner may do it at that moment;
what it may not view is not found. Lists have cursor pages. Errors are problem documents (RFC 9457). A POST request
with an `Idempotency-Key` takes effect once. Send an `X-Request-Id` of your own to find a request in
the server's log."""

_PROBLEM = {
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "description": "Always about:blank: the status and the code say what kind it is."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {
            "type": "string",
            "description": f"Stable, for programs. More can follow: {', '.join(sorted(CODES))}.",
        },
        "detail": {"type": "string", "description": "What happened and what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string", "enum": sorted(FIELD_CODES)},
                    "pointer": {"type": "string", "description": "JSON pointer into the definition, for its errors."},
                    "run": {"type": "string", "description": "With already_rerun and unknown_outcome: ID of the run."},
                    "step": {"type": "string", "description": "With unknown_outcome: path of the step in this run."},
                },
            },
        },
        "missing_scope": {"type": "string", "description": "With 403 and 404: the scope that the token needs."},
        "request_id": {"type": "string", "description": f"As in {REQUEST_ID}; the log of the server names it, too."},
    },
}
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_KEY_LENGTH, "pattern": "^[ -~]+$"},
    "description": "Any text of your own. A repeated request with the same key gets the first answer, with the header"
    f" {REPLAYED}, and has no further effect.",
}

_HEADERS = {
    REQUEST_ID: "ID of the request: yours where it is one, else a new one.",
    "RateLimit": "Requests that are left (r), and the seconds until all are (t).",
    "RateLimit-Policy": "Requests (q) in a window of so many seconds (w).",
    "Retry-After": "With 429, 503 and some 409: the seconds to wait before the next request.",
    REPLAYED: "true when this is the answer to an earlier request with the same Idempotency-Key.",
    "Location": "Path of what was created, in this API.",
    "ETag": "Revision of the draft. Send it as If-Match to replace it, or as If-None-Match to read what is newer.",
    "Content-Disposition": "attachment, with the name of the file.",
    RUN_ID: "ID of the run, where its reply is the answer.",
}
_EVERYWHERE = (REQUEST_ID, "RateLimit", "RateLimit-Policy")
_WITH_ETAG = frozenset({"read_draft", "replace_draft", "export_workflow"})
#: Of texts in paths. Another one names nothing: the answer is 404, which is no error of a field.
_IN_PATHS = {
    "slug": {"minLength": 1, "maxLength": 100, "pattern": "^[-a-zA-Z0-9_]+$"},
    "name": {"minLength": 1, "maxLength": 100, "pattern": NAME_PATTERN},
    "reference": {"minLength": 1, "maxLength": 64, "pattern": "^[-a-zA-Z0-9_]+$"},
}
_TAGS = {
    "Workflows": "Workflows with their drafts and versions.",
    "Templates": "Workflows to start from.",
    "Connections": "Connections to other systems.",
    "Webhooks": "Webhook endpoints.",
    "Sharing": "Grants on single objects.",
    "Secrets": "Stored secrets. No operation reads their values.",
    "Runs": "Runs with their steps, logs and files.",
    "Failures": "Failures by their cause.",
    "Events": "Accepted events.",
    "Approvals": "Decisions that runs wait for.",
    "Figures": "Statistics and the usage of language models.",
    "Audit": "The audit trail.",
    "Erasures": "Erasure of personal data.",
    "Tokens": "Tokens of the token's owner.",
    "Server": "Version and health.",
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document of Django Ninja with what it does not know."""
    document = _with_plain_names(document)
    document["info"]["description"] = DESCRIPTION
    components = document["components"]
    document["servers"] = [{"url": "/", "description": "The site that serves this document."}]
    document["tags"] = [{"name": name, "description": words} for name, words in _TAGS.items()]
    components["headers"] = {
        name: {"description": words, "schema": {"type": "string"}} for name, words in _HEADERS.items()
    }
    components["schemas"]["Problem"] = _PROBLEM
    components["responses"] = {
        "Problem": {
            "description": "Problem",
            "headers": _headers(*_EVERYWHERE, "Retry-After"),
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
                schema = components["schemas"].get(name, content["schema"])
                body["required"] = bool(schema.get("required") or schema.get("allOf"))
            if method == "post":
                operation.setdefault("parameters", []).append(_KEY)
            _describe_headers(method, operation)
    components["schemas"] = dict(sorted(_used_schemas(document).items()))
    return document


def _with_plain_names(document: dict[str, Any]) -> dict[str, Any]:
    """`RunPage` in place of `Page_Run_`, as generated clients name their classes."""
    written = json.dumps(document)
    renamed: dict[str, Any] = json.loads(re.sub(r'(["/])Page_(\w+?)_"', r'\1\2Page"', written))
    for name, schema in renamed["components"]["schemas"].items():
        schema["title"] = name
    return renamed


def _describe_headers(method: str, operation: dict[str, Any]) -> None:
    """The headers of the request by their names on the wire, and those of the answers."""
    name = operation["operationId"]
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == IF_MATCH:  # without it the answer is 428, which is no error of a field
            parameter |= {"required": True, "schema": {"type": "string"}}
        if parameter["in"] == "path":
            parameter["schema"] |= _IN_PATHS.get(parameter["name"], {})
    for status, response in operation["responses"].items():
        if status == "default":
            continue
        found = [*_EVERYWHERE, *([REPLAYED] if method == "post" else [])]
        found += ["Location"] if name in LOCATIONS and status in {"201", "202"} else []
        found += ["ETag"] if name in _WITH_ETAG else []
        found += ["Content-Disposition"] if name == "download_run_file" else []
        found += [RUN_ID] if status == "2XX" else []
        response["headers"] = _headers(*found)


def _headers(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _used_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """The schemas that something refers to: Django Ninja also lists those whose members it made parameters of."""
    schemas = document["components"]["schemas"]
    found: dict[str, Any] = {}
    waiting = _references([document["paths"], document["components"]["responses"]])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = schemas[name]
            waiting |= _references(schemas[name])
    return found


def _references(part: Any) -> set[str]:
    match part:
        case dict():
            own = {part["$ref"].rpartition("/")[2]} if "/schemas/" in str(part.get("$ref", "")) else set()
            return own.union(*map(_references, part.values()))
        case list():
            return set().union(*map(_references, part))
    return set()
