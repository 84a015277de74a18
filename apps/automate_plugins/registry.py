"""Registry: plug-ins of one kind, found by entry point or in files. Built-in ones load the same way as others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.metadata import Distribution, entry_points
from typing import Any, Protocol

from automate_plugins.limited_calls import LimitedCalls
from automate_plugins.project_classes import classes_of
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
    the entry points and the classes of the project, and `adapt` makes the class of what a source loads.

    A site may also store plug-ins, which change while it runs: `set_stored` replaces them, and `before_first_use` is
    called once before the first look-up, to do so. `revision` grows with each replacement.
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
        self.before_first_use: Callable[[], None] = lambda: None
        self.revision = 0
        self._lock, self._first_use = threading.Lock(), threading.Lock()
        self._stored: dict[Source, Plugin[T]] | None = None

    @property
    def plugins(self) -> tuple[Plugin[T], ...]:
        """Every plug-in of the group, broken ones included: those that are installed, then those that are stored."""
        return (*self.installed, *self._stored_rows().values())

    @cached_property
    def installed(self) -> tuple[Plugin[T], ...]:
        """Every installed plug-in of the group by name, broken ones included."""
        installed: list[Source] = [*entry_points(group=self.group), *self._more()]
        allowed = self._allowed()
        names = {entry.name for entry in installed} if allowed is None else set(allowed)
        # What the settings list by its path needs no second setting to be allowed.
        own = list(classes_of(self.base))
        installed += own
        names |= {entry.name for entry in own}
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
                if getattr(other.cls, "extends", "") != plugin.name:  # one that extends the built-in one keeps it
                    seen[plugin.name] = replace(other, replaces=plugin.target)
            else:
                broken.append(self._taken(entry, plugin.name, other.target))
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
        return {plugin.name: plugin.instance for plugin in self.installed if plugin.instance is not None}

    def get(self, name: str) -> T:
        """Return the shared instance called `name`. Raises PluginNotFoundError."""
        found = self._usable.get(name) or self._usable_stored().get(name)
        if found is None:
            raise PluginNotFoundError(
                text(
                    "The plug-in %(name)s is not installed. Installed: %(known)s.",
                    name=repr(name),
                    known=", ".join(self.names()) or "-",
                )
            )
        return found

    def names(self) -> list[str]:
        """Return the names of all usable plug-ins."""
        return sorted({**self._usable, **self._usable_stored()})

    def set_stored(self, sources: Iterable[Source]) -> None:
        """Load the plug-ins that the site stores, in place of the earlier ones. Sources are hashable: equal ones stay.

        One with the name of an installed plug-in is broken, whatever became of that.
        """
        with self._lock:
            installed = {plugin.name: plugin.target for plugin in self.installed}
            allowed, before = self._allowed(), self._stored or {}
            listed = [each for each in sources if allowed is None or each.name in set(allowed)]
            self._stored = {
                each: self._taken(each, each.name, installed[each.name])
                if each.name in installed
                else before.get(each) or self._load(each)
                for each in listed
            }
            self.revision += 1

    def _stored_rows(self) -> dict[Source, Plugin[T]]:
        if self._stored is None:
            with self._first_use:  # whoever comes meanwhile waits
                if self._stored is None:
                    self.before_first_use()
                    self._stored = self._stored or {}
        return self._stored

    def _usable_stored(self) -> dict[str, T]:
        return {each.name: each.instance for each in self._stored_rows().values() if each.instance is not None}

    def is_built_in(self, name: str) -> bool:
        """Whether the usable plug-in of that name is ours; False when there is none."""
        return any(plugin.name == name and plugin.is_built_in for plugin in self.plugins if plugin.instance is not None)

    def refresh(self) -> None:
        """Read the installed entry points again (tests install plug-ins while running)."""
        for name in ("installed", "_usable"):
            self.__dict__.pop(name, None)

    def _taken(self, entry: Source, name: str, target: str) -> Plugin[T]:
        return self._row(entry, name, error=text("Another plug-in already uses this name: %(target)s.", target=target))

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
        distribution, version = _name_and_version(entry.dist) if entry.dist else ("", "")
        return Plugin(
            name=name,
            target=entry.value,
            distribution=distribution,
            version=version,
            cls=cls,
            instance=instance,
            error=error,
            disabled=disabled,
        )


@lru_cache(maxsize=256)
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """A distribution reads and parses its metadata again for each of the two, and brings dozens of plug-ins."""
    return distribution.name, distribution.version


def _is_built_in(entry: Source) -> bool:
    return entry.dist is not None and _name_and_version(entry.dist)[0] == BUILT_IN


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
