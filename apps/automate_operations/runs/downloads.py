"""Downloads of files: attachments of which no browser makes a page of this site."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from django.db import transaction
from django.db.models import Model
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from automate_core.files.store import open_stored
from automate_core.models import StoredFile
from automate_governance import audit
from automate_governance.middleware import is_unmasked
from automate_governance.permissions import User

_PROTECTION = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_JUDGED = 65_536  #: bytes of a text by which its charset is


def download_file(request: HttpRequest, stored: StoredFile, owner: Model, *, by: User) -> HttpResponseBase:
    """The file as an attachment, recorded as downloaded from `owner`, whose payload `by` may view.

    A range of bytes is answered with 206, and one that the file does not have with 416, which has no body. Texts have
    no ranges: parts of a secret would not be masked. Raises ArtifactError.
    """
    size, has_ranges = stored.size, is_unmasked(stored.content_type)
    takes_range = has_ranges and request.method == "GET"
    found = _read_range(request.headers.get("Range", ""), size) if takes_range else range(size)
    if found is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    content = open_stored(stored)
    with transaction.atomic():
        verb = f"{owner._meta.model_name}.payload_downloaded".replace("executionrun", "run")
        audit.record(by, verb, owner, changes={"part": stored.name}, trace_id=stored.trace_id)
    headers = {
        **_PROTECTION,
        "Accept-Ranges": "bytes" if has_ranges else "none",
        "Content-Length": str(len(found)),
    }
    if len(found) < size:
        headers["Content-Range"] = f"bytes {found.start}-{found.stop - 1}/{size}"
    return FileResponse(
        _Part(content, found),
        as_attachment=True,
        filename=stored.name,
        content_type=_with_charset(stored.content_type, content),
        headers=headers,
        status=206 if len(found) < size else 200,
    )


def _read_range(header: str, size: int) -> range | None:
    """The bytes that a Range header asks for; None where the file has none of them.

    All of them for a header that says something else, such as several ranges, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match[0] == "bytes=-":
        return range(size)
    first, last = match.groups()
    if not first:
        found = range(max(size - int(last), 0), size)
    elif last and int(last) < int(first):
        return range(size)
    else:
        found = range(int(first), min(int(last) + 1, size) if last else size)
    return found or None


def _with_charset(content_type: str, content: BinaryIO) -> str:
    """The type of a text with its charset, as far as its beginning is UTF-8: nothing else says which one it is."""
    if not content_type.startswith("text/") or "charset" in content_type:
        return content_type
    content.seek(0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content.read(_JUDGED))
    except UnicodeDecodeError:
        return content_type
    return f"{content_type}; charset=utf-8"


class _Part:
    """Bytes of a file, as a file."""

    def __init__(self, content: BinaryIO, found: range) -> None:
        self._content, self._at, self._end = content, found.start, found.stop
        self.close = content.close

    def read(self, size: int) -> bytes:
        """At most so many further bytes."""
        self._content.seek(self._at)
        data = self._content.read(min(size, self._end - self._at))
        self._at += len(data)
        return data
