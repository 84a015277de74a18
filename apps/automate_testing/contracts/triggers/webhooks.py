"""The contract of a connector's webhooks: one registration, however often it is made, and none once it is removed.

    class TestMyERPWebhooks(WebhookContractTest):
        adapter_cls = MyERPAdapter
        webhook_services = {"order": Orders}

`Orders` is a WebhookService: the service of a test, which has the registrations.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import pytest

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.webhooks import Registration, Webhook
from automate_connectors.context import Context
from automate_connectors.webhooks.calls import WebhookCalls
from automate_egress import EgressConnectionError, HttpResponse
from automate_testing.contracts.calls import call_again, make_instance, observe, plugin_of
from automate_testing.contracts.traces import contains_secret
from automate_testing.contracts.triggers.attempts import (
    Failure,
    Perform,
    RecordingHttp,
    TriggerAttempt,
    check_no_kept_secret,
    check_secrecy,
    check_single_attempts,
    check_unchanged,
    plant_secrets,
    state_of,
)
from automate_testing.fakes import ScriptedHttp, answer, context

URL = "https://automate.example.com/hooks/orders-0123456789abcdef/"
OTHER_URL = "https://automate.example.com/hooks/orders-fedcba9876543210/"
SECRET = "the-secret-of-the-webhook-under-contract"  # noqa: S105 - it is planted to be looked for


class Registered(NamedTuple):
    """A registration as the service has it. `secret` is what it signs with; empty where it does not say."""

    url: str
    secret: str = ""


class WebhookService(ABC):
    """The other side of a webhook, without registrations at first.

    `params`, `events` and `connection` are those of the trigger.
    """

    params: Mapping[str, Any] = {}
    events: tuple[str, ...] = ()
    connection: Mapping[str, Any] = {}

    @abstractmethod
    def registered(self) -> list[Registered]:
        """The registrations that it has now."""

    @abstractmethod
    def forget(self) -> None:
        """Lose all registrations, as when a person deletes them there."""

    @abstractmethod
    def context(self) -> Context:
        """The context of one call, such as `automate_testing.fakes.context(http, connection)`."""


class WebhookContractTest:
    """What every webhook keeps. `untried_webhooks` names those without a service."""

    adapter_cls: type[ConnectorAdapter]
    webhook_services: Mapping[str, Callable[[], WebhookService]] = {}
    untried_webhooks: Collection[str] = ()
    unfiltered_webhooks: Collection[str] = ()  #: webhooks whose service sends events of all types
    call_seconds: float = 10.0  #: a call takes no longer, since the other side answers at once

    @pytest.fixture
    def adapter(self) -> ConnectorAdapter:
        """The connector, made the way the registry makes it."""
        return make_instance(self.adapter_cls)

    def test_contract_every_webhook(self, adapter: ConnectorAdapter) -> None:
        """Each webhook has a service, or is named in `untried_webhooks`."""
        untried = {each.name for each in adapter.webhooks} - set(self.webhook_services) - set(self.untried_webhooks)
        assert not untried, f"no service for {', '.join(sorted(untried))}: nothing of it is checked"

    def test_contract_webhook_register(self, adapter: ConnectorAdapter) -> None:
        """The service has the URL and the secret, once."""
        for caller in self._callers(adapter):
            made = caller.register()
            assert caller.urls == [URL], f"{caller.name}: the service has {caller.urls or 'no URL'}, not the one given"
            [there] = caller.service.registered()
            secret = made.secret or SECRET
            assert there.secret in {"", secret}, f"{caller.name}: the service signs with another secret"

    def test_contract_webhook_find(self, adapter: ConnectorAdapter) -> None:
        """It finds the registration of a URL with its id, none of another URL, and changes nothing."""
        for caller in self._callers(adapter):
            if not adapter.can_find_webhooks:
                continue
            assert caller.find() is None, f"{caller.name}: it finds a registration, and there is none"
            made = caller.register()
            found = caller.find()
            assert found is not None, f"{caller.name}: it does not find the registration that was made"
            assert found.id == made.id, f"{caller.name}: it finds the id {found.id!r} of what was made as {made.id!r}"
            assert caller.find(OTHER_URL) is None, f"{caller.name}: it finds the registration of another URL"
            assert caller.urls == [URL], f"{caller.name}: to find it changes what is registered"
            self._check_second(caller, made)

    def _check_second(self, caller: _Caller, made: Registration) -> None:
        """A registration is found behind one of another URL, where the service has room for both."""
        caller.remove(made)
        caller.register(OTHER_URL)
        second = caller.observed(lambda calls: calls.register(SECRET))
        if getattr(second.error, "code", "") == "webhook_taken":
            return
        assert second.error is None, f"{caller.name} fails: {second.error}"
        if sorted(caller.urls) != sorted([URL, OTHER_URL]):  # the service has one registration
            return
        found = caller.find()
        assert found is not None and found.id == second.value.id, (
            f"{caller.name}: it does not find a registration that is not the first one: look at all of them"
        )

    def test_contract_webhook_once(self, adapter: ConnectorAdapter) -> None:
        """A worker that dies behind a registration leaves no second one: it is found, or replaces the first."""
        for caller in self._callers(adapter):
            caller.register()
            if caller.find() is None:
                caller.register()
            assert caller.urls == [URL], (
                f"{caller.name}: the service has {len(caller.urls)} registrations with one URL: find the first one by"
                " `find_webhook`, or have the service replace it"
            )

    def test_contract_webhook_remove(self, adapter: ConnectorAdapter) -> None:
        """The registration is removed, and no other."""
        for caller in self._callers(adapter):
            made = caller.register()
            caller.remove(made)
            assert caller.urls == [], f"{caller.name}: it is still registered after it was removed"
            other = caller.register(OTHER_URL)
            second = caller.observed(lambda calls: calls.register(SECRET))
            if getattr(second.error, "code", "") == "webhook_taken":  # the service has room for one alone
                assert caller.urls == [OTHER_URL], f"{caller.name}: it replaces the registration of another URL"
                continue
            assert second.error is None, f"{caller.name} fails: {second.error}"
            made = second.value
            both = sorted(caller.urls)
            caller.remove(made)
            assert both != sorted([URL, OTHER_URL]) or caller.urls == [OTHER_URL], (
                f"{caller.name}: to remove one registration takes away another one, {other.id!r}"
            )

    def test_contract_webhook_remove_again(self, adapter: ConnectorAdapter) -> None:
        """Removing a webhook that no longer exists raises no error."""
        for caller in self._callers(adapter):
            made = caller.register()
            caller.service.forget()
            for _ in range(2):
                error = caller.removal_error(made)
                assert error is None, f"{caller.name}: a registration that is not there cannot be removed: {error}"

    def test_contract_webhook_renew(self, adapter: ConnectorAdapter) -> None:
        """A renewed registration is there once, does not end earlier, and can be removed."""
        for caller in self._callers(adapter):
            made = caller.register()
            renewed = caller.renew(made)
            assert caller.urls == [URL], f"{caller.name}: after a renewal there are {len(caller.urls)} registrations"
            if made.expires is not None and renewed.expires is not None:
                assert renewed.expires >= made.expires, f"{caller.name}: a renewed registration ends earlier"
            caller.remove(renewed)
            assert caller.urls == [], f"{caller.name}: a renewed registration is still there after it was removed"

    def test_contract_webhook_secret(self, adapter: ConnectorAdapter) -> None:
        """No secret, of the webhook or the connection, is kept in a registration, logged, printed or in an error."""
        for caller in self._callers(adapter):
            made = caller.register()
            secret = made.secret or SECRET
            kept = f"{made.id} {made.data}"
            assert secret not in kept, f"{caller.name}: the secret is kept in the registration: leave it out of `data`"
        for perform in self._performs(adapter):
            check_secrecy(perform, {SECRET: "the secret"})
            attempt = perform()
            made = attempt.call.value
            kept = f"{made.id} {made.data}" if isinstance(made, Registration) else ""
            is_kept = any(contains_secret(kept, secret) for secret in attempt.secrets)
            assert not is_kept, f"{attempt.what}: a secret of the connection is kept in the registration"

    def test_contract_webhook_single_attempt(self, adapter: ConnectorAdapter) -> None:
        """A call about a registration neither repeats a failed request nor waits to do so: the platform does both."""
        for perform in self._performs(adapter):
            check_single_attempts(perform)

    def test_contract_webhook_keeps_nothing(self, adapter: ConnectorAdapter) -> None:
        """A call about a registration keeps nothing on the connector: its ID and data are the only memory."""
        for perform in self._performs(adapter):
            attempt = perform()
            check_no_kept_secret(attempt.what, adapter, attempt.secrets)
        for caller in self._callers(adapter):
            caller.remove(caller.register())
            before = state_of(adapter)
            made = caller.register(OTHER_URL)
            caller.find(OTHER_URL)
            caller.remove(made)
            check_unchanged(caller.name, before, adapter)
            check_no_kept_secret(caller.name, adapter, {SECRET, made.secret or SECRET})

    def test_contract_webhook_events(self, adapter: ConnectorAdapter) -> None:
        """A registration asks for the event types in `params["events"]`, and for no other."""
        for webhook in self._tried(adapter):
            kinds = webhook.event_types
            if len(kinds) < 2 or webhook.name in self.unfiltered_webhooks:
                continue
            name = f"{adapter.code}.{webhook.name}"
            sent = {
                events: self._attempt(adapter, webhook, "register", events=events).sent
                for events in ((kinds[0],), (kinds[-1],), kinds)
            }
            assert sent[kinds[:1]] != sent[kinds[-1:]], (
                f"{name}: the registration for {kinds[0]!r} is the same as that for {kinds[-1]!r}: register the types"
                " in params['events'], or name the webhook in `unfiltered_webhooks` if its service sends all types"
            )
            if repr(kinds[0]) in sent[kinds[:1]]:
                missing = [kind for kind in kinds if repr(kind) not in sent[kinds]]
                assert not missing, f"{name}: the registration leaves out {', '.join(missing)} of params['events']"

    def test_contract_webhook_returns_in_time(self, adapter: ConnectorAdapter) -> None:
        """Calls about a registration return as soon as the service has answered: nothing waits without an end."""
        call_again(plugin_of(adapter))
        for caller in self._callers(adapter):
            made = caller.register()
            caller.find()
            caller.remove(made)

    def test_contract_webhook_failure(self, adapter: ConnectorAdapter) -> None:
        """What the service refuses, or does not answer, is a ConnectorError; none is taken for a registration."""
        failures: tuple[HttpResponse | Exception, ...] = (
            answer(401),
            answer(500),
            answer(429, headers={"Retry-After": "7"}),
            answer(200, b"<p>Sorry</p>"),
            EgressConnectionError("no server is there"),
        )
        for caller in self._callers(adapter):
            acts: dict[str, Callable[[WebhookCalls], Any]] = {
                "register": lambda calls: calls.register(SECRET),
                "remove": lambda calls: calls.remove(Registration(id="101")),
            }
            if adapter.can_find_webhooks:
                acts["find"] = lambda calls: calls.find()
            for failure in failures:
                for act, perform in acts.items():
                    said = f"HTTP {failure.status}" if isinstance(failure, HttpResponse) else type(failure).__name__
                    if act == "remove" and said == "HTTP 200":
                        continue  # the answer to a removal may be anything
                    given = context(ScriptedHttp([failure]), dict(caller.service.connection))
                    error = caller.observed(perform, given=given).error
                    assert isinstance(error, ConnectorError), f"{caller.name}: {act}: {said} is taken for an answer"
                    assert error.code != "unexpected_error", f"{caller.name}: {act}: {said} ends with {error.message}"
                    if said == "HTTP 429":
                        assert error.retry_after == 7, f"{caller.name}: {act}: Retry-After is lost: use `retry_after`"

    def _callers(self, adapter: ConnectorAdapter) -> Iterator[_Caller]:
        """A caller of each webhook, with a service of its own."""
        for webhook in self._tried(adapter):
            yield self._caller(adapter, webhook)

    def _caller(self, adapter: ConnectorAdapter, webhook: Webhook) -> _Caller:
        return _Caller(adapter, webhook, self.webhook_services[webhook.name](), self.call_seconds)

    def _tried(self, adapter: ConnectorAdapter) -> list[Webhook]:
        """The webhooks that have a service."""
        tried = [webhook for webhook in adapter.webhooks if webhook.name in self.webhook_services]
        if not tried:
            pytest.skip(f"{adapter.code} has no webhooks with a service")
        return tried

    def _performs(self, adapter: ConnectorAdapter) -> Iterator[Perform]:
        """Each kind of call about each webhook."""
        for webhook in self._tried(adapter):
            for act in ("register", *(["find"] if adapter.can_find_webhooks else []), "renew", "remove"):
                yield partial(self._attempt, adapter, webhook, act)

    def _attempt(
        self,
        adapter: ConnectorAdapter,
        webhook: Webhook,
        act: str,
        failure: Failure | None = None,
        position: int = 0,
        *,
        events: tuple[str, ...] = (),
    ) -> TriggerAttempt:
        """One call, with its error, to a service of its own; `failure` answers its request at `position`."""
        caller = self._caller(adapter, webhook)
        made = caller.register() if act != "register" else Registration(id="none")
        acts: dict[str, Callable[[WebhookCalls], Any]] = {
            "register": lambda calls: calls.register(SECRET),
            "find": lambda calls: calls.find(),
            "renew": lambda calls: calls.renew(made, SECRET),
            "remove": lambda calls: calls.remove(made),
        }
        given = caller.service.context()
        secrets = plant_secrets(adapter, given)
        http = given["http"] = RecordingHttp(given["http"], failure, position)
        call = caller.observed(acts[act], given=given, events=events)
        what = f"{caller.name}: {act}"
        return TriggerAttempt(
            what=what,
            call=call,
            context=given,
            requests=http.requests,
            secrets=secrets,
            failed_at=position,
            failure=failure,
        )


class _Caller:
    """Calls about one webhook, as the platform makes them."""

    def __init__(self, adapter: ConnectorAdapter, webhook: Webhook, service: WebhookService, seconds: float) -> None:
        self.name = f"{adapter.code}.{webhook.name}"
        self.service = service
        self._adapter, self._webhook, self._seconds = adapter, webhook, seconds

    @property
    def urls(self) -> list[str]:
        """The URLs that the service has."""
        return [each.url for each in self.service.registered()]

    def register(self, url: str = URL) -> Registration:
        """Make a registration. Fails when it fails."""
        made: Registration = self.call(lambda calls: calls.register(SECRET), url)
        return made

    def find(self, url: str = URL) -> Registration | None:
        """The registration with the URL."""
        found: Registration | None = self.call(lambda calls: calls.find(), url)
        return found

    def renew(self, registration: Registration) -> Registration:
        """Renew a registration."""
        renewed: Registration = self.call(lambda calls: calls.renew(registration, SECRET))
        return renewed

    def remove(self, registration: Registration) -> None:
        """Remove a registration."""
        self.call(lambda calls: calls.remove(registration))

    def removal_error(self, registration: Registration) -> Exception | None:
        """The error of a removal, if it has one."""
        error: Exception | None = self.observed(lambda calls: calls.remove(registration)).error
        return error

    def call(self, act: Callable[[WebhookCalls], Any], url: str = URL) -> Any:
        """One call. Fails when it does."""
        call = self.observed(act, url)
        assert call.error is None, f"{self.name} fails: {call.error}"
        return call.value

    def observed(
        self,
        act: Callable[[WebhookCalls], Any],
        url: str = URL,
        given: Context | None = None,
        events: tuple[str, ...] = (),
    ) -> Any:
        """One call, with its error."""
        params = copy.deepcopy(dict(self.service.params))
        used = given or self.service.context()
        calls = WebhookCalls(
            adapter=self._adapter,
            webhook=self._webhook,
            inputs=params,
            events=events or self.service.events or self._webhook.event_types,
            url=url,
            context=used,
        )
        call = observe(lambda: act(calls), seconds=self._seconds, what=self.name, plugin=plugin_of(self._adapter))
        assert params == dict(self.service.params), f"{self.name}: the call changes its inputs"
        return call
