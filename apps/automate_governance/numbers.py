"""Numbers as people type them in the active language, for reading them and for showing them again."""

from __future__ import annotations

from decimal import Decimal

from django.utils import formats

from automate_plugins import text
from automate_plugins.typed_values import COMMA, POINT, is_twofold, number_readings, write_number

_MOST_SHOWN = 60


def decimal_sign() -> str:
    """The sign before the decimals in the active language."""
    return COMMA if formats.get_format("DECIMAL_SEPARATOR") == COMMA else POINT


def typed_number(value: float | Decimal) -> str:
    """A number as people type it in the active language: `250,5` in German. Number fields take it again."""
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return (f"{plain}0" if is_twofold(plain) else plain).replace(POINT, decimal_sign())
    return write_number(value, decimal_sign())


def number_problem(written: str) -> str:
    """Why a text is no number, with the readings that it may have, as the reader types them."""
    shown = written.strip()[:_MOST_SHOWN]
    match sorted(number_readings(shown, decimal_sign()), key=abs, reverse=True):
        case [first, second]:
            return text(
                "%(written)s has two readings. Enter %(first)s, or %(second)s.",
                written=shown,
                first=typed_number(first),
                second=typed_number(second),
            )
        case [only]:
            return text("%(written)s is not a number. Enter %(proposal)s.", written=shown, proposal=typed_number(only))
    return text("Enter a number, for example %(example)s.", example=typed_number(12.5))


def whole_number_problem(written: str) -> str:
    """Why a text is no whole number, with the one that it may mean."""
    shown = written.strip()[:_MOST_SHOWN]
    found = [number for number in number_readings(shown, decimal_sign()) if isinstance(number, int)]
    if found and str(found[-1]) != shown:
        proposal = typed_number(max(found, key=abs))
        return text("%(written)s is not a whole number. Enter %(proposal)s.", written=shown, proposal=proposal)
    return text("Enter a whole number without commas or points, for example 1250.")
