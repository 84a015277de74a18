"""Storing and opening files that pass between steps.

A value refers to a file by 192 random bits. To open the file, a right to it is needed as well: data of one run, or a
payload that a sender made up, does not open the files of others (`FileAccess`).
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from django.db.models import QuerySet

from automate_connectors.adapters.base import ConnectorError
from automate_core import artifacts
from automate_core.conf import setting
from automate_core.files.content_types import HEAD_BYTES, check_content_type
from automate_core.files.lineage import may_use
from automate_core.models import StoredFile, Workflow
from automate_governance.permissions import Person, can
from automate_plugins import text
from automate_plugins.files import FILE_KEY, FileValue, file_value, is_file

MEMORY_BYTES = 1_000_000  #: of a file that is being stored; the rest of it is spooled to disk
NAME_LENGTH = 150
_PIECE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOwner:
    """The owner of a file: a run or an event, and the workflow that has it.

    A `page` owns the file of an answer that is not accepted yet (`uploads`).
    """

    trace_id: str
    workflow_id: int | None = None
    run_id: uuid.UUID | None = None
    event_id: uuid.UUID | None = None
    page: str | None = None


def store_file(
    content: bytes | IO[bytes] | Iterable[bytes], *, name: str, content_type: str = "", owner: FileOwner
) -> FileValue:
    """Store a file and return its value, for the payload of an event or the output of a step.

    `content_type` is what the sender says; it is checked against the content. Uses the caller's database connection and
    transaction. Raises ConnectorError: `file_too_large`, `file_type_mismatch`, `file_type_refused`, `files_not_kept`,
    `document_away`.
    """
    name = clean_name(name)
    most = int(setting("AUTOMATE_FILE_BYTES"))
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as spool:
        size = 0
        for piece in _pieces(content):
            size += len(piece)
            if size > most:
                message = text("The file %(name)s is larger than %(size)s bytes.", name=name, size=most)
                raise ConnectorError(message, code="file_too_large")
            spool.write(piece)
        spool.seek(0)
        content_type = check_content_type(name, content_type, spool.read(HEAD_BYTES))
        spool.seek(0)
        stored = StoredFile(
            trace_id=owner.trace_id,
            workflow_id=owner.workflow_id,
            run_id=owner.run_id,
            event_id=owner.event_id,
            page=owner.page,
            name=name,
            content_type=content_type,
            size=size,
            file=artifacts.put_file(spool),
        )
    stored.save(force_insert=True)
    return value_of(stored)


def value_of(stored: StoredFile) -> FileValue:
    """The value of a stored file."""
    return file_value(stored.reference, name=stored.name, content_type=stored.content_type, size=stored.size)


def find_file(value: Any) -> StoredFile:
    """The stored file of a value. Raises ConnectorError (`not_a_file`, `file_missing`)."""
    if not is_file(value):
        raise ConnectorError(text("This value is not a file."), code="not_a_file")
    stored = StoredFile.objects.filter(pk=value[FILE_KEY]).first() if "\0" not in value[FILE_KEY] else None
    if stored is None:
        raise _missing(str(value["name"]))
    return stored


def delete_files(files: QuerySet[StoredFile]) -> int:
    """Delete stored files with their content. The content goes before the commit, as that of large values."""
    names = list(files.values_list("file", flat=True))
    artifacts.remove(names)
    return StoredFile.objects.filter(file__in=names).delete()[0]


def open_stored(stored: StoredFile) -> BinaryIO:
    """The content of a stored file, to be closed by the caller. Raises ArtifactError."""
    return artifacts.open_file(stored.file)


class FileAccess:
    """The files of one call: `files` of a connector's context, for a step of a run.

    `run_as` gives the person under whose permissions the step runs, and `after_use` is called when the database was
    used, for callers that hold no connection meanwhile.
    """

    def __init__(
        self, owner: FileOwner, run_as: Callable[[], Person], after_use: Callable[[], object] = lambda: None
    ) -> None:
        self._owner = owner
        self._run_as = run_as
        self._after_use = after_use

    @property
    def max_bytes(self) -> int:
        """The size of the largest file."""
        return int(setting("AUTOMATE_FILE_BYTES"))

    def open(self, value: Any, /) -> BinaryIO:
        """The content of a file. Raises ConnectorError, also for a file that the run has no right to."""
        try:
            stored = find_file(value)
            if not self._may_open(stored):
                raise _missing(stored.name)
        finally:
            self._after_use()
        return open_stored(stored)

    def create(self, name: str, content: bytes | IO[bytes] | Iterable[bytes], content_type: str = "") -> FileValue:
        """Store a file and return its value. Raises ConnectorError, as `store_file` says."""
        try:
            return store_file(content, name=name, content_type=content_type, owner=self._owner)
        finally:
            self._after_use()

    def _may_open(self, stored: StoredFile) -> bool:
        if self._owner.run_id is not None and may_use(self._owner.run_id, stored):
            return True
        workflow = Workflow.objects.filter(pk=stored.workflow_id).first() if stored.workflow_id else None
        return workflow is not None and can(self._run_as(), "view_payload", workflow)


def clean_name(name: str) -> str:
    """A file name without folders and control characters; `file` when nothing is left."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in last if each.isprintable() and each not in '"<>|:*?').strip(" .")
    if len(shown) > NAME_LENGTH:
        stem, dot, extension = shown.rpartition(".")
        keeps = dot and len(extension) <= 10
        shown = f"{stem[: NAME_LENGTH - len(extension) - 1]}.{extension}" if keeps else shown[:NAME_LENGTH]
    return shown or "file"


def _pieces(content: bytes | IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(content, bytes | bytearray | memoryview):
        yield bytes(content)
    elif hasattr(content, "read"):
        while piece := content.read(_PIECE):
            yield piece
    else:
        yield from content


def _missing(name: str) -> ConnectorError:
    return ConnectorError(
        text("The file %(name)s no longer exists, or this workflow may not read it.", name=name), code="file_missing"
    )
