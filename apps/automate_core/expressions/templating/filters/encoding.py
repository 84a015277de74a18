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

ABOUT = "Encodings"


@offer(ABOUT, "{{ {'name': 'Ada', 'langs': ['en']} | tojson }}")
def tojson(value: Any) -> str:
    """The value as JSON, which quotes texts as well."""
    return json.dumps(value, ensure_ascii=False)


@offer(ABOUT, "{{ ('{\"n\": 7}' | fromjson).n }}", cheap=False)
def fromjson(value: Any) -> Any:
    """The value that a text of JSON holds."""
    text = text_of(value, "fromjson")
    fits(len(text), "fromjson")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TemplateError(f"fromjson: the text is not JSON: {error}") from None


@offer(ABOUT, "{{ 'a b&c/d' | urlencode }} {{ {'q': 'a b', 'page': 2} | urlencode }}", name="urlencode")
def url_encode(value: Any) -> str:
    """A text for use inside an address, `/` included; a mapping as the part after the `?`."""
    if isinstance(value, dict):
        texts = {key: as_text(item) for key, item in value.items()}
        fits(sum(len(key) + len(text) for key, text in texts.items()), "urlencode")
        return urlencode(texts, quote_via=quote)
    return quote(_encoded(value, "urlencode"), safe="")


@offer(ABOUT, "{{ 'user:password' | base64 }}", name="base64")
def base64_(value: Any) -> str:
    """The text's UTF-8 bytes in base64."""
    return base64.b64encode(_encoded(value, "base64")).decode()


@offer(ABOUT, "{{ 'SGVsbG8=' | base64_decode }}")
def base64_decode(value: Any) -> str:
    """The text whose UTF-8 bytes these are, in either alphabet of base64, padded or not."""
    text = text_of(value, "base64_decode").strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise TemplateError("base64_decode takes the base64 of a text") from None


@offer(ABOUT, "{{ 'hello' | sha256 }}")
def sha256(value: Any) -> str:
    """The SHA-256 of the text's UTF-8 bytes, in hexadecimal digits."""
    return hashlib.sha256(_encoded(value, "sha256")).hexdigest()


@offer(ABOUT, "{{ '<b>Tom & Ann</b>' | escape }}")
def escape(value: Any) -> str:
    """The text for a place inside HTML, such as that of an email: `<`, `>`, `&` and quotes are shown, not obeyed."""
    text = html.escape(text_of(value, "escape"))
    fits(len(text), "escape", MAX_OUTPUT)
    return text


def _encoded(value: Any, what: str) -> bytes:
    if isinstance(value, list | dict):
        raise TemplateError(f"{what} takes a text, not {kind(value)}: `tojson` may come first")
    text = as_text(value)
    fits(len(text), what, MAX_OUTPUT)
    try:
        return text.encode()
    except UnicodeError:
        raise TemplateError(f"{what}: the text holds half a character") from None
