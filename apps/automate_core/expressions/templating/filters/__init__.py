"""All filters of templates; there are no others."""

from automate_core.expressions.templating.filters import encoding, lists, numbers, patterns, text, times
from automate_core.expressions.templating.filters.registry import FILTERS, Filter

__all__ = ["FILTERS", "Filter", "encoding", "lists", "numbers", "patterns", "text", "times"]
