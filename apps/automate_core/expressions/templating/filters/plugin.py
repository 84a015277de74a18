"""The contract of a plug-in's filter, and where filters of plug-ins are known.

A filter is described in every process, and applied in render workers alone, which load it from its package.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, ClassVar, NoReturn

import msgspec

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters.registry import FILTERS, Filter
from automate_core.expressions.templating.limits import MAX_ITEMS
from automate_core.expressions.templating.values import fits
from automate_plugins import text

ABOUT = text("From plug-ins")
MAX_RESULT = 1_000_000  #: bytes of a result as JSON


class ExpressionFilter(ABC):
    """A filter, found in the group `django_automate.expression_filters` and named by its entry point.

    Made without arguments in each render worker. `description` says what it returns, in a sentence; without one, the
    docstring of `apply` does. `example` is an expression that uses it.
    """

    description: ClassVar[str] = ""
    example: ClassVar[str]

    @abstractmethod
    def apply(self, value: Any, /, *arguments: Any, **named: Any) -> Any:
        """Return the result for a JSON value, as a JSON value. Arguments are those in the filter's brackets.

        A pure function: without files, network and environment, which a render worker does not have, and without
        anything kept between calls. Raise TemplateError for a value that does not fit.
        """


def describe(name: str, offered: ExpressionFilter) -> Filter:
    """The filter as grammar and reference know it. Its code refuses to run. Raises TypeError for a bad description."""
    signature = inspect.signature(offered.apply)
    if name in FILTERS:
        raise TypeError(f"there is a built-in filter {name}")
    if not name.isidentifier() or name.startswith("_"):
        raise TypeError(f"a filter is named by letters, digits and _, not {name!r}")
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if not kinds or kinds[0] not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
        raise TypeError("apply must take the value as its first argument")
    words = offered.description or type(offered).apply.__doc__ or ""
    if not isinstance(words, str) or not isinstance(getattr(offered, "example", None), str):
        raise TypeError("description and example must be text")
    return Filter(name, _refuse, ABOUT, offered.example, is_cheap=False, taken=signature, words=words)


def applied(name: str, offered: ExpressionFilter) -> Callable[..., Any]:
    """The code of a filter in a render worker: it gets copies, and only JSON of a bounded size comes out."""

    def run(value: Any, *arguments: Any, **named: Any) -> Any:
        try:
            result = offered.apply(_copied(value), *map(_copied, arguments), **_copied(named))
            document = msgspec.json.encode(result)
        except (TemplateError, MemoryError):
            raise
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"[:300]
            raise TemplateError(text("The filter %(name)s failed: %(reason)s", name=name, reason=reason)) from error
        fits(len(document), name, MAX_RESULT)
        plain = msgspec.json.decode(document)
        if isinstance(plain, list):
            fits(len(plain), name, MAX_ITEMS, is_list=True)
        return plain

    return run


def broken(name: str, reason: str) -> Callable[..., Any]:
    """The code of a filter that a render worker could not load."""

    def run(*arguments: Any, **named: Any) -> NoReturn:
        raise TemplateError(
            text("The filter %(name)s cannot be used in a render worker: %(reason)s", name=name, reason=reason)
        )

    return run


def _copied(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value)) if isinstance(value, list | dict) else value


def _refuse(*arguments: Any, **named: Any) -> NoReturn:
    raise TemplateError(text("Filters of plug-ins are evaluated by render workers only."))


class PluginFilters:
    """Filters of plug-ins in this process: those that are allowed, and why another one is not.

    The project sets `find` and `refusal`; a render worker, which knows no settings, puts its filters in place of them.
    `targets` are (name, module:Class) pairs for render workers.
    """

    def __init__(self) -> None:
        self.find: Callable[[], Mapping[str, Filter]] = dict
        self.refusal: Callable[[str], str] = lambda name: ""
        self.targets: Callable[[], list[tuple[str, str]]] = list

    def get(self, name: str) -> Filter | None:
        """The allowed filter of that name."""
        return self.find().get(name)


PLUGIN_FILTERS = PluginFilters()


def find_filter(name: str) -> Filter | None:
    """The filter of that name: a built-in one, or an allowed one of a plug-in."""
    return FILTERS.get(name) or PLUGIN_FILTERS.get(name)
