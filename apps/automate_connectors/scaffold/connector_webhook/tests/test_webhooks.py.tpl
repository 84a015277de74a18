"""The contract tests of webhooks, against a service that keeps registrations."""

from __future__ import annotations

from automate_testing.contracts import Registered, WebhookContractTest, WebhookService
from automate_testing.fakes import ScriptedHttp, answer, context
from $name.connector import $class_name


class Hooks(WebhookService):
    """The service: it lists, adds and removes registrations."""

    connection = {"base_url": "https://api.example.com", "token": "any"}

    def __init__(self):
        self.hooks = {}
        self.made = 0

    def registered(self):
        return [Registered(hook["url"], hook["secret"]) for hook in self.hooks.values()]

    def forget(self):
        self.hooks.clear()

    def context(self):
        return context(ScriptedHttp(self.respond), dict(self.connection))

    def respond(self, request):
        if request.method == "GET":
            return answer(200, {"hooks": list(self.hooks.values())})
        if request.method == "POST":
            self.made += 1
            self.hooks[str(self.made)] = {"id": str(self.made), **request.json}
            return answer(201, self.hooks[str(self.made)])
        removed = self.hooks.pop(request.url.rpartition("/")[2], None)
        return answer(204) if removed else answer(404, {"message": "Not found"})


class TestWebhooks(WebhookContractTest):
    adapter_cls = $class_name
    webhook_services = {"record": Hooks}
