"""A good expression filter, and what can be wrong with one."""

from __future__ import annotations

import itertools
import time

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters.plugin import ExpressionFilter
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)


class GoodFilter(ExpressionFilter):
    """Repeats a text."""

    example = "{{ 'ab' | again(2) }}"

    def apply(self, value, times=1):
        """The text, repeated."""
        if not isinstance(value, str):
            raise TemplateError("again needs a text.")
        return value * times


@planted("made_without_arguments")
class NeedsArguments(GoodFilter):
    def __init__(self, times):
        self.times = times


@planted("identity", "first argument")
class TakesNothing(GoodFilter):
    def apply(self):
        """Nothing."""


@planted("identity", "description and example must be text")
class NoExample(GoodFilter):
    example = None


@planted("identity", "say in `description`")
class NoWords(GoodFilter):
    def apply(self, value, times=1):
        return super().apply(value, times)


@planted("example", "the example fails")
class ExampleFails(GoodFilter):
    example = "{{ 7 | again }}"


@planted("cases", "gives 'ab'")
class RepeatsNothing(GoodFilter):
    def apply(self, value, times=1):
        """The text."""
        return super().apply(value)


@planted("any_value", "raises TypeError")
class RaisesATypeError(GoodFilter):
    def apply(self, value, times=1):
        """The text, repeated."""
        return value + value


@planted("any_value", "is not JSON")
class ReturnsASet(GoodFilter):
    def apply(self, value, times=1):
        """A set."""
        return set(super().apply(value, times))


@planted("pure", "different results")
class Counts(GoodFilter):
    counter = itertools.count()

    def apply(self, value, times=1):
        """A number."""
        return next(self.counter)


@planted("pure", "changes its value")
class EmptiesLists(GoodFilter):
    def apply(self, value, times=1):
        """The length of a list."""
        if not isinstance(value, list):
            raise TemplateError("again needs a list.")
        found = len(value)
        value.clear()
        return found * 0


@planted("returns_in_time", "takes longer")
class Blocks(GoodFilter):
    def apply(self, value, times=1):
        """Nothing, ever."""
        time.sleep(60)
