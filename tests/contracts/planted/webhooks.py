"""The service of the good connector's webhook, and what can be wrong with a webhook."""

from __future__ import annotations

import itertools
import logging
import threading
from datetime import UTC, datetime, timedelta

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.webhooks import Registration
from automate_testing.contracts import Registered, WebhookService
from automate_testing.fakes import ScriptedHttp, answer, context
from tests.contracts.planted import Fault, planter
from tests.contracts.planted.connectors import CONNECTION, HANGS, Good

FAULTS: list[Fault] = []
planted = planter(FAULTS)
START = datetime(2026, 1, 31, tzinfo=UTC)


class Hooks(WebhookService):
    """Registrations that end after a day."""

    connection = CONNECTION

    def __init__(self):
        self.hooks = {}
        self.numbers = itertools.count(101)

    def registered(self):
        return [Registered(hook["url"], hook["secret"]) for hook in self.hooks.values()]

    def forget(self):
        self.hooks.clear()

    def context(self):
        return context(_Service(self), dict(CONNECTION))


class _Service(ScriptedHttp):
    def __init__(self, service):
        super().__init__()
        self.service = service

    def request(self, method, url, *, json=None, **more):
        _, _, rest = url.partition("/hooks")
        number, _, act = rest.strip("/").partition("/")
        hooks = self.service.hooks
        if method == "GET":
            return answer(200, {"hooks": list(hooks.values())})
        if not number:
            number = str(next(self.service.numbers))
            hooks[number] = {"id": int(number), "ends": (START + timedelta(days=1)).isoformat(), **json}
            return answer(201, hooks[number])
        if number not in hooks:
            return answer(404, {"message": "Not found"})
        if act == "renew":
            hooks[number]["ends"] = (START + timedelta(days=2)).isoformat()
            return answer(200, hooks[number])
        del hooks[number]
        return answer(204, b"")


@planted("every_webhook", webhook_services={})
class Untried(Good):
    pass


@planted("webhook_register", says="not the one given")
class RegistersAnotherUrl(Good):
    def register_webhook(self, name, params, url, secret, context):
        return super().register_webhook(name, params, url.rstrip("/"), secret, context)


@planted("webhook_register", says="signs with another secret")
class RegistersAnotherSecret(Good):
    def register_webhook(self, name, params, url, secret, context):
        return super().register_webhook(name, params, url, "a-secret-of-its-own", context)


@planted("webhook_find", says="does not find the registration")
class FindsNothing(Good):
    def find_webhook(self, name, params, url, context):
        super().find_webhook(name, params, url, context)


@planted("webhook_find", says="of another URL")
class FindsTheFirst(Good):
    def find_webhook(self, name, params, url, context):
        hooks = self.read(self.send(context, "GET", "/hooks"))["hooks"]
        return self.registration(hooks[0]) if hooks else None


@planted("webhook_find", says="not the first one")
class LooksAtTheFirstAlone(Good):
    def find_webhook(self, name, params, url, context):
        hooks = self.read(self.send(context, "GET", "/hooks"))["hooks"][:1]
        return next((self.registration(hook) for hook in hooks if hook["url"] == url), None)


@planted("webhook_find", says="finds the id")
class FindsByAnotherId(Good):
    def find_webhook(self, name, params, url, context):
        found = super().find_webhook(name, params, url, context)
        return Registration(id=url) if found else None


@planted("webhook_once", says="2 registrations with one URL")
class CannotFind(Good):
    find_webhook = ConnectorAdapter.find_webhook


@planted("webhook_remove", says="still registered")
class RemovesNothing(Good):
    def remove_webhook(self, name, params, registration, context):
        self.send(context, "GET", "/hooks")


@planted("webhook_remove", says="takes away another one")
class RemovesAll(Good):
    def remove_webhook(self, name, params, registration, context):
        for hook in self.read(self.send(context, "GET", "/hooks"))["hooks"]:
            super().remove_webhook(name, params, Registration(id=str(hook["id"])), context)


@planted("webhook_remove_again", says="cannot be removed")
class RemovesOnce(Good):
    def remove_webhook(self, name, params, registration, context):
        self.send(context, "DELETE", f"/hooks/{registration.id}")


@planted("webhook_renew", says="there are 2 registrations")
class RenewsByAnother(Good):
    def renew_webhook(self, name, params, registration, url, secret, context):
        return self.register_webhook(name, params, url, secret, context)


@planted("webhook_renew", says="ends earlier")
class RenewsForLess(Good):
    def renew_webhook(self, name, params, registration, url, secret, context):
        return Registration(id=registration.id, expires=registration.expires - timedelta(hours=1))


@planted("webhook_secret", says="kept in the registration")
class KeepsTheSecret(Good):
    def register_webhook(self, name, params, url, secret, context):
        made = super().register_webhook(name, params, url, secret, context)
        return Registration(id=made.id, data={"secret": secret})


@planted("webhook_secret", says="written to the log")
class LogsTheSecret(Good):
    def register_webhook(self, name, params, url, secret, context):
        context["log"](f"Registering {url} with {secret}")
        return super().register_webhook(name, params, url, secret, context)


@planted("webhook_failure", says="register: HTTP 500 is taken for an answer")
class RegisteredWhateverComes(Good):
    def register_webhook(self, name, params, url, secret, context):
        try:
            return super().register_webhook(name, params, url, secret, context)
        except ConnectorError as error:
            if error.details.get("status") != 500:
                raise
            return Registration(id="any")


@planted("webhook_failure", says="remove: HTTP 500 is taken for an answer")
class RemovedWhateverComes(Good):
    def remove_webhook(self, name, params, registration, context):
        try:
            super().remove_webhook(name, params, registration, context)
        except ConnectorError as error:
            if error.details.get("status") != 500:
                raise


@planted("webhook_failure", says="Retry-After is lost")
class ForgetsHowLongToWait(Good):
    def refusal(self, response, context):
        return ConnectorError("It refuses", code="refused", details={"status": response.status})


@planted("webhook_secret", says="the secret is in a record of `logging`")
class RecordsTheSecret(Good):
    def register_webhook(self, name, params, url, secret, context):
        logging.getLogger("orders").warning("registering with %s", secret)
        return super().register_webhook(name, params, url, secret, context)


@planted("webhook_secret", says="the secret is printed")
class PrintsTheSecret(Good):
    def register_webhook(self, name, params, url, secret, context):
        print(secret, context["connection"])
        return super().register_webhook(name, params, url, secret, context)


@planted("webhook_secret", says="register: the secret is in an error on HTTP 403")
class SecretInAnError(Good):
    def register_webhook(self, name, params, url, secret, context):
        try:
            return super().register_webhook(name, params, url, secret, context)
        except ConnectorError as error:
            if error.details.get("status") == 403:
                raise ConnectorError(f"{secret} is refused", code="refused") from error
            raise


@planted("webhook_secret", says="find: a secret of the connection is written to the log")
class LogsTheToken(Good):
    def find_webhook(self, name, params, url, context):
        context["log"](f"Looking with {context['connection']['token']}")
        return super().find_webhook(name, params, url, context)


@planted("webhook_secret", says="remove: a secret of the connection is printed")
class PrintsTheConnection(Good):
    def remove_webhook(self, name, params, registration, context):
        print(context["connection"])
        return super().remove_webhook(name, params, registration, context)


@planted("webhook_secret", says="a secret of the connection is kept in the registration")
class KeepsTheToken(Good):
    def register_webhook(self, name, params, url, secret, context):
        made = super().register_webhook(name, params, url, secret, context)
        return Registration(id=made.id, data={"by": context["connection"]["token"]})


@planted("webhook_single_attempt", says="register: after HTTP 500 the connector sent the same request again")
class RegistersAgain(Good):
    def register_webhook(self, name, params, url, secret, context):
        try:
            return super().register_webhook(name, params, url, secret, context)
        except ConnectorError:
            return super().register_webhook(name, params, url, secret, context)


@planted("webhook_single_attempt", says="remove: after HTTP 500 the connector sent the same request again")
class RemovesAgain(Good):
    def remove_webhook(self, name, params, registration, context):
        try:
            super().remove_webhook(name, params, registration, context)
        except ConnectorError:
            super().remove_webhook(name, params, registration, context)


@planted("webhook_keeps_nothing", says=".last changes with a call")
class KeepsTheRegistration(Good):
    last = None

    def register_webhook(self, name, params, url, secret, context):
        self.last = super().register_webhook(name, params, url, secret, context)
        return self.last


@planted("webhook_keeps_nothing", says="keeps a secret of a call")
class KeepsTheSecretItself(Good):
    def register_webhook(self, name, params, url, secret, context):
        self.__dict__.setdefault("secret", secret)
        return super().register_webhook(name, params, url, secret, context)


@planted("webhook_events", says="register the types in params['events']")
class AlwaysOneEvent(Good):
    def register_webhook(self, name, params, url, secret, context):
        return super().register_webhook(name, {**params, "events": ["order.paid"]}, url, secret, context)


@planted("webhook_events", says="register the types in params['events']")
class AlwaysAllEvents(Good):
    def register_webhook(self, name, params, url, secret, context):
        return super().register_webhook(name, {**params, "events": ["order.paid", "order.sent"]}, url, secret, context)


@planted("webhook_events", says="leaves out order.sent")
class TheFirstEventAlone(Good):
    def register_webhook(self, name, params, url, secret, context):
        return super().register_webhook(name, {**params, "events": params["events"][:1]}, url, secret, context)


@planted("webhook_returns_in_time", **HANGS)
class NeverReturns(Good):
    def find_webhook(self, name, params, url, context):
        threading.Event().wait()
