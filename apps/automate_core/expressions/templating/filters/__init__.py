"""All filters. What is not here does not exist in templates."""

from automate_core.expressions.templating.filters import encoding, lists, numbers, patterns, text, times
from automate_core.expressions.templating.filters.registry import FILTERS, Filter

__all__ = ["FILTERS", "Filter", "encoding", "lists", "numbers", "patterns", "text", "times"]
