"""The other side of a declared webhook, made from a file: registrations that are made, listed and removed.

A file is one webhook:

    {"webhook": "order", "source": "where the shapes are from, and when", "params": {"shop": "acme"},
     "connection": {"token": "any"}, "url_at": "url", "secret_at": "secret",
     "registered": {"hook": {"id": 7, "url": "any"}}, "listed": {"hooks": [{"id": 7, "url": "any"}]}}

`registered` is the answer to the request that registers, `listed` that to the one that lists, with one registration.
`url_at` and `secret_at` are places in the body of the request that registers; `secret_at` is left out where the service
makes the secret.
"""

from __future__ import annotations

import copy
import json as json_module
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.declared.placing import put
from automate_connectors.declared.requests import method_of
from automate_connectors.declared.templates import PLACEHOLDER
from automate_connectors.paging import value_at
from automate_egress import HttpResponse
from automate_testing.contracts.triggers.webhooks import Registered, WebhookService
from automate_testing.fakes import ScriptedHttp, answer, context


def load_webhook_services(
    adapter_cls: type[DeclaredConnector], folder: Path | str
) -> dict[str, Callable[[], WebhookService]]:
    """Return the services of the webhooks that the JSON files of a folder describe, by name of the webhook."""
    given = [json_module.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))]
    return {each["webhook"]: partial(DeclaredWebhookService, adapter_cls, each) for each in given}


class DeclaredWebhookService(WebhookService):
    """Registrations of a service that a file describes; one alone, where they have no ids."""

    def __init__(self, adapter_cls: type[DeclaredConnector], given: Mapping[str, Any]) -> None:
        self.document = adapter_cls.document
        self.rule = self.document.webhook(given["webhook"])
        self.params, self.connection = given.get("params", {}), given.get("connection", {})
        self.given = given
        self.hooks: dict[str, Registered] = {}

    def registered(self) -> list[Registered]:
        """The registrations that it has now."""
        return list(self.hooks.values())

    def forget(self) -> None:
        """Lose all registrations."""
        self.hooks.clear()

    def context(self) -> Context:
        """The context of one call."""
        return context(_Service(self), dict(self.connection))


class _Service(ScriptedHttp):
    def __init__(self, service: DeclaredWebhookService) -> None:
        super().__init__()
        self._service, self._rule = service, service.rule

    def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        """The answer to a request that one of the three actions makes."""
        calls = (
            (self._rule.register, self._register),
            (self._rule.listing, self._list),
            (self._rule.remove, self._remove),
        )
        for call, respond in calls:
            action = self._service.document.action(call.action)
            path = PLACEHOLDER.sub("\0", action.path)
            pattern = ".*" + re.escape(path).replace("\0", "([^/]+)")
            match = re.fullmatch(pattern, urlsplit(url).path)
            if match and method == method_of(action):
                body = more.get("json") or dict(parse_qsl(more.get("data") or ""))
                return respond(body, match.groups()[-1] if match.groups() else "")
        raise AssertionError(f"no action of {self._rule.name} makes the request {method} {url}")

    def _register(self, body: dict[str, Any], last: str) -> HttpResponse:
        given, hooks = self._service.given, self._service.hooks
        url, secret = value_at(body, given["url_at"]), "made-by-the-service-0123456789"
        if "secret_at" in given:
            secret = value_at(body, given["secret_at"])
        number = str(101 + len(hooks)) if self._rule.id else "only"
        hooks[number] = Registered(url, secret)
        registered = copy.deepcopy(given["registered"])
        shape = self._shape(self._rule.register.action, registered)
        if self._rule.id:
            put(shape, self._rule.id, number)
        if self._rule.secret:
            put(shape, self._rule.secret, secret)
        return answer(201, registered)

    def _list(self, body: dict[str, Any], last: str) -> HttpResponse:
        listed = copy.deepcopy(self._service.given["listed"])
        action = self._service.document.action(self._rule.listing.action)
        place = action.pages.items if action.pages else self._rule.listing.items
        shape = self._shape(action.name, listed)
        items = value_at(shape, place) if place else shape
        if isinstance(items, dict):  # the only registration there is
            put(items, self._rule.listing.url, next((hook.url for hook in self._service.hooks.values()), ""))
            return answer(200, listed)
        item = items.pop()
        for number, hook in self._service.hooks.items():
            made = copy.deepcopy(item)
            put(made, self._rule.id, number)
            put(made, self._rule.listing.url, hook.url)
            items.append(made)
        return answer(200, listed)

    def _remove(self, body: dict[str, Any], last: str) -> HttpResponse:
        removed = self._service.hooks.pop(last if self._rule.id else "only", None)
        return answer(404, {"message": "Not found"}) if removed is None else answer(200, {"ok": True, "deleted": True})

    def _shape(self, action: str, whole: Any) -> Any:
        """The part of an answer that is the action's output."""
        place = self._service.document.action(action).result
        return value_at(whole, place) if place else whole
