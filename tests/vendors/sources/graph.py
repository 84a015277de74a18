"""Microsoft Graph by its Python SDK: addresses and methods of its request builders, and members of its models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.vendors.descriptions import VERBS, Description, Schema

_TEMPLATE = re.compile(r'request_adapter, "\{\+baseurl\}([^"]+)"')
_CLASS = re.compile(r"\n(?=@dataclass|class )")
_HEAD = re.compile(r"class (\w+)\(([^)]*)\)")
_MEMBER = re.compile(r'"([^"]+)": lambda n : setattr\(self, \'\w+\', n\.get_(\w+?)_values?\((\w*)')
_KINDS = {"int": "integer", "bool": "boolean", "float": "number"}
_OPEN = ("WorkbookRange", "WorkbookTableRow", "Json")  #: whose members are any JSON
_BASES = (
    "AdditionalDataHolder",
    "BackedModel",
    "Parsable",
    "BaseRequestBuilder",
    "BaseCollectionPaginationCountResponse",
)
_ODATA = ("@odata.type", "@odata.nextLink")


def read_sdk(folder: Path, roots: tuple[str, ...]) -> Description:
    """Read the models, and the builders below some folders."""
    schemas: dict[str, Schema] = {}
    for file in (folder / "models").glob("*.py"):
        schemas.update(_models(file.read_text()))
    paths: dict[str, Any] = {}
    for file in sorted(each for root in roots for each in (folder / root).rglob("*.py")):
        written = file.read_text()
        schemas.update(_models(written))
        if template := _TEMPLATE.search(written):
            own = {
                name: one for each in file.parent.glob("*_body.py") for name, one in _models(each.read_text()).items()
            }
            path, query = _split(template[1])
            for variant in _addresses(path):
                paths.setdefault(variant, {}).update(_operations(written, query, own))
    return Description({"paths": paths, "schemas": schemas})


def _split(template: str) -> tuple[str, list[str]]:
    """Return the path of an RFC 6570 template, and the names of its query."""
    path, _, query = template.replace("%2D", "-").replace("%24", "$").partition("?")
    named = [name.strip("{}&*") for part in re.split(r"[,&{}]", query) if (name := part.partition("=")[0])]
    return re.sub(r"\{[^}]*\}", "{x}", path.rstrip("{")), [name for name in named if name]


def _addresses(path: str) -> Iterator[str]:
    """Yield the addresses of a path: those of a person and of the person who signs in, of a drive and of one's own."""
    yield f"/v1.0{path}"
    for known, own in (("/users/{x}", "/v1.0/me"), ("/drives/{x}", "/v1.0/me/drive"), ("/drives/{x}", "/v1.0/{x}")):
        if path.startswith(known):
            yield own + path.removeprefix(known)


def _operations(written: str, query: list[str], own: dict[str, Schema]) -> dict[str, Any]:
    found = {}
    for verb in VERBS:
        signature = re.search(rf"async def {verb}\(self,(?:body: (\w+),)?[^\n]*?(?:Optional\[(\w+)\]:|\n)", written)
        if signature is None:
            continue
        operation: dict[str, Any] = {"parameters": [{"name": name, "in": "query"} for name in query]}
        for name, schema in (("body", signature[1]), ("answer", signature[2])):
            media = {"content": {"application/json": {"schema": own.get(schema, {"$ref": f"#/schemas/{schema}"})}}}
            if schema and name == "body":
                operation["requestBody"] = media
            elif schema:
                operation["responses"] = {"200": media}
        found[verb] = operation
    return found


def _models(written: str) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for chunk in _CLASS.split(written):
        head = _HEAD.search(chunk)
        if head is None:
            continue
        if "Enum" in head[2]:
            found[head[1]] = {"type": "string", "enum": re.findall(r'^\s+\w+ = "([^"]+)"', chunk, re.MULTILINE)}
            continue
        members: dict[str, Schema] = {name: {"type": "string"} for name in _ODATA}
        for name, kind, inner in _MEMBER.findall(chunk):
            # The case of the parameters of actions does not count.
            members[name[0].lower() + name[1:] if "Body" in head[1] else name] = _member(kind, inner)
        parent = head[2].split(",")[0].strip()
        schema: Schema = {"type": "object", "properties": members}
        if parent not in _BASES:
            schema["allOf"] = [{"$ref": f"#/schemas/{parent}"}]
        if len(members) > len(_ODATA) or "BaseRequestBuilder" not in parent:
            found[head[1]] = schema | ({"additionalProperties": True} if head[1] in _OPEN else {})
    return found


def _member(kind: str, inner: str) -> Schema:
    if "object" in kind or "enum" in kind:
        one: Schema = {"$ref": f"#/schemas/{inner}"}
    else:
        one = {"type": _KINDS.get(inner if "collection" in kind else kind, "string")}
    return {"type": "array", "items": one} if "collection" in kind else one
