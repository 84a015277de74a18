"""The size of an output, before it is encoded: a text that stands in it a hundred times is held once until then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_plugins import text
from automate_plugins.texts import plain

MAX_OUTPUT_BYTES = 5_000_000
_SCALARS = frozenset({int, float, bool, type(None)})


class OutputSize:
    """Adds up the values of one output, about as long as they are in JSON, and ends beyond MAX_OUTPUT_BYTES."""

    def __init__(self) -> None:
        self._left = MAX_OUTPUT_BYTES

    def add(self, value: Any) -> None:
        """Count a value. Raises ConnectorError (`output_too_large`), and TypeError for what JSON cannot hold."""
        left = self._left
        pending: list[Iterable[Any]] = [(value,)]
        while pending:
            for each in pending.pop():
                kind = type(each)
                if kind is str:
                    left -= len(each) + 3
                elif kind in _SCALARS:
                    left -= 2
                elif kind is dict:
                    left -= _length_of_names(each) + 3 * len(each) + 2
                    if each:
                        pending.append(each.values())
                elif kind is list or kind is tuple:
                    left -= 2  # a list that holds itself ends as well
                    if each:
                        pending.append(each)
                else:
                    left -= len(msgspec.json.encode(each, enc_hook=plain))
                if left < 0:
                    raise output_too_large()
        self._left = left


def _length_of_names(value: dict[Any, Any]) -> int:
    try:
        return sum(map(len, value))
    except TypeError:  # numbers, which JSON has as texts
        return sum(len(str(name)) for name in value)


def output_too_large() -> ConnectorError:
    """Return the error for an output of more than MAX_OUTPUT_BYTES."""
    size = MAX_OUTPUT_BYTES // 1_000_000
    return ConnectorError(text("The output is larger than %(size)s MB.", size=size), code="output_too_large")
