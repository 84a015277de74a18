"""The contracts of trigger kinds of plug-ins: that of polls, that of webhooks, or that of events from code.

    class TestNewOrder(PollingTriggerContractTest):
        trigger_cls = NewOrder
        source = Orders

`Orders` is a PollSource, and for kinds that register a WebhookService.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.adapters.polls import LEAST_SECONDS
from automate_connectors.adapters.webhooks import EVENTS
from automate_connectors.triggers.contract import (
    PUBLIC,
    EmittedTrigger,
    PollingTrigger,
    RegisteringTrigger,
    TriggerAdapter,
    TriggerKind,
)
from automate_connectors.triggers.registry import verify_trigger
from automate_testing.contracts.calls import make_instance
from automate_testing.contracts.samples import check_fields
from automate_testing.contracts.triggers.polls import PollContractTest, PollSource
from automate_testing.contracts.triggers.signatures import scheme_problem
from automate_testing.contracts.triggers.webhooks import WebhookContractTest, WebhookService


def check_kind(kind: TriggerKind, base: type[Any]) -> None:
    """Fail for a kind that is described wrongly."""
    assert isinstance(kind, base), f"it is no {base.__name__}"
    try:
        verify_trigger(kind)
    except TypeError as error:
        raise AssertionError(f"it cannot be used: {error}") from None
    assert kind.name, "it has no name"
    check_fields(tuple(kind.fields))
    sample = dict(kind.sample)
    assert sample and json.loads(json.dumps(sample)) == sample, "the sample is the payload of an event, made of JSON"
    if isinstance(kind, PollingTrigger):
        assert kind.least_seconds >= LEAST_SECONDS, f"it is repeated after {LEAST_SECONDS} seconds at the earliest"
    if isinstance(kind, RegisteringTrigger):
        names = {field.name for field in kind.fields}
        assert EVENTS not in names, f"the field {EVENTS} has the name of its event types"
        problem = scheme_problem(kind.scheme, kind.scheme_config)
        assert not problem, f"its signature scheme: {problem}"


class PollingTriggerContractTest(PollContractTest):
    """What every kind that polls keeps. `source` makes the other side."""

    trigger_cls: type[PollingTrigger]
    source: Callable[[], PollSource]

    @pytest.fixture
    def adapter(self) -> ConnectorAdapter:
        """The kind as the platform asks it."""
        return self.make_adapter()

    def make_adapter(self) -> TriggerAdapter:
        """Make the kind, the way the registry makes it."""
        kind = make_instance(self.trigger_cls)
        self.poll_sources = {kind.code: type(self).source}
        return TriggerAdapter(kind)

    def test_contract_trigger(self, adapter: TriggerAdapter) -> None:
        """It has a code, a name, plain fields, an interval and a sample."""
        check_kind(adapter.kind, PollingTrigger)


class RegisteringTriggerContractTest(WebhookContractTest):
    """What every kind that registers keeps. `service` makes the other side."""

    trigger_cls: type[RegisteringTrigger]
    service: Callable[[], WebhookService]

    @pytest.fixture
    def adapter(self) -> ConnectorAdapter:
        """The kind as the platform calls it."""
        return self.make_adapter()

    def make_adapter(self) -> TriggerAdapter:
        """Make the kind, the way the registry makes it."""
        kind = make_instance(self.trigger_cls)
        self.webhook_services = {kind.code: type(self).service}
        return TriggerAdapter(kind)

    def test_contract_trigger(self, adapter: TriggerAdapter) -> None:
        """It has a code, a name, plain fields, a signature scheme and a sample."""
        check_kind(adapter.kind, RegisteringTrigger)


class EmittedTriggerContractTest:
    """What every kind that code emits keeps."""

    trigger_cls: type[EmittedTrigger]

    @pytest.fixture
    def adapter(self) -> TriggerAdapter:
        """The kind, made the way the registry makes it."""
        return self.make_adapter()

    def make_adapter(self) -> TriggerAdapter:
        """Make the kind."""
        return TriggerAdapter(make_instance(self.trigger_cls))

    def test_contract_trigger(self, adapter: TriggerAdapter) -> None:
        """It has a code, a name and a sample."""
        check_kind(adapter.kind, EmittedTrigger)

    def test_contract_trigger_permission(self, adapter: TriggerAdapter) -> None:
        """The permission to listen is `public`, or `app.codename`."""
        needed = adapter.kind.permission if isinstance(adapter.kind, EmittedTrigger) else ""
        label, dot, codename = needed.partition(".")
        assert needed == PUBLIC or (dot and label.isidentifier() and codename.isidentifier()), (
            f"the permission {needed!r} is neither {PUBLIC!r} nor one such as shop.view_order"
        )
