"""Filters for JSON, URLs, base64 and hashes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from automate_core.expressions.json_path import TemplateError, as_text
from automate_core.expressions.templating.filters.registry import offer
from automate_core.expressions.templating.limits import MAX_OUTPUT
from automate_core.expressions.templating.values import fits, kind, text_of
from automate_plugins import text

ABOUT = text("Encodings")


@offer(ABOUT, "{{ {'name': 'Ada', 'langs': ['en']} | tojson }}")
def tojson(value: Any) -> str:
    """The value as JSON; texts are quoted."""
    return json.dumps(value, ensure_ascii=False)


@offer(ABOUT, "{{ ('{\"n\": 7}' | fromjson).n }}", cheap=False)
def fromjson(value: Any) -> Any:
    """The value of a JSON text."""
    document = text_of(value, "fromjson")
    fits(len(document), "fromjson")
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TemplateError(text("fromjson: the text is not valid JSON: %(reason)s", reason=str(error))) from None


@offer(ABOUT, "{{ 'a b&c/d' | urlencode }} {{ {'q': 'a b', 'page': 2} | urlencode }}", name="urlencode")
def url_encode(value: Any) -> str:
    """The text encoded for a URL, `/` included; an object as the query string after the `?`."""
    if isinstance(value, dict):
        texts = {key: as_text(item) for key, item in value.items()}
        fits(sum(len(key) + len(item) for key, item in texts.items()), "urlencode")
        return urlencode(texts, quote_via=quote)
    return quote(_encoded(value, "urlencode"), safe="")


@offer(ABOUT, "{{ 'user:password' | base64 }}", name="base64")
def base64_(value: Any) -> str:
    """The text, as UTF-8, encoded in base64."""
    return base64.b64encode(_encoded(value, "base64")).decode()


@offer(ABOUT, "{{ 'SGVsbG8=' | base64_decode }}")
def base64_decode(value: Any) -> str:
    """The text that is encoded in base64 (standard or URL-safe, with or without padding)."""
    encoded = text_of(value, "base64_decode").strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise TemplateError(text("base64_decode needs a text encoded in base64.")) from None


@offer(ABOUT, "{{ 'hello' | sha256 }}")
def sha256(value: Any) -> str:
    """The SHA-256 hash of the text, as UTF-8, in hexadecimal digits."""
    return hashlib.sha256(_encoded(value, "sha256")).hexdigest()


@offer(ABOUT, "{{ '<b>Tom & Ann</b>' | escape }}")
def escape(value: Any) -> str:
    """The text for use in HTML, such as an HTML email: `<`, `>`, `&` and quotes are escaped."""
    escaped = html.escape(text_of(value, "escape"))
    fits(len(escaped), "escape", MAX_OUTPUT)
    return escaped


def _encoded(value: Any, what: str) -> bytes:
    if isinstance(value, list | dict):
        raise TemplateError(
            text("%(what)s needs a text, not %(kind)s. Add the filter tojson before it.", what=what, kind=kind(value))
        )
    written = as_text(value)
    fits(len(written), what, MAX_OUTPUT)
    try:
        return written.encode()
    except UnicodeError:
        raise TemplateError(text("%(what)s: the text contains an incomplete character.", what=what)) from None
