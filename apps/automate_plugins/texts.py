"""Texts that people read, marked where they are written and translated where they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

GROUPED_FROM = 10_000  #: whole numbers in texts are grouped from here on; identifiers are passed as str


class Text(str):
    """An English text that remembers its message and values, so that it can be translated when it is shown.

    `message` and `plural` have placeholders such as `%(name)s`; `number` chooses between the two. `str(text)` keeps it,
    and so does `str(error)` for an exception with a Text; an f-string and a slice make a plain text of it.
    """

    message: str
    plural: str
    number: int
    values: Mapping[str, Any]

    def __new__(cls, message: str, values: Mapping[str, Any], plural: str = "", count: int = 1) -> Text:
        shown = {name: _shown(value, _grouped) for name, value in values.items()}
        written = plural if plural and count != 1 else message
        self = super().__new__(cls, written % shown if shown else written)
        self.message, self.plural, self.number, self.values = message, plural, count, dict(values)
        return self

    def __str__(self) -> str:
        return self

    def __reduce__(self) -> tuple[type[Text], tuple[Any, ...]]:
        return Text, (self.message, self.values, self.plural, self.number)


def text(message: str, /, **values: Any) -> str:
    """Mark a text for translation. Values fill its placeholders: `text("No field %(name)s.", name=name)`.
    A float is shown in the notation of the reader's language: 4,88.

    Values may be texts themselves. Whole numbers are grouped from 10,000 on: pass an identifier as a str. A text
    without values is returned as it is. The extraction finds the call, so the message is a literal. Raises KeyError
    for a placeholder without value.
    """
    return Text(message, values) if values else message


def ntext(singular: str, plural: str, count: int, /, **values: Any) -> str:
    """Mark a text that depends on a number, which fills `%(count)s`: `ntext("%(count)s row", "%(count)s rows", 3)`."""
    return Text(singular, {"count": count, **values}, plural, count)


def verbatim(message: str) -> str:
    """Mark a text that people wrote: it is shown as it is, even where it equals a text that has a translation."""
    return Text("%(text)s", {"text": message})


def marked(message: str) -> str:
    """Return a marked text that has no values as one that is translated where it is a value of another text."""
    return message if isinstance(message, Text) or not message else Text(message, {})


def joined(messages: Iterable[str], separator: str = " ") -> str:
    """Return several texts as one, each of which is translated when that is shown; empty ones are left out."""
    parts = {f"part{number}": marked(message) for number, message in enumerate(filter(None, messages))}
    return Text(separator.join(f"%({name})s" for name in parts), parts) if parts else ""


def relabelled(message: str, **values: Any) -> str:
    """Return a marked text with other values for some of its placeholders; a plain text comes back unchanged."""
    if not isinstance(message, Text):
        return message
    return Text(message.message, {**message.values, **values}, message.plural, message.number)


def truncate(message: str, most: int) -> str:
    """Return the first `most` characters; a marked text that is no longer stays one."""
    return message if len(message) <= most else message[:most]


def begins_with_value(message: str) -> bool:
    """Return whether a text begins with a value that is no text itself, such as the name of a person."""
    if not isinstance(message, Text) or not message.message.startswith("%("):
        return False
    value = message.values.get(message.message[2:].partition(")")[0])
    return begins_with_value(value) if isinstance(value, Text) else True


def translate(
    message: str,
    gettext: Callable[[str], str],
    ngettext: Callable[[str, str, int], str],
    number: Callable[[int | str], str] | None = None,
) -> str:
    """Return a marked text in the language of two gettext functions, values that are marked texts included.

    `number` writes large whole numbers among the values, and the decimals of a float, which it is given as text.
    """
    if not isinstance(message, Text):
        return gettext(message) if message else message
    values = {
        name: translate(value, gettext, ngettext, number)
        if isinstance(value, Text)
        else _shown(value, number or _grouped)
        for name, value in message.values.items()
    }
    if message.plural:
        return ngettext(message.message, message.plural, message.number) % values
    return gettext(message.message) % values if values else gettext(message.message)


def stored(message: str) -> dict[str, Any] | None:
    """Return what is kept beside a text in JSON so that it can be translated later, or None for a plain text."""
    if not isinstance(message, Text):
        return None
    values = {
        name: kept if isinstance(value, str) and (kept := stored(value)) else _plain(value)
        for name, value in message.values.items()
    }
    number = {"plural": message.plural, "count": message.number} if message.plural else {}
    return {"message": message.message, "values": values, **number}


def restored(kept: Any, fallback: str = "") -> str:
    """Return the text that `stored` kept; `fallback` where the JSON is none that it makes."""
    try:
        if not isinstance(kept["message"], str):
            return fallback
        values = {
            name: restored(value, str(value)) if isinstance(value, dict) else value
            for name, value in kept["values"].items()
        }
        return Text(kept["message"], values, kept.get("plural", ""), kept.get("count", 1))
    except (AttributeError, KeyError, TypeError, ValueError):
        return fallback


def _shown(value: Any, number: Callable[[int | str], str]) -> Any:
    if isinstance(value, float):
        return number(f"{value:.12g}")
    is_large = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= GROUPED_FROM
    return number(value) if is_large else value


def _grouped(number: int | str) -> str:
    return number if isinstance(number, str) else f"{number:,}"


def plain(value: Any) -> str:
    """Return a Text as an ordinary str: the `enc_hook` of msgspec's encoders, which know no subclass of str.

    Raises TypeError for other values.
    """
    if isinstance(value, Text):
        return str.__str__(value)
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
