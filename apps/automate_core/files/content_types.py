"""The content type of a file: what its first bytes say, held against what its sender says."""

from __future__ import annotations

import mimetypes
import re
from fnmatch import fnmatch

from automate_connectors.adapters.base import ConnectorError
from automate_core.conf import setting
from automate_plugins import text

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 1024  #: that `check_content_type` looks at

_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,48}/[a-z0-9][a-z0-9.+-]{0,48}")
_EXECUTABLE = "application/x-executable"
_ZIP = "application/zip"
# https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern and the formats' own specifications
_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", _ZIP),
    (b"\x1f\x8b", "application/gzip"),
    (b"MZ", _EXECUTABLE),
    (b"\x7fELF", _EXECUTABLE),
)
_MARKUP = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script|svg)\b", re.I | re.S
)
_ACTIVE = {"text/html", "application/xhtml+xml", "image/svg+xml"}
_TEXTUAL = re.compile(r"text/|application/(?:json|xml|csv)|.*\+(?:json|xml)$")


def check_content_type(name: str, claimed: str, head: bytes) -> str:
    """Return the content type of a file from its name, the claimed type and its first bytes.

    Raises ConnectorError: `file_type_mismatch` when the content is of another kind than claimed, `file_type_refused`
    when AUTOMATE_FILE_TYPES does not list it.
    """
    claimed = claimed.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(claimed) or claimed == UNKNOWN:
        claimed = (mimetypes.guess_type(name, strict=False)[0] or "").lower()
    found = _sniff(head)
    if found and claimed and not _fits(claimed, found):
        message = text(
            "The file %(name)s is declared as %(claimed)s, but its content is %(found)s.",
            name=name,
            claimed=claimed,
            found=found,
        )
        raise ConnectorError(message, code="file_type_mismatch", details={"claimed": claimed, "found": found})
    content_type = claimed or found or (UNKNOWN if b"\0" in head else "text/plain")
    allowed = setting("AUTOMATE_FILE_TYPES")
    if allowed is not None and not any(fnmatch(content_type, pattern) for pattern in allowed):
        message = text("Files of the type %(type)s are not allowed here.", type=content_type)
        raise ConnectorError(message, code="file_type_refused")
    return content_type


def _sniff(head: bytes) -> str:
    """The type that the first bytes of a file prove; empty when they prove none."""
    for signature, content_type in _SIGNATURES:
        if head.startswith(signature):
            return content_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "text/html" if _MARKUP.match(head) else ""


def _fits(claimed: str, found: str) -> bool:
    """Whether a file that is declared as `claimed` may have content of the kind `found`."""
    if claimed == found:
        return True
    if found == _ZIP:  # office documents and many others are ZIP files
        return claimed.startswith("application/")
    if found == "text/html":
        return claimed in _ACTIVE or bool(_TEXTUAL.match(claimed))
    if found == "application/gzip":
        return claimed.startswith("application/")
    return found == _EXECUTABLE and claimed.startswith("application/x-")
