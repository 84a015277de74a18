"""Registry of filters: name, cost, category and example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Signature, signature
from typing import Any

type Code = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter. `is_cheap`: linear in the size of its input, so it may run in the calling process.

    `taken` and `words` stand for the signature and the docstring of code that is elsewhere.
    """

    name: str
    code: Code
    about: str
    example: str
    is_cheap: bool
    taken: Signature | None = None
    words: str = ""

    @property
    def signature(self) -> Signature:
        """Signature of its code; the first parameter is the filtered value."""
        return self.taken or signature(self.code)


FILTERS: dict[str, Filter] = {}


def offer(about: str, example: str, *, cheap: bool = True, name: str = "") -> Callable[[Code], Code]:
    """Register the decorated function as a filter, under its own name unless `name` is given.

    It gets JSON values only, may raise TemplateError, and must check the size of its result before it builds it. Its
    docstring is the description in docs/expressions.md.
    """

    def register(code: Code) -> Code:
        known_as = name or code.__name__.rstrip("_")
        FILTERS[known_as] = Filter(known_as, code, about, example, cheap)
        return code

    return register
