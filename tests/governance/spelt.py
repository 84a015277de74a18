"""Every way in which the tests look for a secret. Written apart from the product's own list, so that each checks the other."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse


def spellings(value: str) -> dict[str, str]:
    """The forms of a value by name. Of base64, what does not depend on its neighbours."""
    raw = value.encode()
    lower = {ord(upper): upper.lower() for upper in "ABCDEF"}
    forms = {
        "raw": value,
        "url": urllib.parse.quote(value, safe=""),
        "url, path": urllib.parse.quote(value),
        "url, lower case": "".join(
            piece.translate(lower) if piece.startswith("%") else piece
            for piece in _percent_pieces(urllib.parse.quote(value, safe=""))
        ),
        "url, every character": "".join(f"%{byte:02X}" for byte in raw),
        "form": urllib.parse.quote_plus(value),
        "url in url": urllib.parse.quote(urllib.parse.quote(value, safe=""), safe=""),
        "json": json.dumps(value)[1:-1],
        "json, not ascii": json.dumps(value, ensure_ascii=False)[1:-1],
        "json in json": json.dumps(json.dumps(value))[3:-3],
        "html": html.escape(value),
        "html, decimal": html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        "hex": raw.hex(),
        "hex, upper case": raw.hex().upper(),
        "repr": repr(value)[1:-1],
        "bytes": repr(raw)[2:-1],
    }
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + raw + b"x" * 3).decode()
        inner = encoded[4 if shift else 0 : 4 * ((shift + len(raw)) // 3)]
        forms[f"base64 {shift}"] = inner
        forms[f"base64 {shift}, url-safe"] = inner.replace("+", "-").replace("/", "_")
    return forms


def encoded(value: str) -> dict[str, str]:
    """Texts that hold the value, by the name of its form: base64 with neighbours, as it is found in the wild."""
    forms = {name: form for name, form in spellings(value).items() if "base64" not in name}
    for shift in range(3):
        text = base64.b64encode(b"x" * shift + value.encode() + b"yyy"[: 3 - shift]).decode()
        forms[f"base64 {shift}"] = text
        forms[f"base64 {shift}, url-safe"] = text.replace("+", "-").replace("/", "_").rstrip("=")
    return forms


def found(value: str, text: str) -> list[str]:
    """The names of the forms of `value` that stand in `text`."""
    return [name for name, form in spellings(value).items() if form in text]


def _percent_pieces(quoted: str) -> list[str]:
    pieces, at = [], 0
    while at < len(quoted):
        size = 3 if quoted[at] == "%" else 1
        pieces.append(quoted[at : at + size])
        at += size
    return pieces
