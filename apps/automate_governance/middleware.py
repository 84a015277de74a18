"""The language of responses, and their redaction: none holds a secret that was resolved to make it."""

from __future__ import annotations

import codecs
import contextlib
import itertools
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils.translation import gettext as _

from automate_governance import admin_site
from automate_governance.people import locale, origin, password_changes
from automate_governance.redaction import callback_tokens
from automate_governance.redaction.redactor import MIN_STRONG_LENGTH, RedactedStream, Redactor, redactor_context

_VISIBLE_ATTRIBUTE = re.compile(
    rb"""\b(?:value|title|content|alt|placeholder|aria-label)\s*=\s*(?:"[^"]*|'[^']*|[^\s"'>]*)$"""
)
#: Pages of people who must change their password first: signing out, and the texts of scripts.
_OPEN_VIEWS = ("admin:logout", "admin:login", "admin:jsi18n")
_MAX_TAG_BYTES = 10_000  # bytes: longer tags are not looked through
_PIECES_AT_ONCE = 16  # of a stream, for each visit of its thread
#: What is not text, by the beginning of its media type. All else is, whatever it is called.
_BINARY_TYPES = (
    "image/avif", "image/gif", "image/jpeg", "image/png", "image/vnd.microsoft.icon", "image/webp", "image/x-icon",
    "audio/", "font/", "video/", "application/font", "application/gzip", "application/octet-stream",
    "application/pdf", "application/vnd.ms-", "application/vnd.openxmlformats-", "application/wasm", "application/zip",
)  # fmt: skip


def show_once(response: HttpResponse, *secrets: str) -> None:
    """Exempt values from redaction in this response: secrets that its reader was just given, or may have."""
    response.shown_once = tuple(secret.encode() for secret in secrets)  # type: ignore[attr-defined]


class PersonLocaleMiddleware:
    """Answers in the language and the time zone that a person has chosen. It follows `LocaleMiddleware`, which takes
    the browser's language. They stay active while the response streams, until the next request sets its own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        locale.activate(request)
        return self.get_response(request)


class PasswordChangeMiddleware:
    """Leads people who must change their password to the form for it. It follows `MessageMiddleware`.

    Nothing else works in their session until then, except signing out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.session.get(password_changes.SESSION_KEY):
            return self.get_response(request)
        form = admin_site.reverse("admin:password_change")
        if request.path == form:
            response = self.get_response(request)
            if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
                password_changes.end_requirement(request)
            return response
        if request.path in {admin_site.reverse(view) for view in _OPEN_VIEWS}:
            return self.get_response(request)
        messages.warning(request, _("An administrator set your password. Choose a new one to go on."))
        return HttpResponseRedirect(form)


def is_unmasked(content_type: str) -> bool:
    """Whether responses of this type leave as they are."""
    return content_type.lower().startswith(_BINARY_TYPES)


class RedactAnswersMiddleware:
    """Masks resolved secrets of 16 or more characters, and callback tokens, in text responses.

    Shorter values could be part of a page's markup. Secrets that other requests resolved are not masked: the requester
    could test whether a text is a secret.

    Streams of a view that is not async are read a few pieces at a time under ASGI, where Django would read all of them
    before the first is sent. The request is also the origin of what is audited while it is answered.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with origin.request_origin(request), redactor_context() as known:
            response = self.get_response(request)
        if isinstance(request, ASGIRequest) and isinstance(response, StreamingHttpResponse) and not response.is_async:
            whole: Any = response.streaming_content
            response.streaming_content = _read_in_thread(whole)
        if is_unmasked(response.headers.get("Content-Type", "")):
            return response
        if isinstance(response, StreamingHttpResponse):
            content: Any = response.streaming_content
            response.headers.pop("Content-Length", None)
            response.streaming_content = (
                _redact_async_stream(content, known) if response.is_async else _redact_stream(content, known)
            )
        elif isinstance(response, HttpResponse):
            _redact_response(response, known)
        return response


def is_markup(data: bytes, at: int) -> bool:
    """Return whether a position lies in an HTML tag, outside the visible attributes: a mask there breaks a page."""
    begins = data.rfind(b"<", max(0, at - _MAX_TAG_BYTES), at)
    if begins < 0 or data.rfind(b">", begins, at) >= 0 or not data[begins + 1 : begins + 2].strip(b" \t\r\n="):
        return False
    return _VISIBLE_ATTRIBUTE.search(data, begins, at) is None


def _redact_response(response: HttpResponse, known: Redactor) -> None:
    once: tuple[bytes, ...] = getattr(response, "shown_once", ())
    content = callback_tokens.mask_tokens(response.content, once)
    if not known.is_empty:
        content = _redact_content(known, content, response, once)
    if content != response.content:
        response.content = content
        if "Content-Length" in response.headers:
            response.headers["Content-Length"] = str(len(content))


def _redact_content(known: Redactor, content: bytes, response: HttpResponse, once: tuple[bytes, ...]) -> bytes:
    charset = response.charset or "utf-8"
    text = content.decode(charset, "surrogateescape")
    is_html = response.headers.get("Content-Type", "").startswith("text/html")

    def is_exempt(data: bytes, at: int) -> bool:
        return data.startswith(once, at) or (is_html and is_markup(data, at))

    masked = known.text(
        text, patterns=False, at_least=MIN_STRONG_LENGTH, is_exempt=is_exempt if is_html or once else None
    )
    return masked.encode(charset, "surrogateescape")


def _redact_stream(content: Iterator[bytes], known: Redactor) -> Iterator[bytes]:
    stream, decoder = RedactedStream(known), _decoder()
    for piece in content:
        yield _bytes(stream.push(decoder.decode(piece)))
    yield _bytes(stream.push(decoder.decode(b"", final=True)) + stream.flush())


async def _read_in_thread(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The content, without blocking the server; the database connection is returned."""
    try:
        while pieces := await sync_to_async(lambda: list(itertools.islice(content, _PIECES_AT_ONCE)))():
            yield b"".join(pieces)
    finally:
        await sync_to_async(connections.close_all)()


async def _redact_async_stream(content: AsyncGenerator[bytes], known: Redactor) -> AsyncIterator[bytes]:
    stream, decoder = RedactedStream(known), _decoder()
    async with contextlib.aclosing(content):
        async for piece in content:
            yield _bytes(stream.push(decoder.decode(piece)))
    yield _bytes(stream.push(decoder.decode(b"", final=True)) + stream.flush())


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("surrogateescape")  # what is no text after all stays as it is


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
