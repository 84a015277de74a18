"""The errors of Pydantic in fields of a request: a code, and a sentence in the language of the request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

_TYPE = {
    "string_type": _("Enter a text."),
    "int_type": _("Enter a whole number."),
    "int_parsing": _("Enter a whole number."),
    "int_from_float": _("Enter a whole number."),
    "int_parsing_size": _("Enter a smaller number."),
    "float_type": _("Enter a number."),
    "float_parsing": _("Enter a number."),
    "bool_type": _("Enter true or false."),
    "bool_parsing": _("Enter true or false."),
    "dict_type": _("Enter a JSON object."),
    "model_type": _("Enter a JSON object."),
    "model_attributes_type": _("Enter a JSON object."),
    "list_type": _("Enter a list."),
}
_FORMAT = {
    "uuid": _("Enter a UUID."),
    "datetime": _("Enter a date and time, such as 2026-05-04T09:00:00Z."),
    "date": _("Enter a date, such as 2026-05-04."),
    "timezone": _("Enter a date and time with a time zone."),
}
_BOUNDS = {
    "greater_than": ("out_of_range", _("Enter more than %(gt)s.")),
    "greater_than_equal": ("out_of_range", _("Enter at least %(ge)s.")),
    "less_than": ("out_of_range", _("Enter less than %(lt)s.")),
    "less_than_equal": ("out_of_range", _("Enter at most %(le)s.")),
    "finite_number": ("out_of_range", _("Enter a number that is not infinite.")),
    "string_too_long": ("too_long", _("Use at most %(max_length)s characters.")),
    "string_too_short": ("too_short", _("Use at least %(min_length)s characters.")),
    "too_long": ("too_long", _("Use at most %(max_length)s values.")),
    "too_short": ("too_short", _("Use at least %(min_length)s values.")),
    "string_pattern_mismatch": ("bad_format", _("This value has the wrong format.")),
    "literal_error": ("not_a_choice", _("Choose one of: %(expected)s.")),
    "enum": ("not_a_choice", _("Choose one of: %(expected)s.")),
    "no_period": ("bad_format", _("Enter one of %(expected)s, or a date and time, such as 2026-05-04T09:00:00Z.")),
    "missing": ("required", _("This field is required.")),
    "extra_forbidden": ("unknown", _("There is no such field.")),
}


def field_errors(found: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(path, sentence, code) of each error."""
    for each in found:
        code, message = _described(each)
        yield _path(each), message, code


def _path(found: dict[str, Any]) -> str:
    """The path without the place of the parameter: `inputs.order` of ("body", "body", "inputs", "order")."""
    path = [str(part) for part in found.get("loc", ())]
    skipped = 2 if path[:1] == ["body"] or (path[:1] == ["query"] and len(path) > 2) else 1
    return ".".join(path[skipped:] or path[-1:])


def _described(found: dict[str, Any]) -> tuple[str, str]:
    kind, values = str(found.get("type", "")), found.get("ctx", {})
    if kind in _BOUNDS:
        code, message = _BOUNDS[kind]
        return code, str(message) % {name: _plain(value) for name, value in values.items()}
    if kind in _TYPE:
        return "wrong_type", str(_TYPE[kind])
    if (stem := kind.partition("_")[0]) in _FORMAT:
        return "bad_format", str(_FORMAT[stem])
    return "invalid", str(found.get("msg", ""))


def _plain(value: Any) -> str:
    """Choices as a list of words: without the quotes and the English `or` of Pydantic."""
    return str(value).replace("' or '", "', '").replace("'", "") if isinstance(value, str) else str(value)
