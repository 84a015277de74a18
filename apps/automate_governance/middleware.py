"""The last wall: no page, fragment, stream, download or answer holds a value that this process knows as a secret."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from automate_governance import origin
from automate_governance.redaction import STRONG, RedactedStream, redactor

_SHOWN = re.compile(rb"""\b(?:value|title|content|alt|placeholder|aria-label)\s*=\s*(?:"[^"]*|'[^']*|[^\s"'>]*)$""")
_FAR = 10_000  # bytes: longer tags are not looked through
_TEXTS = ("text/", "application/json", "application/yaml", "application/xml", "application/problem+json")


def show_once(response: HttpResponse, secret: str) -> None:
    """Leave one value as it is in this answer: to whoever has been given it this moment, and will not see it again."""
    response.shown_once = secret.encode()  # type: ignore[attr-defined]


class RedactAnswersMiddleware:
    """Masks known values of 16 characters or more in answers of text. Shorter ones could be part of a page's markup.

    It also tells the audit trail which request is being answered.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with origin.of_request(request):
            response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith(_TEXTS):
            if isinstance(response, StreamingHttpResponse):
                content: Any = response.streaming_content
                response.headers.pop("Content-Length", None)
                response.streaming_content = _later(content) if response.is_async else _pieces(content)
            elif isinstance(response, HttpResponse):
                _mask(response)
        return response


def is_markup(data: bytes, at: int) -> bool:
    """Whether that place lies in a tag of HTML, outside the attributes that people see: a mask there breaks a page."""
    begins = data.rfind(b"<", max(0, at - _FAR), at)
    if begins < 0 or data.rfind(b">", begins, at) >= 0 or not data[begins + 1 : begins + 2].strip(b" \t\r\n="):
        return False
    return _SHOWN.search(data, begins, at) is None


def _mask(response: HttpResponse) -> None:
    charset = response.charset or "utf-8"
    text = response.content.decode(charset, "surrogateescape")
    is_html = response.headers["Content-Type"].startswith("text/html")
    once: bytes = getattr(response, "shown_once", b"")

    def spare(data: bytes, at: int) -> bool:
        return (bool(once) and data.startswith(once, at)) or (is_html and is_markup(data, at))

    masked = redactor.text(text, shapes=False, at_least=STRONG, spare=spare if is_html or once else None)
    if masked != text:
        response.content = masked.encode(charset, "surrogateescape")
        if "Content-Length" in response.headers:
            response.headers["Content-Length"] = str(len(response.content))


def _pieces(content: Iterator[bytes]) -> Iterator[bytes]:
    stream, decoder = RedactedStream(), codecs.getincrementaldecoder("utf-8")("replace")
    for piece in content:
        yield stream.feed(decoder.decode(piece)).encode()
    yield (stream.feed(decoder.decode(b"", final=True)) + stream.end()).encode()


async def _later(content: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    stream, decoder = RedactedStream(), codecs.getincrementaldecoder("utf-8")("replace")
    async with contextlib.aclosing(content):
        async for piece in content:
            yield stream.feed(decoder.decode(piece)).encode()
    yield (stream.feed(decoder.decode(b"", final=True)) + stream.end()).encode()
