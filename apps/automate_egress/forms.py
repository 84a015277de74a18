"""Request bodies with files: multipart/form-data (RFC 7578) and multipart/related (RFC 2387)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from urllib3.fields import RequestField  # noqa: TID251 - encoding alone
from urllib3.filepost import encode_multipart_formdata  # noqa: TID251


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a form; a `filename` makes it a file."""

    name: str
    content: bytes
    filename: str = ""
    content_type: str = ""


def multipart(parts: Iterable[Part], *, seed: str) -> tuple[bytes, str]:
    """Return the body and its Content-Type. The same `seed` gives the same boundary, so that attempts are equal."""
    fields = []
    for part in parts:
        field = RequestField(name=part.name, data=part.content, filename=part.filename or None)
        field.make_multipart(content_type=part.content_type or None)
        fields.append(field)
    return encode_multipart_formdata(fields, boundary=_boundary(seed))


def related(parts: Iterable[tuple[str, bytes]], *, seed: str) -> tuple[bytes, str]:
    """Return a body of (content type, content) parts, and its Content-Type. The boundary comes from the `seed`."""
    boundary = _boundary(seed)
    lines = [
        b"--%s\r\nContent-Type: %s\r\n\r\n%s\r\n" % (boundary.encode(), kind.encode(), body) for kind, body in parts
    ]
    return b"".join([*lines, b"--%s--\r\n" % boundary.encode()]), f"multipart/related; boundary={boundary}"


def _boundary(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:40]
