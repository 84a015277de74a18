"""All kinds of plug-ins with their registries, and what is installed of each: for the page and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automate_connectors.registry import connectors
from automate_connectors.triggers.contract import TriggerKind
from automate_connectors.triggers.registry import trigger_kinds
from automate_core.engine.executor import executors
from automate_core.expressions.plugin_filters import expression_filters
from automate_core.webhooks.schemes.registry import signature_schemes
from automate_governance.redaction.site_secrets import mask_site_secrets
from automate_governance.secrets.resolver import backends
from automate_llm.registry import providers
from automate_operations.notifications.channels.registry import channels
from automate_plugins import text
from automate_plugins.project_classes import ProjectClass, project_classes
from automate_plugins.registry import Plugin, PluginError, Registry, Source


@dataclass(frozen=True)
class PluginKind:
    """A kind of plug-in: its code, its name for people, and its registry."""

    code: str
    label: str
    registry: Registry[Any]


class _NoKind:
    """The base of no plug-in."""


def _unplaced_classes() -> Iterator[Source]:
    """Classes in AUTOMATE_PLUGINS that belong to no kind, or could not be imported."""
    bases = tuple(kind.registry.base for kind in KINDS if kind.registry is not unplaced)
    for each in project_classes():
        if not (isinstance(each.cls, type) and issubclass(each.cls, bases)):
            yield _Unplaced(each)


@dataclass(frozen=True)
class _Unplaced:
    """Such a class as a source: its row shows the path and the reason."""

    found: ProjectClass
    dist: None = None

    @property
    def name(self) -> str:
        return self.found.path

    @property
    def value(self) -> str:
        return self.found.value

    def load(self) -> Any:
        if self.found.error is not None:
            raise self.found.error
        raise PluginError(text("The class inherits from none of the plug-in classes."))


#: Without an entry-point group: it holds nothing but what the settings name.
unplaced: Registry[_NoKind] = Registry("", _NoKind, more=_unplaced_classes)

KINDS: tuple[PluginKind, ...] = (
    PluginKind("connector", text("Connector"), connectors),
    PluginKind("secrets_backend", text("Secrets backend"), backends),
    PluginKind("llm_provider", text("Language model"), providers),
    PluginKind("signature_scheme", text("Signature scheme"), signature_schemes),
    PluginKind("notification_channel", text("Notification channel"), channels),
    PluginKind("trigger", text("Trigger"), trigger_kinds),
    PluginKind("executor", text("Executor"), executors),
    PluginKind("expression_filter", text("Expression filter"), expression_filters),
    PluginKind("unknown", text("Unknown"), unplaced),
)


def list_plugins() -> Iterator[dict[str, Any]]:
    """All plug-ins as JSON values, by kind: kind, code, name, actions, triggers, package and version.

    One that is not used has its reason besides: `error` or `disabled`, without secrets.
    """
    for kind in KINDS:
        for plugin in kind.registry.plugins:
            yield _plugin_values(kind.code, plugin)


def _plugin_values(kind: str, plugin: Plugin[Any]) -> dict[str, Any]:
    values = {
        "kind": kind,
        "code": plugin.name,
        "name": _text_of(plugin.instance, "name") or plugin.name,
        "actions": _names(plugin.instance, "actions"),
        "triggers": _triggers(plugin.instance),
        "package": plugin.distribution,
        "version": plugin.version,
    }
    disabled = str(plugin.disabled) or _text_of(plugin.instance, "missing")
    reasons = {"error": mask_site_secrets(str(plugin.error)), "disabled": mask_site_secrets(disabled)}
    return values | {name: reason for name, reason in reasons.items() if reason}


def _triggers(instance: Any) -> list[str]:
    if isinstance(instance, TriggerKind):
        return [instance.code]
    return [*_names(instance, "polls"), *_names(instance, "webhooks")]


def _text_of(instance: Any, attribute: str) -> str:
    value = getattr(instance, attribute, "")
    return str(value) if isinstance(value, str) else ""


def _names(instance: Any, attribute: str) -> list[str]:
    listed = getattr(instance, attribute, ())
    return [str(each.name) for each in listed] if isinstance(listed, tuple | list) else []
