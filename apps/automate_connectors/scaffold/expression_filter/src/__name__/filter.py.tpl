"""$title as a filter of expressions: {{ event.payload.text | $name }}."""

from __future__ import annotations

from typing import Any

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters.plugin import ExpressionFilter


class $class_name(ExpressionFilter):
    """A pure function: it has no files, no network and no settings."""

    example = "{{ 'ab' | $name(2) }}"

    def apply(self, value: Any, times: int = 1) -> Any:
        """The text, repeated."""
        if not isinstance(value, str) or not isinstance(times, int) or not 0 <= times <= 100:
            raise TemplateError("$name needs a text and a number up to 100.")
        return value * times
