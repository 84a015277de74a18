"""Scopes in words, grouped by what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

#: Groups by the kind of a scope, in the order of the form.
_GROUPS = {
    "workflow": _("Workflows and runs"),
    "event": _("Events"),
    "approval": _("Tasks"),
    "webhookendpoint": _("Webhooks"),
    "connection": _("Connections"),
    "storedsecret": _("Secrets"),
    "token": _("API tokens"),
    "llmusage": _("Model usage"),
    "site": _("Site"),
}
#: Scopes of a group in the order of the form.
_WORDS: dict[str, StrPromise] = {
    "workflow:view": _("View workflows and runs"),
    "workflow:view_payload": _("View payloads of runs"),
    "workflow:run": _("Run workflows"),
    "workflow:operate": _("Cancel and pause runs, requeue jobs"),
    "workflow:add": _("Create workflows"),
    "workflow:change": _("Edit drafts"),
    "workflow:publish": _("Publish workflows"),
    "workflow:share": _("Share workflows"),
    "workflow:delete": _("Archive and delete workflows"),
    "event:send": _("Send events"),
    "approval:view": _("View own tasks"),
    "approval:decide": _("Decide approvals"),
    "approval:delegate": _("Delegate approvals"),
    "webhookendpoint:view": _("View webhooks"),
    "webhookendpoint:view_payload": _("View payloads of deliveries"),
    "webhookendpoint:add": _("Create webhooks"),
    "webhookendpoint:change": _("Change webhooks"),
    "webhookendpoint:share": _("Share webhooks"),
    "webhookendpoint:delete": _("Delete webhooks"),
    "connection:view": _("View and test connections"),
    "connection:use": _("Use connections in workflows"),
    "connection:add": _("Create connections"),
    "connection:change": _("Change connections"),
    "connection:share": _("Share connections"),
    "connection:delete": _("Delete connections"),
    "storedsecret:use": _("Use secrets"),
    "storedsecret:add": _("Create secrets"),
    "storedsecret:replace": _("Replace values of secrets"),
    "storedsecret:delete": _("Delete secrets"),
    "token:view": _("View own API tokens"),
    "token:add": _("Create API tokens with the same or fewer scopes"),
    "token:rotate": _("Rotate own API tokens"),
    "token:revoke": _("Revoke own API tokens"),
    "llmusage:view": _("View model usage"),
    "site:operate": _("Operate workers and dead jobs"),
    "site:administer": _("Administer plug-ins, notifications and retention"),
    "site:audit": _("Read the audit trail"),
    "site:erase": _("Find and erase personal data"),
}
_ORDER = {scope: number for number, scope in enumerate(_WORDS)}


@dataclass(frozen=True)
class ScopeGroup:
    """Scopes about one kind of object, each with its words."""

    title: str
    scopes: list[tuple[str, str]]


def scope_words(scope: str) -> str:
    """A scope in words; an unknown one as it is written."""
    return str(_WORDS.get(scope, scope))


def in_order(scopes: Iterable[str]) -> list[str]:
    """Scopes in the order of the form, unknown ones last."""
    return sorted(scopes, key=lambda scope: (_ORDER.get(scope, len(_ORDER)), scope))


def grouped(scopes: Iterable[str]) -> list[ScopeGroup]:
    """Scopes by their kind, in the order of the form."""
    found: dict[str, list[tuple[str, str]]] = {}
    for scope in in_order(scopes):
        found.setdefault(scope.partition(":")[0], []).append((scope, scope_words(scope)))
    order = [*(kind for kind in _GROUPS if kind in found), *(kind for kind in found if kind not in _GROUPS)]
    return [ScopeGroup(str(_GROUPS.get(kind, kind)), found[kind]) for kind in order]
