"""The functions that perform the actions of the SFTP connector."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import posixpath
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from automate_connectors.adapters.sftp.session import path_of
from automate_connectors.context import Context
from automate_connectors.files.contents import read_file
from automate_connectors.web import invalid_input
from automate_plugins import text

if TYPE_CHECKING:
    from automate_egress.sftp import Entry, SftpSession

MAX_FOUND = 10_000
_MEMORY_BYTES = 1_000_000


type Run = Callable[[SftpSession, dict[str, Any], Context], dict[str, Any]]


def found_entry(folder: str, entry: Entry) -> dict[str, Any]:
    """Return an entry of a folder as a JSON value."""
    return {
        "name": entry.name,
        "path": posixpath.join("" if folder == "." else folder, entry.name),
        "kind": entry.kind,
        "size": entry.size,
        "modified": dt.datetime.fromtimestamp(entry.modified, dt.UTC).isoformat(),
    }


def fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern with * and ?; the empty one takes all."""
    return not pattern or fnmatch.fnmatchcase(name, pattern)


def _list_files(session: SftpSession, params: dict[str, Any], context: Context) -> dict[str, Any]:
    most = params.get("max_items", 1_000)
    if not 1 <= most <= MAX_FOUND:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="max_items", maximum=MAX_FOUND))
    folder, kind = path_of(params, "folder"), params.get("kind") or "file"
    found = [
        found_entry(folder, entry)
        for entry in sorted(session.entries(folder), key=lambda entry: entry.name)
        if kind in ("all", entry.kind) and fits(entry.name, params.get("pattern") or "")
    ]
    return {"items": found[:most], "complete": len(found) <= most}


def _download(session: SftpSession, params: dict[str, Any], context: Context) -> dict[str, Any]:
    path, files = path_of(params, "path"), context["files"]
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as content:
        session.read(path, content, files.max_bytes)
        content.seek(0)
        file = files.create(posixpath.basename(path), content)
    return {"file": file, "path": path, "size": file["size"]}


def _upload(session: SftpSession, params: dict[str, Any], context: Context) -> dict[str, Any]:
    if (params.get("file") is None) is (params.get("text") is None):
        raise invalid_input(text("Enter either a file or a text."))
    path, content = path_of(params, "path"), (params.get("text") or "").encode()
    name = ""
    if params.get("file") is not None:
        file = read_file(params["file"], "file", context["files"])
        name, content = file.filename, file.content
    if path.endswith("/"):
        if not name:
            raise invalid_input(text("A path that ends with / needs a file, whose name is added."))
        path = f"{path}{posixpath.basename(name)}"
    if params.get("make_folders"):
        session.make_folder(posixpath.dirname(path) or ".")
    if not params.get("temporary_name", True):
        session.write(path, content)
        return {"path": path, "size": len(content)}
    key = hashlib.sha256(context["idempotency_key"].encode()).hexdigest()[:12]
    folder, last = posixpath.split(path)
    temporary = posixpath.join(folder, f".{last}.{key}.part")  # the same on every attempt: none is left behind
    session.write(temporary, content)
    session.move(temporary, path, replace=True)
    return {"path": path, "size": len(content)}


def _move(session: SftpSession, params: dict[str, Any], context: Context) -> dict[str, Any]:
    path, to = path_of(params, "path"), path_of(params, "to")
    if to.endswith("/"):
        to = f"{to}{posixpath.basename(path)}"
    session.move(path, to, replace=bool(params.get("replace")))
    return {"path": to}


def _delete(session: SftpSession, params: dict[str, Any], context: Context) -> dict[str, Any]:
    path = path_of(params, "path")
    return {"path": path, "deleted": session.remove(path)}


def _make_folder(session: SftpSession, params: dict[str, Any], context: Context) -> dict[str, Any]:
    path = path_of(params, "path")
    session.make_folder(path)
    return {"path": path}


#: What performs each action in a session. It raises ConnectorError, EgressError.
SFTP_ACTIONS: dict[str, Run] = {
    "list_files": _list_files,
    "download": _download,
    "upload": _upload,
    "move": _move,
    "delete": _delete,
    "make_folder": _make_folder,
}
