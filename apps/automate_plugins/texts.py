"""Texts that people read, marked where they are written and translated where they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Text(str):
    """An English text that remembers its message and values, so that it can be translated when it is shown.

    `message` and `plural` have placeholders such as `%(name)s`; `number` chooses between the two.
    """

    message: str
    plural: str
    number: int
    values: Mapping[str, Any]

    def __new__(cls, message: str, values: Mapping[str, Any], plural: str = "", count: int = 1) -> Text:
        self = super().__new__(cls, (plural if plural and count != 1 else message) % values)
        self.message, self.plural, self.number, self.values = message, plural, count, dict(values)
        return self

    def __reduce__(self) -> tuple[type[Text], tuple[Any, ...]]:
        return Text, (self.message, self.values, self.plural, self.number)


def text(message: str, /, **values: Any) -> str:
    """Mark a text for translation. Values fill its placeholders: `text("No field %(name)s.", name=name)`.

    A text without values is returned as it is. The extraction finds the call, so the message is a literal. Raises
    KeyError for a placeholder without value.
    """
    return Text(message, values) if values else message


def ntext(singular: str, plural: str, count: int, /, **values: Any) -> str:
    """Mark a text that depends on a number, which fills `%(count)s`: `ntext("%(count)s row", "%(count)s rows", 3)`."""
    return Text(singular, {"count": count, **values}, plural, count)


def translate(message: str, gettext: Callable[[str], str], ngettext: Callable[[str, str, int], str]) -> str:
    """Return a marked text in the language of two gettext functions, values that are marked texts included."""
    if not isinstance(message, Text):
        return gettext(message) if message else message
    values = {
        name: translate(value, gettext, ngettext) if isinstance(value, Text) else value
        for name, value in message.values.items()
    }
    if message.plural:
        return ngettext(message.message, message.plural, message.number) % values
    return gettext(message.message) % values


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
        values = {
            name: restored(value, str(value)) if isinstance(value, dict) else value
            for name, value in kept["values"].items()
        }
        return Text(kept["message"], values, kept.get("plural", ""), kept.get("count", 1))
    except (AttributeError, KeyError, TypeError, ValueError):
        return fallback


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
