"""Registry: plug-ins of one kind, found by entry point. Built-in ones load the same way as others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from automate_plugins.texts import text

BUILT_IN = "django-automate"  # our own distribution


class PluginNotFoundError(LookupError):
    """No usable plug-in has that name; the message lists the names there are."""


@dataclass(frozen=True, kw_only=True)
class Plugin[T]:
    """One entry point: its class, or why it could not be loaded.

    `replaces` is the target of the built-in plug-in of that name, which is then not used.
    """

    name: str
    target: str
    distribution: str
    version: str
    cls: type[T] | None = None
    instance: T | None = field(default=None, repr=False, compare=False)
    error: str = ""
    replaces: str = ""


class Registry[T]:
    """The plug-ins of one entry-point group.

    A plug-in that fails to load becomes a row with its error and never an exception, even if it exits. `verify` raises
    TypeError for an instance with an invalid description. `allowed` narrows the group (None allows all that are
    installed). A project's plug-in precedes a built-in one of its name.
    """

    def __init__(
        self,
        group: str,
        base: type[T],
        *,
        name_of: Callable[[EntryPoint, type[T]], str] = lambda entry, cls: entry.name,
        verify: Callable[[T], None] = lambda instance: None,
        allowed: Callable[[], Iterable[str] | None] = lambda: None,
    ) -> None:
        self.group = group
        self.base = base
        self._name_of = name_of
        self._verify = verify
        self._allowed = allowed

    @cached_property
    def plugins(self) -> tuple[Plugin[T], ...]:
        """Every plug-in of the group by name, broken ones included."""
        allowed = self._allowed()
        entries = [entry for entry in entry_points(group=self.group) if allowed is None or entry.name in set(allowed)]
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
        return (*sorted(seen.values(), key=lambda plugin: plugin.name), *broken)

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

    def refresh(self) -> None:
        """Read the installed entry points again (tests install plug-ins while running)."""
        for name in ("plugins", "_usable"):
            self.__dict__.pop(name, None)

    def _load(self, entry: EntryPoint) -> Plugin[T]:
        try:
            cls = entry.load()
            if not (isinstance(cls, type) and issubclass(cls, self.base)):
                raise TypeError(f"{entry.value} must be a subclass of {self.base.__name__}")
            instance = cls()
            name = self._name_of(entry, cls)
            self._verify(instance)
            return self._row(entry, name, cls=cls, instance=instance)
        except BaseException as error:  # noqa: BLE001 - a stranger's module may raise or exit; it must not take us down
            return self._row(entry, entry.name, error=_reason(error))

    def _row(
        self, entry: EntryPoint, name: str, *, cls: type[T] | None = None, instance: T | None = None, error: str = ""
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
        )


def _is_built_in(entry: EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name == BUILT_IN


def _reason(error: BaseException) -> str:
    """Return the error as text, even if its own text raises."""
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a stranger's error may not even have a text
        reason = type(error).__name__
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return text("The plug-in tried to exit the process (%(reason)s).", reason=reason)
    return reason
