"""Plug-ins page: installed plug-ins, origin, contents, and load errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.adapters.polls import Poll
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.triggers.contract import TriggerKind
from automate_core.engine.executor import Executor
from automate_core.expressions.templating.filters.plugin import ExpressionFilter
from automate_core.webhooks.schemes.signing import SignatureScheme
from automate_governance.permissions import SITE, can
from automate_governance.redaction.site_secrets import mask_site_secrets
from automate_governance.secrets.interfaces import SecretsBackend
from automate_governance.texts import translated
from automate_llm.providers.base import LLMProvider
from automate_operations.notifications.channels.contract import ChannelPlugin
from automate_operations.plugin_list import KINDS, PluginKind
from automate_plugins.registry import Plugin
from automate_ui.admin_page import render_page
from automate_ui.keyset_pages import KeysetPage
from automate_ui.navigation.http import clean_text
from automate_ui.navigation.lists import Tab


@dataclass(frozen=True, kw_only=True)
class PluginRow:
    """A plug-in in the list. `error` is empty for a working one; `replaces` names a built-in one.

    `triggers` names those of a connector. `disabled` says that the settings do not allow it.
    """

    name: str
    title: str
    kind: str
    icon: str
    hue: int
    package: str
    version: str
    target: str
    offers: str
    triggers: str
    error: str
    replaces: str
    disabled: str


type _Look = Callable[[str, Any], tuple[str, str, int, str]]  #: title, icon, hue and contents of a plug-in


def _connector_look(name: str, adapter: ConnectorAdapter) -> tuple[str, str, int, str]:
    actions = ", ".join(translated(action.label) or action.name for action in adapter.actions)
    offers = f"{translated(adapter.missing)} {actions or _('Any action')}".strip()
    return translated(adapter.name), adapter.icon, adapter.hue, offers


def _trigger_names(plugin: Any) -> str:
    """The polls and webhooks of a connector, by name; "" for another plug-in."""
    if not isinstance(plugin, ConnectorAdapter):
        return ""
    triggers: list[Poll | Webhook] = [*plugin.polls, *plugin.webhooks]
    return ", ".join(translated(each.label) or each.name for each in triggers)


def _backend_look(name: str, backend: SecretsBackend) -> tuple[str, str, int, str]:
    example = _("References such as %(reference)s.") % {"reference": f"{name}:slack-token"}
    return name, "key", 85, f"{example} {_description(backend)}".strip()


def _provider_look(name: str, provider: LLMProvider) -> tuple[str, str, int, str]:
    return translated(provider.name) or name, "auto_awesome", 300, _description(provider) or _("Language models")


def _scheme_look(name: str, scheme: SignatureScheme) -> tuple[str, str, int, str]:
    proof = _("Deliveries verified by %(proof)s.") % {"proof": translated(scheme.proof).replace("`", "")}
    return translated(scheme.name), "webhook", 200, proof if scheme.signed else _("Deliveries without a signature.")


def _channel_look(name: str, channel: ChannelPlugin) -> tuple[str, str, int, str]:
    return translated(channel.name), channel.icon, 150, _description(channel)


def _trigger_look(name: str, kind: TriggerKind) -> tuple[str, str, int, str]:
    return translated(kind.name), kind.icon, kind.hue, _description(kind)


def _executor_look(name: str, executor: Executor) -> tuple[str, str, int, str]:
    return translated(executor.name), "dns", 220, _description(executor)


def _filter_look(name: str, offered: ExpressionFilter) -> tuple[str, str, int, str]:
    return name, "filter_alt", 40, f"{_description(offered)} {offered.example}".strip()


def _description(plugin: Any) -> str:
    """What the plug-in says of itself in the active language, else the first line of its docstring."""
    if getattr(plugin, "description", ""):
        return translated(plugin.description)
    doc = type(plugin).__doc__
    return inspect.cleandoc(doc).partition("\n")[0].replace("`", "") if doc else ""


_LOOKS: dict[str, _Look] = {
    "connector": _connector_look,
    "secrets_backend": _backend_look,
    "llm_provider": _provider_look,
    "signature_scheme": _scheme_look,
    "notification_channel": _channel_look,
    "trigger": _trigger_look,
    "executor": _executor_look,
    "expression_filter": _filter_look,
}
#: Tabs by their name in the URL: the kind that each shows, and its title.
_TABS = {
    "": ("", gettext_lazy("All")),
    "connectors": ("connector", gettext_lazy("Connectors")),
    "secrets": ("secrets_backend", gettext_lazy("Secrets backends")),
    "models": ("llm_provider", gettext_lazy("Language models")),
    "schemes": ("signature_scheme", gettext_lazy("Signature schemes")),
    "channels": ("notification_channel", gettext_lazy("Notification channels")),
    "triggers": ("trigger", gettext_lazy("Triggers")),
    "executors": ("executor", gettext_lazy("Executors")),
    "filters": ("expression_filter", gettext_lazy("Expression filters")),
    "broken": ("", gettext_lazy("Not loaded")),
}


@require_safe
def plugin_list(request: HttpRequest) -> HttpResponse:
    """All plug-ins, for administrators."""
    if not can(request.user, "administer", SITE):
        raise PermissionDenied
    return render_page(
        request, "automate_studio/operations/plugins.html", _("Plug-ins"), found=find_plugins(request.GET)
    )


def find_plugins(query: Mapping[str, Any]) -> KeysetPage:
    """Plug-ins of a search and a tab: broken ones first, then those that replace a built-in."""
    tab = query.get("show", "") if query.get("show", "") in _TABS else ""
    search = clean_text(query.get("q"))
    rows = [row for row in _plugin_rows() if _is_in(row, tab) and search.lower() in _search_text(row)]
    kept = {"q": search} if search else {}
    return KeysetPage(
        rows=sorted(rows, key=lambda row: (not row.error, not row.replaces, row.kind, row.title.lower())),
        tabs=[
            Tab(name=str(name), url=f"?{urlencode({**kept, **({'show': key} if key else {})})}", active=key == tab)
            for key, (_kind, name) in _TABS.items()
        ],
        search=search,
        filtered=bool(search or tab),
        hidden={"show": tab} if tab else {},
    )


def _plugin_rows() -> Iterator[PluginRow]:
    for kind in KINDS:
        for plugin in kind.registry.plugins:
            yield _plugin_row(kind, plugin)


def _plugin_row(kind: PluginKind, plugin: Plugin[Any]) -> PluginRow:
    title, icon, hue, offers = plugin.name, "extension_off", 26, translated(plugin.disabled)
    if plugin.instance is not None:
        title, icon, hue, offers = _LOOKS[kind.code](plugin.name, plugin.instance)
    return PluginRow(
        name=plugin.name,
        title=title,
        kind=translated(kind.label),
        icon=icon,
        hue=hue,
        package=plugin.distribution,
        version=plugin.version,
        target=plugin.target,
        offers=offers,
        triggers=_trigger_names(plugin.instance),
        error=mask_site_secrets(translated(plugin.error)),
        replaces=plugin.replaces,
        disabled=translated(plugin.disabled),
    )


def _is_in(row: PluginRow, tab: str) -> bool:
    if tab == "broken":
        return bool(row.error)
    labels = {kind.code: translated(kind.label) for kind in KINDS}
    return not tab or row.kind == labels[_TABS[tab][0]]


def _search_text(row: PluginRow) -> str:
    return " ".join(
        (row.name, row.title, row.kind, row.package, row.target, row.offers, row.triggers, row.error)
    ).lower()
