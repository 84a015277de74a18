"""Changes of single files in a repository: each is a commit.

Source: https://docs.github.com/en/rest/repos/contents - a file that exists is changed or deleted by its blob's SHA.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from automate_connectors.adapters.github.rest import Call, repository_path
from automate_connectors.web import invalid_input, json_object, quote_segment
from automate_plugins import text

NAMES = frozenset({"put_file", "delete_file"})


def change_file(action: str, params: dict[str, Any], call: Call) -> dict[str, Any]:
    """Commit a change of one file; gives `path`, `commit` (its SHA) and `changed`.

    A file that has the content already gets no commit, so that a repeated attempt changes nothing.
    Raises ConnectorError, EgressError.
    """
    path, body = _path(params), _body(params)
    branch = {"ref": params["branch"]} if params.get("branch") else None
    known = call("GET", path, query=branch, missing="" if action == "put_file" else None)
    sha = json_object("GitHub", known).get("sha") if known.status != 404 else None
    if action == "delete_file":
        done = call("DELETE", path, {**body, "sha": sha})
    else:
        content = params["content"].encode()
        if sha == _blob_sha(content):
            return {"path": params["path"], "commit": None, "changed": False}
        body |= {"content": base64.b64encode(content).decode(), **({"sha": sha} if sha else {})}
        done = call("PUT", path, body)
    commit = json_object("GitHub", done).get("commit") or {}
    return {"path": params["path"], "commit": commit.get("sha"), "changed": True}


def describe_change(action: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the request that changes the file."""
    method, path = ("DELETE" if action == "delete_file" else "PUT"), _path(params)
    return {"summary": f"{method} {path}", "method": method, "path": path, "body": _body(params)}


def _path(params: dict[str, Any]) -> str:
    names = [name for name in params["path"].split("/") if name]
    if not names:
        raise invalid_input(text("%(name)s is required.", name="path"))
    return f"{repository_path(params['repository'])}/contents/{'/'.join(map(quote_segment, names))}"


def _body(params: dict[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in ("message", "branch") if params.get(name)}


def _blob_sha(content: bytes) -> str:
    """Return the SHA that git gives a blob with this content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
