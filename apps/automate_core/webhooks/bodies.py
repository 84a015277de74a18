"""A body, from its bytes to a value that everything behind can hold: parsed once, bounded, storable as jsonb.

Read from top to bottom: the document in a body, JSON, forms, limits. `cloudevents` reads its messages by the same
functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from automate_core.webhooks.schemes.signing import FORM

MULTIPART = "multipart/form-data"
ACCEPTED_TYPES = f"application/json, {FORM} or {MULTIPART}"
MAX_FIELDS = 1_000
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_KEY = 1_000


class BodyError(ValueError):
    """A body that is not accepted; the message is the reason given to the sender, `status` the answer's."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class Document(NamedTuple):
    """A value, and the JSON text of it that is stored."""

    value: Any
    text: str


def read_document(body: bytes, content_type: str, *, json_field: str = "", json_types: Sequence[str] = ()) -> Document:
    """The document in `body`: JSON, or a form, which becomes an object of its fields.

    A form whose only field is `json_field` is the JSON in that field. `json_types` are read as JSON, too. Without a
    content type it has to be JSON. Raises BodyError: 415 for another content type, 400 for a body that cannot be read.
    """
    media_type = _media_type(content_type)
    if _is_json(media_type) or media_type in json_types:
        return _read_json(body)
    if media_type not in (FORM, MULTIPART):
        raise _unsupported(media_type, ACCEPTED_TYPES)
    fields = _read_form(body, content_type)
    if json_field and list(fields) == [json_field] and isinstance(fields[json_field], str):
        return _read_json(fields[json_field].encode())
    return _encode_fields(fields)


def parse_json(body: bytes, content_type: str) -> Any:
    """The JSON value in `body`, where no form is accepted. Raises BodyError as `read_document` does."""
    media_type = _media_type(content_type)
    if not _is_json(media_type):
        raise _unsupported(media_type, "application/json")
    return _read_json(body).value


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    """Also when there is none."""
    return media_type in ("", "application/json") or media_type.endswith("+json")


def _unsupported(media_type: str, accepted: str) -> BodyError:
    return BodyError(f"The content type {media_type[:100]} is not supported. Send {accepted}.", 415)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _read_json(body: bytes) -> Document:
    value = decode_json(body)
    check_limits(value)
    return Document(value, body.decode())


def decode_json(body: bytes, kind: Any = Any) -> Any:
    """The JSON value in `body`. Raises BodyError."""
    if not body.strip():
        raise BodyError("The body is empty. Send JSON.")
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise BodyError(f"The body is nested more than {MAX_DEPTH} levels deep.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyError(f"The body is not JSON: {error}.") from error


# --- forms ------------------------------------------------------------------------------------------------------------


def _read_form(body: bytes, content_type: str) -> dict[str, Any]:
    """A field is its text, a repeated one the list of them, a file its name, type and size. Raises BodyError."""
    pairs = _multipart_pairs(body, content_type) if _media_type(content_type) == MULTIPART else _encoded_pairs(body)
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _encoded_pairs(body: bytes) -> list[tuple[str, Any]]:
    try:
        return list(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except UnicodeDecodeError:
        raise BodyError("The form is not encoded in UTF-8.") from None
    except ValueError:
        raise BodyError(f"The form has more than {MAX_FIELDS:,} fields.") from None


def _multipart_pairs(body: bytes, content_type: str) -> list[tuple[str, Any]]:
    """The parts, by Django's own parser with its limits on fields and files."""
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        fields, files = MultiPartParser(meta, BytesIO(body), [_FileCounter()], "utf-8").parse()
    except (MultiPartParserError, SuspiciousOperation, ValueError, LookupError) as error:
        raise BodyError(f"The form cannot be read: {error}") from error
    pairs: list[tuple[str, Any]] = [(name, value) for name, values in fields.lists() for value in values]
    for name, uploads in files.lists():
        pairs += [(name, {"name": each.name, "type": each.content_type or "", "size": each.size}) for each in uploads]
    return pairs


class _FileCounter(FileUploadHandler):
    """Counts the bytes of a file and stores none. No name from a body is ever used as a path."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Drop the chunk."""

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        """A file without content."""
        return UploadedFile(BytesIO(), name=self.file_name, content_type=self.content_type, size=file_size)


def _encode_fields(fields: dict[str, Any]) -> Document:
    check_limits(fields)
    try:
        return Document(fields, msgspec.json.encode(fields).decode())
    except UnicodeEncodeError:
        raise BodyError("The body contains an incomplete character.") from None


# --- limits -----------------------------------------------------------------------------------------------------------


def check_limits(value: Any) -> None:
    """Depth, number of nodes, length of keys, and no NUL, which PostgreSQL cannot store. Raises BodyError."""
    level, nodes = [value], 0
    for _ in range(MAX_DEPTH + 1):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise BodyError(f"The body has more than {MAX_NODES:,} values.")
        deeper: list[Any] = []
        for item in level:
            if type(item) is dict:
                for key in item:
                    if len(key) > MAX_KEY or "\0" in key:
                        raise BodyError(f"A name in the body is longer than {MAX_KEY} characters or contains NUL.")
                deeper.extend(item.values())
            elif type(item) is list:
                deeper.extend(item)
            elif type(item) is str and "\0" in item:
                raise BodyError("The body contains a NUL character.")
        if not deeper:
            return
        level = deeper
    raise BodyError(f"The body is nested more than {MAX_DEPTH} levels deep.")
