"""Google's discovery documents, which the Python client contains."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.vendors.descriptions import Description


def read_discovery(path: Path) -> Description:
    """Read a discovery document (https://developers.google.com/discovery/v1/reference/apis)."""
    document = json.loads(path.read_text(encoding="utf-8"))
    paths: dict[str, Any] = {}
    for method in _methods(document):
        for written in _paths(document, method):
            paths.setdefault(written, {})[method["httpMethod"].lower()] = _operation(document, method)
    return Description(_with_references({"paths": paths, "schemas": document.get("schemas", {})}))


def _methods(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _paths(document: dict[str, Any], method: dict[str, Any]) -> Iterator[str]:
    uploads = method.get("mediaUpload", {}).get("protocols", {}).values()
    for written in [document["servicePath"] + method["path"], *(each["path"] for each in uploads)]:
        yield re.sub(r"\{\+(\w+)\}", r"{\1}", "/" + written.lstrip("/"))


def _operation(document: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
    parameters = {**document.get("parameters", {}), **method.get("parameters", {})}
    made: dict[str, Any] = {
        "deprecated": method.get("deprecated", False),
        "parameters": [
            {
                "name": name,
                "in": one.get("location", "query"),
                "required": one.get("required", False),
                "deprecated": one.get("deprecated", False),
                "schema": one,
            }
            for name, one in parameters.items()
        ],
    }
    if "request" in method:
        made["requestBody"] = {"content": {"application/json": {"schema": method["request"]}}}
    if "response" in method:
        made["responses"] = {"200": {"content": {"application/json": {"schema": method["response"]}}}}
    return made


def _with_references(value: Any) -> Any:
    """Return a value whose references by name lead into the document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            return {"$ref": f"#/schemas/{value['$ref']}"}
        return {name: _with_references(each) for name, each in value.items()}
    return [_with_references(each) for each in value] if isinstance(value, list) else value
