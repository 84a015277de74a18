"""MIME entities (RFC 2045 and 2046), split with limits, so that a hostile message costs no more than a large one.

The standard library's parser takes time and stack by the depth of a message, so only its reading of single values is
used here.
"""

from __future__ import annotations

import binascii
import codecs
import email.message
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_DEPTH = 20
MAX_PARTS = 200
_TOP_BYTES = 200_000  #: of the headers of a message
_PART_BYTES = 8_000  #: of the headers of a part
_MAX_HEADERS = 300
_LONGEST_VALUE = 20_000
_LONGEST_OF_CONTENT = 2_000  #: `Content-Type` and such, whose reading takes time by the square of their length
_FOLD = re.compile(rb"\r?\n[ \t]+")
_NAME = re.compile(r"[!-9;-~]{1,76}")
_NOT_BASE64 = bytes(set(range(256)) - set(string.ascii_letters.encode() + string.digits.encode() + b"+/"))
#: Charsets of mail. Others, of those that Python knows, take too long or are no charsets.
_CHARSET = re.compile(
    r"utf[-_]?(?:7|8|16|32)\S*|ascii|iso8859-\d+|iso2022_\w+|cp\d+|koi8-[rtu]|kz1048|mac-\w+|gb2312|gbk|gb18030|hz|"
    r"big5\w*|shift_jis\w*|euc_\w+|johab|tis-620|ptcp154|hp-roman8"
)

type Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Part:
    """An entity that holds no others: its headers, and its body as it was sent."""

    headers: email.message.Message
    body: bytes

    def decoded(self, report: Report) -> bytes:
        """The body without its transfer encoding; `report` gets the name of a damaged one."""
        encoding = str(self.headers.get("content-transfer-encoding", "")).strip().lower()
        if encoding == "base64":
            return _decode_base64(self.body, report)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return self.body


def split_message(content: bytes, report: Report) -> tuple[email.message.Message, list[Part]]:
    """(the headers of a message, its parts in reading order). `report` gets what was left out.

    A message inside a message is one part.
    """
    headers, start = _read_headers(content, 0, len(content), _TOP_BYTES, report)
    parts: list[Part] = []
    pending = [(headers, start, len(content), 0)]
    while pending:
        own, begin, end, depth = pending.pop()
        boundary = parameter(own.get_boundary) if own.get_content_maintype() == "multipart" else ""
        if not boundary or depth == MAX_DEPTH:
            if boundary:
                report("too_deep")
            parts.append(Part(own, content[begin:end]))
        else:
            inner: list[tuple[email.message.Message, int, int, int]] = []
            for first, last in _split(content, begin, end, boundary.encode("utf-8", "replace")):
                if len(parts) + len(pending) + len(inner) >= MAX_PARTS:
                    report("too_many_parts")
                    break
                part, body = _read_headers(content, first, last, _PART_BYTES, report)
                inner.append((part, body, last, depth + 1))
            pending += reversed(inner)
    return headers, parts


def parameter(read: Callable[[], str | None]) -> str:
    """What the standard library reads of a header; empty without it, and for a charset (RFC 2231) of no text."""
    try:
        return str(read() or "")
    except UnicodeError:
        return ""


def _split(content: bytes, begin: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts between the lines of a boundary begin and end; the last one may lack its end."""
    start = -1
    for at, after, is_last in _boundary_lines(content, begin, end, b"--" + boundary):
        if start >= 0:
            yield start, max(at - (2 if content[at - 2 : at] == b"\r\n" else 1), start)
        if is_last:
            return
        start = after
    if start >= 0:
        yield start, end


def _boundary_lines(content: bytes, begin: int, end: int, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """(where a boundary line begins, where the next line does, whether it ends the last part) of each."""
    at = begin if content.startswith(mark, begin, end) else content.find(b"\n" + mark, begin, end) + 1
    while at > 0:  # the headers stand before
        line_end = content.find(b"\n", at, end)
        line_end = end if line_end < 0 else line_end
        rest = content[at + len(mark) : min(line_end, at + len(mark) + 200)].strip()
        if rest in {b"", b"--"}:
            yield at, min(line_end + 1, end), rest == b"--"
        at = content.find(b"\n" + mark, line_end, end) + 1


def _read_headers(content: bytes, begin: int, end: int, most: int, report: Report) -> tuple[email.message.Message, int]:
    """(the headers at `begin`, where the body begins)."""
    if content.startswith((b"\n", b"\r\n"), begin, end):
        return email.message.Message(), content.index(b"\n", begin) + 1
    ends = [(content.find(mark, begin, end), len(mark)) for mark in (b"\n\n", b"\n\r\n")]
    stop, body = min(((at, at + length) for at, length in ends if at >= 0), default=(end, end))
    if stop - begin > most:
        report("headers_cut")
    headers = email.message.Message()
    lines = _FOLD.sub(b" ", content[begin : min(stop, begin + most)]).split(b"\n")
    for line in lines[:_MAX_HEADERS]:
        name, colon, value = line.partition(b":")
        plain_name = name.decode("ascii", "replace").strip()
        if colon and _NAME.fullmatch(plain_name):
            longest = _LONGEST_OF_CONTENT if plain_name.lower().startswith("content-") else _LONGEST_VALUE
            headers[plain_name] = decode_text(value.strip()[:longest], "utf-8")
    if len(lines) > _MAX_HEADERS:
        report("headers_cut")
    return headers, body


def _decode_base64(body: bytes, report: Report) -> bytes:
    """The bytes; characters that do not belong there are left out, and so is an incomplete end."""
    plain = body.translate(None, _NOT_BASE64)
    if len(plain) % 4 == 1:
        report("damaged_base64")
        plain = plain[:-1]
    return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))


def decode_text(content: bytes, charset: str, report: Report = lambda fault: None) -> str:
    """Bytes as a text, in UTF-8 or Latin-1 where the charset is unknown or does not fit. The text can be stored."""
    name = _codec(charset)
    if name is None:
        report("unknown_charset")
    for each in (name or "utf-8", "utf-8"):
        try:
            text = content.decode(each)
            break
        except ValueError:  # of which UnicodeError is one
            report("damaged_text")
    else:
        text = content.decode("latin-1")
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _codec(charset: str) -> str | None:
    """The name that Python has for a charset of mail; None for another one."""
    try:
        name = codecs.lookup(charset.strip("'\" ")[:40] or "us-ascii").name
    except (LookupError, ValueError, UnicodeError):
        return None
    return name if _CHARSET.fullmatch(name) else None
