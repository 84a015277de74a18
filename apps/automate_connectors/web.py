"""Helpers of connectors to web services: errors from responses, values in requests, files in JSON."""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from automate_connectors.adapters.base import ConnectorError
from automate_egress import HttpResponse
from automate_governance.redaction.redactor import redact_and_truncate
from automate_plugins import text

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_FILE_BYTES = 5_000_000
#: In an error's details: the host that answered in the end, when a redirect led away from whom was asked.
ANSWERED_BY = "answered_by"
_SHOWN_BODY = 2_000
_REQUEST_IDS = ("x-request-id", "request-id", "x-github-request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;.*)?", re.ASCII)


def http_error(
    what: str, response: HttpResponse, *, code: str = "", retryable: bool | None = None, wait: float | None = None
) -> ConnectorError:
    """Return the error for a failed response: `what` is its message, with what to do. `wait` is in seconds."""
    return ConnectorError(
        what,
        code=code or f"http_{response.status}",
        retryable=response.status in RETRYABLE_STATUSES if retryable is None else retryable,
        retry_after=response.retry_after if wait is None else wait,
        details={
            "status": response.status,
            "body": redact_and_truncate(response.text, _SHOWN_BODY),
            **request_id(response.headers),
        },
    )


def request_id(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `{"request_id": …}` for an error's details: the other side's id of the request, where it names one."""
    found = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")
    return {"request_id": found[:200]} if found else {}


def quote_segment(segment: str) -> str:
    """Quote one segment of a URL's path. Raises ConnectorError for a segment that cannot be a name."""
    if segment in {"", ".", ".."}:
        raise invalid_input(text("%(value)s is not a valid name.", value=repr(segment)))
    return quote(segment, safe="")


def group_query(query: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the query by name: a text, or several."""
    found: dict[str, Any] = {}
    for name, value in query:
        if name not in found:
            found[name] = value
        else:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
    return found


def as_text(value: Any) -> str:
    """Return a value as a URL, header or form carries it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def invalid_input(message: str) -> ConnectorError:
    """Return the error for an invalid input."""
    return ConnectorError(message, code="invalid_input")


def json_object(what: str, response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a response. Raises ConnectorError for anything else."""
    found = _parsed(response)
    if not isinstance(found, dict):
        message = text("The response from %(service)s is not a JSON object.", service=what)
        raise http_error(message, response, code="invalid_answer")
    return found


def json_list(what: str, response: HttpResponse) -> list[Any]:
    """Return the JSON list of a response. Raises ConnectorError for anything else."""
    found = _parsed(response)
    if not isinstance(found, list):
        message = text("The response from %(service)s is not a JSON list.", service=what)
        raise http_error(message, response, code="invalid_answer")
    return found


def _parsed(response: HttpResponse) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def read_json(response: HttpResponse) -> Any:
    """Return the JSON value of a response. Raises ConnectorError that shows what came in its place."""
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise http_error(text("The response is not JSON."), response, code="invalid_answer", retryable=False) from error


@dataclass(frozen=True, kw_only=True)
class File:
    """A file in step inputs and outputs: `{"filename", "content_type", "base64"}`, or `text` instead of `base64`."""

    filename: str
    content: bytes
    content_type: str

    @classmethod
    def read(cls, value: Any, place: str) -> File:
        """Parse the file in a JSON value. Raises ConnectorError that names `place`."""
        if not isinstance(value, dict):
            raise invalid_input(text("%(name)s must be a mapping with filename and either base64 or text.", name=place))
        name = value.get("filename") or "file"
        if not isinstance(name, str) or len(name) > 200 or any(char in name for char in '/\\"\r\n\0'):
            raise invalid_input(
                text("%(name)s must not contain slashes, quotes or line breaks.", name=f"{place}.filename")
            )
        given = value.get("content_type") or ("text/plain; charset=utf-8" if "text" in value else _BINARY)
        if not isinstance(given, str) or not _TYPE.fullmatch(given):
            raise invalid_input(
                text("%(name)s must be a media type such as application/pdf.", name=f"{place}.content_type")
            )
        return cls(filename=name, content=_content(value, place), content_type=given)

    def value(self) -> dict[str, Any]:
        """Return the file as a JSON value."""
        return {
            "filename": self.filename,
            "content_type": self.content_type,
            "base64": base64.b64encode(self.content).decode(),
            "size": len(self.content),
        }


def normalized_filename(filename: str) -> str:
    """Return a file's name as programs read it: plain letters, nothing invisible, no dots or blanks at the end."""
    letters = unicodedata.normalize("NFKC", filename)
    return "".join(each for each in letters if unicodedata.category(each)[0] != "C").rstrip(". \u00a0").casefold()


_BINARY = "application/octet-stream"


def _content(value: dict[str, Any], place: str) -> bytes:
    written, encoded = value.get("text"), value.get("base64")
    if isinstance(written, str) and encoded is None:
        content = written.encode()
    elif isinstance(encoded, str) and written is None:
        content = decode_base64(encoded, f"{place}.base64")
    else:
        raise invalid_input(text("%(name)s needs either text or base64.", name=place))
    if len(content) > MAX_FILE_BYTES:
        raise invalid_input(text("%(name)s is larger than %(size)s MB.", name=place, size=MAX_FILE_BYTES // 1_000_000))
    return content


def decode_base64(encoded: str, place: str) -> bytes:
    """Decode a base64 text. Raises ConnectorError that names `place`."""
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_input(text("%(name)s is not valid base64.", name=place)) from error
