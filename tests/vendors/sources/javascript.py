"""Endpoints of JavaScript SDKs: paths and names of what is sent, without types and answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.vendors.descriptions import Description

_ENDPOINT = re.compile(
    r'method: "(?P<verb>\w+)",\s+pathParams: \[.*?\],\s+queryParams: \[(?P<query>.*?)\],\s+'
    r"bodyParams: \[(?P<body>.*?)\],.*?path: \(.*?\) => `(?P<path>[^`]+)`",
    re.DOTALL,
)
_REQUEST = re.compile(r"url: [`'](?P<path>[^`']+)[`'],\s+method: '(?P<verb>\w+)',(?P<rest>.*?)\n    \};", re.DOTALL)
_NAME = re.compile(r"^        ([\w'\"\-.]+):", re.MULTILINE)


def read_endpoints(folder: Path) -> Description:
    """Read the endpoints of @notionhq/client."""
    paths: dict[str, Any] = {}
    for file in sorted(folder.glob("*.js")):
        for found in _ENDPOINT.finditer(file.read_text()):
            names = [re.findall(r'"(\w+)"', found[part]) for part in ("query", "body")]
            paths.setdefault(f"/v1/{_path(found)}", {})[found["verb"]] = _operation(names[0], names[1] or None)
    return Description({"paths": paths})


def read_requests(folder: Path, prefix: str = "", *, takes_body: bool = False) -> Description:
    """Read the requests of jira.js and trello.js. `takes_body`: what belongs in the query may be in a body, too."""
    paths: dict[str, Any] = {}
    for file in sorted(folder.glob("*.ts")):
        for found in _REQUEST.finditer(file.read_text()):
            query, body = (_names(found["rest"], name) for name in ("params", "data"))
            body = query if body is None and takes_body else body
            paths.setdefault(prefix + _path(found), {})[found["verb"].lower()] = _operation(query or [], body)
    return Description({"paths": paths})


def _path(found: re.Match[str]) -> str:
    return re.sub(r"\$\{[^}]*\}", "{x}", found["path"])


def _names(written: str, block: str) -> list[str] | None:
    """Return the names in a block; none for one that is made elsewhere, None without one."""
    found = re.search(rf"\n      {block}: \{{\n(.*?)\n      \}},", written, re.DOTALL)
    if found:
        return [each.strip("'\"") for each in _NAME.findall(found[1])]
    return [] if re.search(rf"\n      {block}[:,]", written) else None


def _operation(query: Iterable[str], body: list[str] | None) -> dict[str, Any]:
    made: dict[str, Any] = {"parameters": [{"name": name, "in": "query"} for name in query]}
    if body is not None:
        schema = {"type": "object", "properties": {name: {} for name in body}}
        made["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return made
