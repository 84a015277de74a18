"""The last wall: no page, fragment, stream, download or answer holds a value that this process knows as a secret."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from automate_governance.redaction import STRONG, RedactedStream, redactor

_TEXTS = ("text/", "application/json", "application/yaml", "application/xml", "application/problem+json")


class RedactAnswersMiddleware:
    """Masks known values of 16 characters or more in answers of text. Shorter ones could be part of a page's markup."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith(_TEXTS):
            if isinstance(response, StreamingHttpResponse):
                content: Any = response.streaming_content
                response.headers.pop("Content-Length", None)
                response.streaming_content = _later(content) if response.is_async else _pieces(content)
            elif isinstance(response, HttpResponse):
                _mask(response)
        return response


def _mask(response: HttpResponse) -> None:
    charset = response.charset or "utf-8"
    text = response.content.decode(charset, "surrogateescape")
    masked = redactor.text(text, shapes=False, at_least=STRONG)
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
