"""Plug-in classes of the project itself, by dotted path: for code that is no installed package."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from automate_plugins.limited_calls import LimitedCalls
from automate_plugins.texts import text

LOAD_SECONDS = 30.0  #: for the import of a class

_imports = LimitedCalls(LOAD_SECONDS)


class _Configuration:
    """The paths of the project; the app that knows the settings replaces `paths`."""

    paths: Callable[[], Iterable[str]] = tuple


configuration = _Configuration()


@dataclass(frozen=True)
class ProjectClass:
    """A source of the registries: a class of the project, or what its import raised.

    Its name in a registry is its `code`.
    """

    path: str
    cls: Any = None
    error: BaseException | None = None
    dist: None = None

    @property
    def name(self) -> str:
        """The code of the class; its path where it has none."""
        code = getattr(self.cls, "code", None)
        return code if isinstance(code, str) and code else self.path

    @property
    def value(self) -> str:
        """The class as an entry point writes it."""
        module, _, name = self.path.rpartition(".")
        return f"{module}:{name}"

    def load(self) -> Any:
        """Return the class. Raises what its import raised, and TypeError for a class without a code."""
        if self.error is not None:
            raise self.error
        if self.name == self.path:
            raise TypeError("code must be text: workflows refer to the class by it")
        return self.cls


def project_classes() -> Iterator[ProjectClass]:
    """Every class in the settings of the project, those that cannot be imported included."""
    yield from map(_import, dict.fromkeys(configuration.paths()))


def classes_of(base: type[Any]) -> Iterator[ProjectClass]:
    """Those of one kind of plug-in."""
    for each in project_classes():
        if isinstance(each.cls, type) and issubclass(each.cls, base):
            yield each


@lru_cache(maxsize=256)
def _import(path: str) -> ProjectClass:
    try:
        return ProjectClass(path, _imports.run(path, lambda: _read(path)))
    except BaseException as error:  # noqa: BLE001 - a module may raise or exit; it must not take the site down
        return ProjectClass(path, error=error)


def _read(path: str) -> Any:
    module, separator, name = path.rpartition(".")
    if not separator:
        raise ImportError(text("%(path)s must have the form module.Class.", path=repr(path)))
    return getattr(importlib.import_module(module), name)
