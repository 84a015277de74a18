"""Registry: plug-ins of one kind, found by entry point or in files. Built-in ones load the same way as others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import Distribution, entry_points
from typing import Any, Protocol

from automate_plugins.limited_calls import LimitedCalls
from automate_plugins.texts import text

BUILT_IN = "django-automate"  # our own distribution
LOAD_SECONDS = 30.0  #: for the import and the making of a plug-in that is not ours

_loads = LimitedCalls(LOAD_SECONDS)


class PluginNotFoundError(LookupError):
    """No usable plug-in has that name; the message lists the names there are."""


class PluginError(Exception):
    """Why a plug-in cannot be used, in a message that is shown as it is."""


class Source(Protocol):
    """Where a plug-in comes from: an entry point, or what has the same members."""

    @property
    def name(self) -> str:
        """Its name in the group."""

    @property
    def value(self) -> str:
        """The object or file that it names, for people."""

    @property
    def dist(self) -> Distribution | None:
        """The distribution that brings it; None for a project's own file."""

    def load(self) -> Any:
        """Return the class, or what `adapt` of the registry makes one of. May raise anything."""


@dataclass(frozen=True, kw_only=True)
class Plugin[T]:
    """One entry point: its class, or why it could not be loaded.

    `replaces` is the target of the built-in plug-in of that name, which is then not used. `disabled` says why a
    plug-in was not loaded at all: the settings do not allow it.
    """

    name: str
    target: str
    distribution: str
    version: str
    cls: type[T] | None = None
    instance: T | None = field(default=None, repr=False, compare=False)
    error: str = ""
    replaces: str = ""
    disabled: str = ""

    @property
    def is_built_in(self) -> bool:
        """Whether it is ours."""
        return self.distribution == BUILT_IN


class Registry[T]:
    """The plug-ins of one entry-point group.

    A plug-in that fails to load becomes a row with its error and never an exception, even if it exits or never returns.
    `make` makes the instance of a class, `verify` raises TypeError for one with an invalid description. `allowed`
    narrows the group (None allows all that are installed); the others are left out, or listed with the reason
    `disabled` where there is one. A project's plug-in precedes a built-in one of its name. `more` are sources beside
    the entry points, and `adapt` makes the class of what a source loads.
    """

    def __init__(
        self,
        group: str,
        base: type[T],
        *,
        name_of: Callable[[Source, type[T]], str] = lambda entry, cls: entry.name,
        make: Callable[[type[T]], T] = lambda cls: cls(),
        verify: Callable[[T], None] = lambda instance: None,
        allowed: Callable[[], Iterable[str] | None] = lambda: None,
        disabled: str = "",
        more: Callable[[], Iterable[Source]] = tuple,
        adapt: Callable[[Any], Any] = lambda loaded: loaded,
    ) -> None:
        self.group = group
        self.base = base
        self._name_of = name_of
        self._make = make
        self._verify = verify
        self._allowed = allowed
        self._disabled = disabled
        self._more = more
        self._adapt = adapt

    @cached_property
    def plugins(self) -> tuple[Plugin[T], ...]:
        """Every plug-in of the group by name, broken ones included."""
        installed: list[Source] = [*entry_points(group=self.group), *self._more()]
        allowed = self._allowed()
        names = {entry.name for entry in installed} if allowed is None else set(allowed)
        entries = [entry for entry in installed if entry.name in names]
        seen: dict[str, Plugin[T]] = {}
        broken: list[Plugin[T]] = []
        for entry in sorted(entries, key=lambda entry: (_is_built_in(entry), entry.name, entry.value)):
            plugin = self._load(entry)
            if plugin.cls is None:
                broken.append(plugin)
            elif (other := seen.get(plugin.name)) is None:
                seen[plugin.name] = plugin
            elif plugin.distribution == BUILT_IN:
                seen[plugin.name] = replace(other, replaces=plugin.target)
            else:
                broken.append(
                    self._row(
                        entry,
                        plugin.name,
                        error=text("Another plug-in already uses this name: %(target)s.", target=other.target),
                    )
                )
        others = [
            self._row(entry, entry.name, disabled=self._disabled) for entry in installed if entry.name not in names
        ]
        return (
            *sorted(seen.values(), key=lambda plugin: plugin.name),
            *broken,
            *(others if self._disabled else ()),
        )

    @cached_property
    def _usable(self) -> dict[str, T]:
        return {plugin.name: plugin.instance for plugin in self.plugins if plugin.instance is not None}

    def get(self, name: str) -> T:
        """Return the shared instance called `name`. Raises PluginNotFoundError."""
        try:
            return self._usable[name]
        except KeyError:
            raise PluginNotFoundError(
                text(
                    "The plug-in %(name)s is not installed. Installed: %(known)s.",
                    name=repr(name),
                    known=", ".join(self._usable) or "-",
                )
            ) from None

    def names(self) -> list[str]:
        """Return the names of all usable plug-ins."""
        return list(self._usable)

    def is_built_in(self, name: str) -> bool:
        """Whether the usable plug-in of that name is ours; False when there is none."""
        return any(plugin.name == name and plugin.is_built_in for plugin in self.plugins if plugin.instance is not None)

    def refresh(self) -> None:
        """Read the installed entry points again (tests install plug-ins while running)."""
        for name in ("plugins", "_usable"):
            self.__dict__.pop(name, None)

    def _load(self, entry: Source) -> Plugin[T]:
        try:
            if _is_built_in(entry):
                return self._loaded(entry)
            return _loads.run(entry.value, lambda: self._loaded(entry))
        except BaseException as error:  # noqa: BLE001 - a stranger's module may raise or exit; it must not take us down
            return self._row(entry, entry.name, error=_reason(error))

    def _loaded(self, entry: Source) -> Plugin[T]:
        cls = self._adapt(entry.load())
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise TypeError(f"{entry.value} must be a subclass of {self.base.__name__}")
        instance = self._make(cls)
        name = self._name_of(entry, cls)
        if not isinstance(name, str):
            raise TypeError(f"the name of {entry.value} must be text")
        self._verify(instance)
        return self._row(entry, name, cls=cls, instance=instance)

    def _row(
        self,
        entry: Source,
        name: str,
        *,
        cls: type[T] | None = None,
        instance: T | None = None,
        error: str = "",
        disabled: str = "",
    ) -> Plugin[T]:
        dist = entry.dist
        return Plugin(
            name=name,
            target=entry.value,
            distribution=dist.name if dist else "",
            version=dist.version if dist else "",
            cls=cls,
            instance=instance,
            error=error,
            disabled=disabled,
        )


def _is_built_in(entry: Source) -> bool:
    return entry.dist is not None and entry.dist.name == BUILT_IN


def _reason(error: BaseException) -> str:
    """Return the error as text, even if its own text raises."""
    if isinstance(error, PluginError):
        return str(error)
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a stranger's error may not even have a text
        reason = type(error).__name__
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return text("The plug-in tried to exit the process (%(reason)s).", reason=reason)
    return reason
