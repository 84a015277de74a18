"""From the bytes of a delivery to a value that everything behind can hold: parsed once, bounded, storable as jsonb."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from automate_core.webhooks import forms
from automate_core.webhooks.errors import BodyError
from automate_core.webhooks.schemes.signing import FORM

MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_KEY = 1_000
TAKEN = f"application/json, {FORM} or {forms.MULTIPART}"


class Document(NamedTuple):
    """A value, and the JSON text of it that is stored."""

    value: Any
    text: str


def parse(body: bytes, content_type: str) -> Any:
    """The JSON value in `body`, where nothing else is taken. Raises BodyError as `read` does."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not _is_json(media_type):
        raise _not_taken(media_type, "application/json")
    return _json(body).value


def read(body: bytes, content_type: str, *, json_field: str = "") -> Document:
    """The document in `body`: JSON, or a form, which becomes an object of its fields.

    A form whose only field is `json_field` is the JSON in that field. Without a content type it has to be JSON. Raises
    BodyError: 415 for another content type, 400 for what cannot be read.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if _is_json(media_type):
        return _json(body)
    if media_type not in (FORM, forms.MULTIPART):
        raise _not_taken(media_type, TAKEN)
    fields = forms.read(body, content_type)
    if json_field and list(fields) == [json_field] and isinstance(fields[json_field], str):
        return _json(fields[json_field].encode())
    return written(fields)


def written(value: Any) -> Document:
    """The document of a value that is made of texts. Raises BodyError."""
    check(value)
    try:
        return Document(value, msgspec.json.encode(value).decode())
    except UnicodeEncodeError:
        raise BodyError("the body holds half a character") from None


def _is_json(media_type: str) -> bool:
    """Also when there is none."""
    return media_type in ("", "application/json") or media_type.endswith("+json")


def _not_taken(media_type: str, taken: str) -> BodyError:
    return BodyError(f"the content type {media_type[:100]} is not taken; send {taken}", 415)


def _json(body: bytes) -> Document:
    value = decode(body)
    check(value)
    return Document(value, body.decode())


def decode(body: bytes, kind: Any = Any) -> Any:
    """The JSON value in `body`. Raises BodyError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise BodyError(f"the body is nested more than {MAX_DEPTH} deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyError(f"the body is not JSON: {error}") from error


def check(value: Any) -> None:
    """Depth, number of nodes, length of keys, and no NUL, which PostgreSQL cannot store. Iterative."""
    level, nodes = [value], 0
    for _ in range(MAX_DEPTH + 1):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise BodyError(f"the body has more than {MAX_NODES:,} values")
        deeper: list[Any] = []
        for item in level:
            if type(item) is dict:
                for key in item:
                    if len(key) > MAX_KEY or "\0" in key:
                        raise BodyError(f"a name in the body is longer than {MAX_KEY} characters or holds NUL")
                deeper.extend(item.values())
            elif type(item) is list:
                deeper.extend(item)
            elif type(item) is str and "\0" in item:
                raise BodyError("the body holds a NUL character")
        if not deeper:
            return
        level = deeper
    raise BodyError(f"the body is nested more than {MAX_DEPTH} deep")
