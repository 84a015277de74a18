"""How a filter is offered: its name, whether it is cheap, what it is about, an example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Signature, signature
from typing import Any

type Code = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter. `is_cheap`: linear in what it is given, and may run in the process that asks."""

    name: str
    code: Code
    about: str
    example: str
    is_cheap: bool

    @property
    def signature(self) -> Signature:
        """Its parameters, the filtered value first."""
        return signature(self.code)


FILTERS: dict[str, Filter] = {}


def offer(about: str, example: str, *, cheap: bool = True, name: str = "") -> Callable[[Code], Code]:
    """Offer the decorated function as a filter, under its own name if no other is given.

    It is called with JSON values only, may raise TemplateError, and bounds what it makes before it makes it.
    """

    def register(code: Code) -> Code:
        known_as = name or code.__name__.rstrip("_")
        FILTERS[known_as] = Filter(known_as, code, about, example, cheap)
        return code

    return register
