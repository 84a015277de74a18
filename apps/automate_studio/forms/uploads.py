"""Files that people send with a form: limited while they arrive, then stored as files of the page.

A file that an earlier answer left behind counts towards the quota of the answer that keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest, QueryDict

from automate_connectors.adapters.base import ConnectorError
from automate_core.conf import setting
from automate_core.files.store import FileOwner, store_file
from automate_core.files.uploads import find_upload, make_room
from automate_plugins import text
from automate_plugins.files import FileValue
from automate_studio.forms.fields import KEPT, MEGABYTE, PREFIX, REMOVED, Documents
from automate_studio.forms.kept_files import read_kept

type OwnerOfField = Callable[[str], FileOwner]


class QuotaHandler(FileUploadHandler):
    """Drops the files of a request from where all of them together exceed the quota; `dropped` are their fields.

    What is typed into the other fields is read all the same.
    """

    def __init__(self, request: HttpRequest, most: int) -> None:
        super().__init__(request)
        self._left = most
        self.dropped: set[str] = set()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Pass the data on to the next handler."""
        self._left -= len(raw_data)
        if self._left < 0:
            self.dropped.add(str(self.field_name))
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> UploadedFile[bytes] | None:
        """Leave the file to the next handler."""
        return None


def limit_uploads(request: HttpRequest) -> QuotaHandler:
    """Limit the files of a request that was not read yet."""
    handler = QuotaHandler(request, int(setting("AUTOMATE_FORM_FILE_BYTES")))
    request.upload_handlers.insert(0, handler)
    return handler


def store_uploads(
    request: HttpRequest, form: Documents, dropped: Iterable[str], owner_of: OwnerOfField
) -> tuple[dict[str, FileValue], dict[str, str]]:
    """(the files of the answer, a sentence for each field whose file is not accepted), by field.

    A file that was sent with an earlier, incomplete answer of the same page is known again, unless it was removed.
    `owner_of` gives the owner of what is sent in a field.
    """
    files: dict[str, FileValue] = {}
    errors: dict[str, str] = {}
    left = int(setting("AUTOMATE_FORM_FILE_BYTES"))
    for document in form:
        if document.get("kind") != "file":
            continue
        name = document["name"]
        field = f"{PREFIX}{name}"
        upload, owner = request.FILES.get(field), owner_of(name)
        kept = None if upload or request.POST.get(f"{field}{REMOVED}") else _find_kept(request.POST, field, owner)
        size = (upload.size or 0) if isinstance(upload, UploadedFile) else kept["size"] if kept else 0
        left -= size
        if field in dropped or (size and left < 0):
            megabytes = f"{setting('AUTOMATE_FORM_FILE_BYTES') / MEGABYTE:.12g}"
            errors[name] = text("The files are too large: together at most %(size)s MB.", size=megabytes)
        elif isinstance(upload, UploadedFile):
            try:
                files[name] = _store(upload, document, owner)
            except ConnectorError as error:
                errors[name] = str(error)
        elif kept:
            files[name] = kept
    return files, errors


def _store(upload: UploadedFile[bytes], document: Mapping[str, Any], owner: FileOwner) -> FileValue:
    """Raises ConnectorError."""
    name, size = upload.name or "", upload.size or 0
    most = document.get("maximum")
    if not size:
        raise ConnectorError(text("The file %(name)s is empty.", name=name), code="file_empty")
    if most is not None and size > most * MEGABYTE:
        message = text("The file %(name)s is too large: at most %(size)s MB.", name=name, size=float(most))
        raise ConnectorError(message, code="file_too_large")
    accepted = document.get("accept", [])
    if accepted and not any(_is_accepted(upload, each.lower()) for each in accepted):
        message = text("The file must be of one of these types: %(types)s.", types=", ".join(accepted))
        raise ConnectorError(message, code="file_type_refused")
    make_room(owner, size)
    return store_file(upload.file or (), name=name, content_type=upload.content_type or "", owner=owner)


def _is_accepted(upload: UploadedFile[bytes], accepted: str) -> bool:
    if accepted.startswith("."):
        return (upload.name or "").lower().endswith(accepted)
    return fnmatch((upload.content_type or "").lower(), accepted)


def _find_kept(post: QueryDict, field: str, owner: FileOwner) -> FileValue | None:
    if not (reference := read_kept(post.get(f"{field}{KEPT}", ""), field)):
        return None
    return find_upload(owner, reference)
