"""Artifacts: documents too large for a row, kept as files with a preview in the row (docs/adr/0008).

A file is written before the row that names it, and found by that row alone. One that no row names a day later was left
by a crash, or its row was deleted: `retention` deletes it.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO, cast

import msgspec
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages

from automate_connectors.adapters.base import ConnectorError
from automate_core.conf import setting
from automate_core.errors import DeferredError
from automate_plugins import text

log = logging.getLogger(__name__)

FOLDER = "documents"
AWAY_SECONDS = 60.0  #: pause without writes after the storage failed
CACHED_BYTES = 16_000_000  #: of artifacts that were read lately
_MEMBERS, _ITEMS, _CHARACTERS, _DEEP = 50, 20, 300, 6  # of a preview
_PREVIEW_BYTES = 20_000

_away_until = 0.0


class ArtifactError(ConnectorError, DeferredError):
    """An artifact cannot be read: for the moment (`document_away`), or it is missing (`document_missing`)."""


def storage() -> Storage | None:
    """The storage of artifacts; None when the project has none, and everything stays in rows."""
    alias = setting("AUTOMATE_DOCUMENTS_STORAGE")
    return storages[alias] if alias in settings.STORAGES else None


def limit() -> float:
    """The size in bytes above which a document is kept as a file."""
    return int(setting("AUTOMATE_DOCUMENT_BYTES")) if storage() is not None else math.inf


def is_large(document: bytes) -> bool:
    """Whether a document is kept as a file."""
    return len(document) > int(setting("AUTOMATE_DOCUMENT_BYTES")) and storage() is not None


def put(document: bytes) -> tuple[bytes, str | None]:
    """Keep a redacted JSON document as a file: (its preview, the file's name).

    While the storage is away: (the document, None).
    """
    global _away_until
    where = storage()
    if where is None or time.monotonic() < _away_until:
        return document, None
    name = f"{FOLDER}/{dt.datetime.now(dt.UTC):%Y/%m/%d}/{secrets.token_hex(24)}.json"
    try:
        stored = where.save(name, ContentFile(document))
    except Exception:  # whatever a storage raises: the run goes on without it
        log.exception("a document of %d bytes stays in the database: the storage is unavailable", len(document))
        _away_until = time.monotonic() + AWAY_SECONDS
        return document, None
    return preview(document), stored


def put_file(content: IO[bytes]) -> str:
    """Keep a file of any content; returns its name. Raises ArtifactError (`files_not_kept`, `document_away`)."""
    where = storage()
    if where is None:
        message = text("Files between steps need a storage. Add AUTOMATE_DOCUMENTS_STORAGE to STORAGES.")
        raise ArtifactError(message, code="files_not_kept")
    name = f"{FOLDER}/{dt.datetime.now(dt.UTC):%Y/%m/%d}/{secrets.token_hex(24)}.bin"
    try:
        return where.save(name, File(content))
    except Exception as error:
        raise ArtifactError(
            text("The file cannot be stored right now (%(error)s).", error=type(error).__name__),
            code="document_away",
            retryable=True,
        ) from error


def preview(document: bytes) -> bytes:
    """The beginnings of a document's texts, lists and mappings, at most 20 kB."""
    value = msgspec.json.decode(document)
    for deep in range(_DEEP, 0, -1):
        cut = msgspec.json.encode(_cut(value, deep))
        if len(cut) <= _PREVIEW_BYTES:
            return cut
    return msgspec.json.encode(_cut(value, 0))


def _cut(value: Any, deep: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _CHARACTERS else value[:_CHARACTERS] + "…"
    if isinstance(value, dict):
        some = list(value.items())[:_MEMBERS] if deep else []
        return {_cut(key, 0): _cut(item, deep - 1) for key, item in some}
    if isinstance(value, list):
        return [_cut(item, deep - 1) for item in value[: _ITEMS if deep else 0]]
    return value


def open_file(name: str) -> BinaryIO:
    """The file of a document, to be read in pieces. Raises DocumentError."""
    where = storage()
    try:
        if where is None:
            raise FileNotFoundError(name)
        return cast(BinaryIO, where.open(name, "rb"))
    except FileNotFoundError as error:
        raise ArtifactError(text("The file with this value no longer exists."), code="document_missing") from error
    except Exception as error:
        raise ArtifactError(
            text("The file with this value cannot be read right now (%(error)s).", error=type(error).__name__),
            code="document_away",
            retryable=True,
        ) from error


def read(name: str) -> bytes:
    """The whole document. Raises DocumentError."""
    with open_file(name) as file:
        return file.read()


class _ValueCache:
    """The values of artifacts that were read lately, so that a loop reads each once. Thread-safe."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[int, Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def value(self, name: str) -> Any:
        """The value of an artifact, not to be changed. Raises DocumentError."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name][1]
        document = read(name)
        value = msgspec.json.decode(document)
        with self._lock:
            if name not in self._values:
                self._values[name] = (len(document), value)
                self._bytes += len(document)
            while self._bytes > CACHED_BYTES and len(self._values) > 1:
                self._bytes -= self._values.popitem(last=False)[1][0]
        return value


_cache = _ValueCache()
read_value: Callable[[str], Any] = _cache.value


def list_after(name: str, until: dt.date, most: int) -> list[str]:
    """At most `most` names after `name`, in order, of files written before the day `until`."""
    where = storage()
    if where is None:
        return []
    found: list[str] = []
    for day in _days(where):
        if len(found) >= most or day >= f"{FOLDER}/{until:%Y/%m/%d}":
            break
        if day >= name[: len(day)]:
            found += sorted(file for each in _listed(where, day)[1] if (file := f"{day}/{each}") > name)
    return found[:most]


def list_names() -> Iterator[str]:
    """The names of all files. Raises NotImplementedError for a storage that cannot list them."""
    where = storage()
    for day in _days(where) if where else ():
        yield from (f"{day}/{each}" for each in _listed(where, day)[1])  # type: ignore[arg-type]


def _days(where: Storage) -> Iterator[str]:
    for year in sorted(_listed(where, FOLDER)[0]):
        for month in sorted(_listed(where, f"{FOLDER}/{year}")[0]):
            for day in sorted(_listed(where, f"{FOLDER}/{year}/{month}")[0]):
                yield f"{FOLDER}/{year}/{month}/{day}"


def _listed(where: Storage, path: str) -> tuple[list[str], list[str]]:
    """(folders, files) there."""
    try:
        return where.listdir(path)
    except FileNotFoundError:
        return [], []


def remove(names: list[str]) -> None:
    """Delete files. Missing ones are no error."""
    where = storage()
    if where is not None:
        for name in names:
            where.delete(name)
