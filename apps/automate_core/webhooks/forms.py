"""Forms as objects: a field is its text, a repeated one the list of them, a file its name, type and size.

A file's content is counted and let go; nothing of it is kept, and no name from the body is ever used as a path.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from automate_core.webhooks.errors import BodyError

MULTIPART = "multipart/form-data"
MAX_FIELDS = 1_000


def read(body: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a form, encoded as `content_type` says. Raises BodyError."""
    if content_type.partition(";")[0].strip().lower() == MULTIPART:
        return _collected(_multipart(body, content_type))
    return _collected(_encoded(body))


def _encoded(body: bytes) -> list[tuple[str, Any]]:
    try:
        return list(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except UnicodeDecodeError:
        raise BodyError("the form is not in UTF-8") from None
    except ValueError:
        raise BodyError(f"the form has more than {MAX_FIELDS:,} fields") from None


class _Counted(FileUploadHandler):
    """Takes every file and keeps its size alone."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Let it go."""

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        """What is known of it in the end."""
        return UploadedFile(BytesIO(), name=self.file_name, content_type=self.content_type, size=file_size)


def _multipart(body: bytes, content_type: str) -> list[tuple[str, Any]]:
    """The parts, by Django's own parser with its limits on fields and files."""
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        fields, files = MultiPartParser(meta, BytesIO(body), [_Counted()], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError, LookupError) as error:
        raise BodyError(f"the form cannot be read: {error}") from error
    parts: list[tuple[str, Any]] = [(name, value) for name, values in fields.lists() for value in values]
    for name, uploads in files.lists():
        parts += [(name, {"name": each.name, "type": each.content_type or "", "size": each.size}) for each in uploads]
    return parts


def _collected(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
