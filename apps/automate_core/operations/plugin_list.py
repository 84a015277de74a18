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
from automate_core.operations.notifications.channels.registry import channels
from automate_core.webhooks.schemes.registry import signature_schemes
from automate_governance.secrets.resolver import backends
from automate_llm.registry import providers
from automate_plugins import text
from automate_plugins.registry import Plugin, Registry


@dataclass(frozen=True)
class PluginKind:
    """A kind of plug-in: its code, its name for people, and its registry."""

    code: str
    label: str
    registry: Registry[Any]


KINDS: tuple[PluginKind, ...] = (
    PluginKind("connector", text("Connector"), connectors),
    PluginKind("secrets_backend", text("Secrets backend"), backends),
    PluginKind("llm_provider", text("Language model"), providers),
    PluginKind("signature_scheme", text("Signature scheme"), signature_schemes),
    PluginKind("notification_channel", text("Notification channel"), channels),
    PluginKind("trigger", text("Trigger"), trigger_kinds),
    PluginKind("executor", text("Executor"), executors),
    PluginKind("expression_filter", text("Expression filter"), expression_filters),
)


def list_plugins() -> Iterator[dict[str, Any]]:
    """All plug-ins as JSON values, by kind: kind, code, name, actions, triggers, package and version.

    One that is not used has its reason besides: `error` or `disabled`.
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
    reasons = {"error": str(plugin.error), "disabled": disabled}
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
