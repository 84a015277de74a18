"""The actions of the SFTP connector, described beside the functions that perform them."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import posixpath
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automate_connectors.adapters.base import Action, Effect
from automate_connectors.adapters.sftp.session import path_of
from automate_connectors.context import Context
from automate_connectors.files.contents import read_file
from automate_connectors.web import invalid_input
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

if TYPE_CHECKING:
    from automate_egress.sftp import Entry, SftpSession

MAX_FOUND = 10_000
_MEMORY_BYTES = 1_000_000
_KINDS = (("file", text("Files")), ("folder", text("Folders")), ("all", text("Files and folders")))

_PATH = FieldSpec(
    name="path",
    label=text("Path"),
    required=True,
    help=text("For example in/orders.csv. A path without / at its beginning starts in the folder of the account."),
)
FOLDER = FieldSpec(name="folder", label=text("Folder"), default=".", shown=True, help=text("For example in/orders"))
PATTERN = FieldSpec(name="pattern", label=text("Name pattern"), shown=True, help=text("For example *.csv"))
_WRITTEN = (FieldSpec(name="path"), FieldSpec(name="size", kind=FieldKind.INTEGER))

type Run = Callable[[SftpSession, dict[str, Any], Context], dict[str, Any]]


@dataclass(frozen=True)
class SftpAction:
    """An action, and the function that performs it in a session. It raises ConnectorError, EgressError."""

    action: Action
    run: Run


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


def _action(
    run: Run,
    name: str,
    label: str,
    description: str,
    *fields: FieldSpec,
    outputs: tuple[FieldSpec, ...],
    needs_one_of: tuple[str, ...] = (),
) -> SftpAction:
    made = Action(
        name=name,
        label=label,
        description=description,
        effect=Effect.EFFECTFUL,
        fields=fields,
        outputs=outputs,
        needs_one_of=needs_one_of,
    )
    return SftpAction(made, run)


SFTP_ACTIONS = (
    _action(
        _list_files,
        "list_files",
        text("List files"),
        text("Find files and folders in a folder"),
        FOLDER,
        PATTERN,
        FieldSpec(name="kind", label=text("Show"), kind=FieldKind.CHOICE, choices=_KINDS, default="file"),
        FieldSpec(
            name="max_items",
            label=text("Maximum items"),
            kind=FieldKind.INTEGER,
            default=1_000,
            help=text("Up to %(count)s", count=MAX_FOUND),
        ),
        outputs=(
            FieldSpec(name="items", kind=FieldKind.LIST),
            FieldSpec(name="complete", kind=FieldKind.BOOLEAN),
        ),
    ),
    _action(
        _download,
        "download",
        text("Download file"),
        text("Get the content of a file, for the steps that follow"),
        _PATH,
        outputs=(FieldSpec(name="file", kind=FieldKind.FILE), *_WRITTEN),
    ),
    _action(
        _upload,
        "upload",
        text("Upload file"),
        text("Store a file or a text, in place of a file with the same path"),
        FieldSpec(
            name="path",
            label=text("Path"),
            required=True,
            help=text("For example in/orders.csv, or in/ to keep the name of the file"),
        ),
        FieldSpec(name="file", label=text("File"), kind=FieldKind.FILE, shown=True),
        FieldSpec(name="text", label=text("Text"), kind=FieldKind.LONG_TEXT, shown=True),
        FieldSpec(name="make_folders", label=text("Create missing folders"), kind=FieldKind.BOOLEAN, default=False),
        FieldSpec(
            name="temporary_name",
            label=text("Upload under a temporary name, then rename"),
            kind=FieldKind.BOOLEAN,
            default=True,
            help=text("Other programs never see half a file. Turn it off for servers that do not allow renaming."),
        ),
        outputs=_WRITTEN,
        needs_one_of=("file", "text"),
    ),
    _action(
        _move,
        "move",
        text("Move file"),
        text("Move or rename a file or folder"),
        _PATH,
        FieldSpec(name="to", label=text("New path"), required=True, help=text("For example done/orders.csv, or done/")),
        FieldSpec(name="replace", label=text("Replace an existing file"), kind=FieldKind.BOOLEAN, default=False),
        outputs=(FieldSpec(name="path"),),
    ),
    _action(
        _delete,
        "delete",
        text("Delete file"),
        text("Delete a file or an empty folder. A missing path is not an error."),
        _PATH,
        outputs=(FieldSpec(name="path"), FieldSpec(name="deleted", kind=FieldKind.BOOLEAN)),
    ),
    _action(
        _make_folder,
        "make_folder",
        text("Create folder"),
        text("Create a folder and the folders above it. An existing folder is not an error."),
        _PATH,
        outputs=(FieldSpec(name="path"),),
    ),
)
