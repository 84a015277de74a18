"""Reading the files of inputs, and storing those of answers, by `context["files"]`."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

from automate_connectors.context import Files
from automate_connectors.web import File, invalid_input
from automate_egress import HttpResponse
from automate_plugins import text
from automate_plugins.files import FileValue, is_file

_MEMORY_BYTES = 1_000_000
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*(?:utf-8)?'[^']*'([^;]+)", re.IGNORECASE)
_NAME = re.compile(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]+))', re.IGNORECASE)


def read_file(value: Any, place: str, files: Files | None) -> File:
    """Return a file of an input with its content: a file of an earlier step, or one that is written in place.

    Without `files`, as in a dry run, the content of a file of an earlier step is its size in words.

    `value` may also be a mapping with the file as `file`, and a `filename` or `content_type` to send in place of its
    own. Raises ConnectorError that names `place`.
    """
    inner = value.get("file") if isinstance(value, dict) else None
    stored = inner if inner is not None else value
    if inner is not None and not is_file(inner):
        raise invalid_input(text("%(name)s must be a file.", name=f"{place}.file"))
    if not is_file(stored):
        return File.read(value, place)
    found = File(filename=stored["name"], content=_content(stored, files), content_type=stored["type"])
    if inner is None:
        return found
    changed = {name: str(value[name]) for name in ("filename", "content_type") if value.get(name)}
    named = File.read({"filename": found.filename, "content_type": found.content_type, **changed, "text": ""}, place)
    return replace(named, content=found.content)


def _content(stored: FileValue, files: Files | None) -> bytes:
    if files is None:
        return text("%(count)s bytes", count=stored["size"]).encode()
    with files.open(stored) as content:
        return content.read()


class Download:
    """The body of an answer on its way into a file: pass `spool` and `max_bytes` to `Http.request`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.max_bytes = files.max_bytes
        self.spool = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *_: Any) -> None:
        self.spool.close()

    def store(self, response: HttpResponse) -> FileValue:
        """Return the file that holds the body of `response`. Raises ConnectorError."""
        if response.body:
            self.spool.write(response.body)
        self.spool.seek(0)
        content_type = response.headers.get("content-type", "")
        return self._files.create(response_filename(response.headers, response.url), self.spool, content_type)


def response_filename(headers: Mapping[str, str], url: str) -> str:
    """Return the file name of an answer: that of Content-Disposition (RFC 6266), else the last part of the URL."""
    disposition = headers.get("content-disposition", "")
    if found := _EXTENDED_NAME.search(disposition):
        return unquote(found[1].strip(' "'))
    if found := _NAME.search(disposition):
        return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2].strip()
    return unquote(urlsplit(url).path.rpartition("/")[2]) or "file"
