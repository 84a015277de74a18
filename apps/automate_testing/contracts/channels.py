"""The contract of notification channels."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from automate_egress import EgressConnectionError, EgressError, EgressTimeoutError, HttpResponse
from automate_operations.notifications.channels.contract import (
    ChannelContext,
    Message,
    NotDeliveredError,
    NotificationChannel,
    verify_channel,
)
from automate_plugins.fields import FieldKind, problems
from automate_testing.contracts.calls import Call, make_instance, observe
from automate_testing.contracts.samples import check_fields
from automate_testing.contracts.traces import CANARY, contains_secret, error_text
from automate_testing.fakes import ScriptedHttp, ScriptedNetwork, answer, context

_REFERENCE = "env:CONTRACT_SECRET"
_AGAIN, _FINAL = (429, 500, 502, 503, 504), (400, 401, 403, 404)
MESSAGE = Message(
    id="00000000-0000-7000-8000-000000000000",
    kind="first_failure",
    subject="Nightly sync failed.",
    text="Nightly sync failed.\nhttps://site.example/runs/1",
    facts=[{"text": "Nightly sync failed.", "at": "2026-01-31T12:00:00.000Z", "url": "https://site.example/runs/1"}],
    workflow="nightly-sync",
)


class NotificationChannelContractTest:
    """What every channel keeps. `config` holds good settings; values of secret fields are replaced by a canary."""

    channel_cls: type[NotificationChannel]
    config: dict[str, Any] = {}
    good_answer: HttpResponse | None = None  #: what the service answers when all is well; 200 with {} without one
    makes_requests: bool = True  #: False for a channel that sends by another protocol or within the process
    call_seconds: float = 10.0

    @pytest.fixture
    def channel(self) -> NotificationChannel:
        """The channel, made the way the registry makes it."""
        return make_instance(self.channel_cls)

    def test_contract_made_without_arguments(self, channel: NotificationChannel) -> None:
        """Its class is called without arguments, once for all threads."""
        make_instance(type(channel))

    def test_contract_identity(self, channel: NotificationChannel) -> None:
        """It is a NotificationChannel with a code, a name and settings that a form can show."""
        assert isinstance(channel, NotificationChannel), "it is not a NotificationChannel"
        try:
            verify_channel(channel)
        except TypeError as error:
            raise AssertionError(str(error)) from error
        check_fields(channel.config_fields)

    def test_contract_good_config(self, channel: NotificationChannel) -> None:
        """The settings of the suite fit the fields, and `validate_config` accepts them, with references for secrets."""
        config = self._with_secrets(channel, _REFERENCE)
        found = problems(channel.config_fields, config)
        assert not found, "; ".join(found)
        error = self._observe(lambda: channel.validate_config(copy.deepcopy(config)), "validate_config").error
        assert error is None, f"validate_config refuses the settings of the suite: {error}"

    def test_contract_validate_config(self, channel: NotificationChannel) -> None:
        """Settings are accepted, or refused with a ValueError that says why."""
        error = self._observe(lambda: channel.validate_config({}), "validate_config").error
        assert error is None or (isinstance(error, ValueError) and str(error)), (
            f"validate_config raises {type(error).__name__}: {error}; raise ValueError with a reason"
        )

    def test_contract_target(self, channel: NotificationChannel) -> None:
        """The target is one line for people, without secrets."""
        call = self._observe(lambda: channel.target(self._with_secrets(channel, CANARY)), "target")
        assert call.error is None, f"target raises {type(call.error).__name__}: {call.error}"
        assert isinstance(call.value, str) and call.value, "target must return a text"
        assert "\n" not in call.value and not contains_secret(call.value), "target is one line without secrets"

    def test_contract_sends(self, channel: NotificationChannel) -> None:
        """A message is sent by context["http"], and nothing is returned."""
        call, http = self._send(channel)
        assert call.error is None, f"send fails on a good answer: {type(call.error).__name__}: {call.error}"
        assert call.value is None, f"send must return nothing, not {type(call.value).__name__}"
        assert http.requests or not self.makes_requests, "send makes no request by context['http']"

    def test_contract_inputs_untouched(self, channel: NotificationChannel) -> None:
        """The message and the settings are unchanged when it was sent."""
        message, config = copy.deepcopy(MESSAGE), self._with_secrets(channel, CANARY)
        before = copy.deepcopy(config)
        self._observe(lambda: channel.send(message, config, self._context(ScriptedHttp([self._good()]))), "send")
        assert (message, config) == (MESSAGE, before), "send changes the message or the settings"

    def test_contract_attempts_are_alike(self, channel: NotificationChannel) -> None:
        """Two attempts of a message send the same requests, so that the recipient can recognise a repetition."""
        first, again = (self._send(channel)[1].requests for _ in range(2))
        assert first == again, "two attempts of one message differ; use message.id, not a new one"

    def test_contract_may_try_again(self, channel: NotificationChannel) -> None:
        """A time-out, a broken connection, 429 and 5xx are errors after which a later attempt may succeed."""
        failures: list[HttpResponse | Exception] = [EgressTimeoutError("it took too long")]
        failures += [EgressConnectionError("it is away"), *(answer(status, {}) for status in _AGAIN)]
        for failure in failures:
            for error in self._failed(channel, failure):
                again = error.again if isinstance(error, NotDeliveredError) else error.retryable
                assert again, f"{_name(failure)}: say again=True"

    def test_contract_final(self, channel: NotificationChannel) -> None:
        """A rejection (400, 401, 403, 404) is an error that is not tried again."""
        for status in _FINAL:
            for error in self._failed(channel, answer(status, {})):
                assert isinstance(error, NotDeliveredError), f"HTTP {status}: raise NotDeliveredError"
                assert not error.again, f"HTTP {status}: the same would happen again; say again=False"

    def test_contract_no_secret_shown(self, channel: NotificationChannel) -> None:
        """No secret is in an error, in a record of `logging` or in printed text."""
        for reply in (self._good(), answer(401, {"error": "denied"}), EgressTimeoutError("it took too long")):
            call, _ = self._send(channel, reply)
            assert not contains_secret(error_text(call.error)), "an error shows a secret"
            for traces in (call.traces.logged, call.traces.printed, call.traces.filed):
                assert not contains_secret(traces), "a secret is logged, printed or written to a file"

    def _failed(
        self, channel: NotificationChannel, failure: HttpResponse | Exception
    ) -> Iterator[NotDeliveredError | EgressError]:
        if not self.makes_requests:
            return
        error = self._send(channel, failure)[0].error
        assert isinstance(error, NotDeliveredError | EgressError), (
            f"{_name(failure)} ends with {error!r}: raise NotDeliveredError"
        )
        yield error

    def _send(
        self, channel: NotificationChannel, reply: HttpResponse | Exception | None = None
    ) -> tuple[Call, ScriptedHttp]:
        http = ScriptedHttp([reply or self._good()])
        config = self._with_secrets(channel, CANARY)
        call = self._observe(lambda: channel.send(MESSAGE, config, self._context(http)), "send")
        return call, http

    def _good(self) -> HttpResponse:
        return self.good_answer or answer(200, {})

    def _context(self, http: ScriptedHttp) -> ChannelContext:
        made = context(http)
        return ChannelContext(http=http, network=ScriptedNetwork(), deadline=made["deadline"])

    def _with_secrets(self, channel: NotificationChannel, secret: str) -> dict[str, Any]:
        names = {spec.name for spec in channel.config_fields if spec.kind is FieldKind.SECRET}
        return {name: secret if name in names else value for name, value in copy.deepcopy(self.config).items()}

    def _observe(self, act: Any, what: str) -> Call:
        return observe(act, seconds=self.call_seconds, what=what, plugin=getattr(self, "channel_cls", None))


def _name(failure: HttpResponse | Exception) -> str:
    return f"HTTP {failure.status}" if isinstance(failure, HttpResponse) else type(failure).__name__
