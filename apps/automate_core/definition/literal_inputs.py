"""Inputs that are taken as they are written, such as SQL: an expression in one would let data become a program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from automate_connectors.adapters.base import Action
from automate_plugins import text

_EXPRESSION = re.compile(r"\{\{|\{%|\{#")


def literal_input_problems(action: Action, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(input, reason) for each literal input of `action` that holds an expression."""
    for field in action.fields or ():
        value = inputs.get(field.name)
        if field.literal and isinstance(value, str) and _EXPRESSION.search(value):
            yield (
                field.name,
                text("%(name)s cannot contain expressions. Pass values in another input.", name=field.name),
            )
