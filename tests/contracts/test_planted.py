"""The suites themselves: each planted fault is caught by the case whose name tells it, and a good plug-in passes all."""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from automate_plugins.fields import FieldSpec
from automate_testing.contracts import (
    ConnectorContractTest,
    EmittedTriggerContractTest,
    ExecutorContractTest,
    ExpressionFilterContractTest,
    FilterCase,
    LLMProviderContractTest,
    NotificationChannelContractTest,
    PollContractTest,
    PollingTriggerContractTest,
    RegisteringTriggerContractTest,
    SecretsBackendContractTest,
    SignatureSchemeContractTest,
    WebhookContractTest,
)
from automate_testing.contracts.calls import make_instance
from automate_testing.contracts.guard import guard
from tests.contracts.planted import (
    answers,
    channels,
    connectors,
    executors,
    filters,
    polls,
    providers,
    schemes,
    secrets,
    triggers,
    webhooks,
)
from tests.support.matrix import representatives


class Connectors(ConnectorContractTest):
    adapter_cls = connectors.Good
    cases = connectors.CASES


class Polls(PollContractTest):
    adapter_cls = connectors.Good
    poll_sources = {"new_order": polls.Orders}


class Webhooks(WebhookContractTest):
    adapter_cls = connectors.Good
    webhook_services = {"order": webhooks.Hooks}


class PollingTriggers(PollingTriggerContractTest):
    trigger_cls = triggers.NewOrder
    source = polls.Orders


class RegisteringTriggers(RegisteringTriggerContractTest):
    trigger_cls = triggers.OrderEvent
    service = webhooks.Hooks


class EmittedTriggers(EmittedTriggerContractTest):
    trigger_cls = triggers.StockLow


class Providers(LLMProviderContractTest):
    provider_cls = providers.GoodProvider
    good_answer = providers.GOOD_ANSWER
    good_text = "Hello back"
    good_usage = providers.GOOD_USAGE


class Secrets(SecretsBackendContractTest):
    backend_cls = secrets.GoodBackend

    def put(self, key, value):
        secrets.SAFE[key] = value

    @contextlib.contextmanager
    def unavailable(self):
        secrets.AWAY.set()
        try:
            yield
        finally:
            secrets.AWAY.clear()


class Schemes(SignatureSchemeContractTest):
    scheme_cls = schemes.GoodScheme


class Channels(NotificationChannelContractTest):
    channel_cls = channels.GoodChannel
    config = channels.CONFIG


class Filters(ExpressionFilterContractTest):
    filter_cls = filters.GoodFilter
    cases = (FilterCase("ab", "abab", (2,)),)


class Executors(ExecutorContractTest):
    executor_cls = executors.GoodExecutor
    consumer_fault = "none"
    bad_options = ({},)
    away_options = {"folder": "/nowhere/steps"}

    def open_broker(self, folder):
        return {"folder": str(folder)}

    def stored(self, pool):
        return [path.name for path in Path(pool.options["folder"]).iterdir()]

    def consumer(self, pool):
        module = "tests.contracts.planted.executor_consumer"
        return [module, pool.options["folder"], pool.name, self.consumer_fault]


SUITES = {
    Connectors: [*connectors.FAULTS, *answers.FAULTS],
    Polls: polls.FAULTS,
    Webhooks: webhooks.FAULTS,
    PollingTriggers: triggers.POLLING,
    RegisteringTriggers: triggers.REGISTERING,
    EmittedTriggers: triggers.EMITTED,
    Providers: providers.FAULTS,
    Secrets: secrets.FAULTS,
    Schemes: schemes.FAULTS,
    Channels: channels.FAULTS,
    Filters: filters.FAULTS,
    Executors: executors.FAULTS,
}
PLANTED = [pytest.param(suite, fault, id=f"{suite.__name__}-{fault}") for suite in SUITES for fault in SUITES[suite]]
CLASSES = {
    Connectors: "adapter_cls",
    Polls: "adapter_cls",
    Webhooks: "adapter_cls",
    PollingTriggers: "trigger_cls",
    RegisteringTriggers: "trigger_cls",
    EmittedTriggers: "trigger_cls",
    Providers: "provider_cls",
    Secrets: "backend_cls",
    Schemes: "scheme_cls",
    Channels: "channel_cls",
    Filters: "filter_cls",
    Executors: "executor_cls",
}
#: Suites whose other cases are those of another one, which has faults of its own.
INHERITED = {PollingTriggers: Polls, RegisteringTriggers: Webhooks}
#: What a suite checks when it says so, with a test of its own.
UNDECLARED = {"test_contract_keeps_no_value"}
#: What no connector can get wrong: the platform refuses such calls itself.
PLATFORM = {"test_contract_missing_input"}


def names(suite):
    return [name for name, _ in inspect.getmembers(suite, inspect.isfunction) if name.startswith("test_contract_")]


def run(suite, case):
    """One case, as pytest runs it. A skipped one tells nothing."""
    secrets.SAFE.clear()
    if isinstance(suite, Schemes):
        plugin = suite.make_scheme()
    elif isinstance(suite, PollingTriggers | RegisteringTriggers | EmittedTriggers):
        plugin = suite.make_adapter()
    else:
        attribute = next(attribute for base, attribute in CLASSES.items() if isinstance(suite, base))
        plugin = make_instance(getattr(suite, attribute))
    workers = [suite.start_worker()] if "worker" in inspect.signature(getattr(suite, case)).parameters else []
    try:
        getattr(suite, case)(plugin, *workers)
    except pytest.skip.Exception as skipped:
        pytest.fail(f"{case} was skipped: {skipped}")
    finally:
        for worker in workers:
            worker.end()


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("suite", "case"),
    [
        pytest.param(suite, case, id=f"{suite.__name__}-{case}")
        for suite in SUITES
        for case in names(suite)
        if case not in UNDECLARED
    ],
)
def test_a_good_plug_in_passes(suite, case):
    run(suite(), case)


@pytest.mark.matrix
@pytest.mark.parametrize(("suite", "fault"), PLANTED)
def test_a_planted_fault_is_caught_by_name(suite, fault):
    faulty = type("Faulty", (suite,), {CLASSES[suite]: fault.plugin, **fault.suite})
    with pytest.raises(AssertionError) as caught, warnings.catch_warnings(record=True):
        run(faulty(), fault.case)
    assert str(caught.value).strip(), "the failure says what is wrong"
    assert fault.says in str(caught.value)


def test_a_file_that_an_earlier_run_left_is_found_again():
    left = Path(tempfile.gettempdir()) / "planted-orders"
    left.write_text("of an earlier process", encoding="utf-8")
    try:
        suite = type("Faulty", (Connectors,), {"adapter_cls": connectors.LeavesAFile})
        with pytest.raises(AssertionError, match="planted-orders behind"):
            run(suite(), "test_contract_leaves_no_file")
    finally:
        left.unlink()


def test_a_variable_is_found_after_thousands_of_calls():
    suite = type("Faulty", (Connectors,), {"adapter_cls": connectors.ReadsTheEnvironment})
    for _ in range(1_500):  # as many as a class has versions in CPython, and some more
        with guard():
            os.environ.get("PLANTED_URL")
    with pytest.raises(AssertionError, match="reads PLANTED_URL"):
        run(suite(), "test_contract_environment")


def test_a_thread_with_the_number_of_one_that_is_over_is_the_calls_own():
    over, go = threading.Thread(target=lambda: go.wait(10)), threading.Event()
    over.start()
    with guard() as watch:
        go.set()
        over.join()
        found: list[tuple[int, bool]] = []
        for _ in range(50):
            again = threading.Thread(target=lambda: found.append((threading.get_ident(), watch.is_watched())))
            again.start()
            again.join()
    assert over.ident in {ident for ident, _ in found}, "the number was not given again"
    assert all(watched for _, watched in found)


@pytest.mark.parametrize("name", ["api_key_header", "api_key_id", "token_header_name", "access_key_id", "token_type"])
def test_a_setting_that_only_speaks_of_a_secret_is_none(name):
    class Signed(connectors.Good):
        config_fields = (*connectors.Good.config_fields, FieldSpec(name=name, label="Name of the API key"))

        def headers(self, context):
            return {**super().headers(context), "X-Api-Key-Id": context["connection"].get(name, "")}

    case = replace(connectors.CASES[0], connection={**connectors.CONNECTION, name: "AKIA-1723"})
    run(type("Suite", (Connectors,), {"adapter_cls": Signed, "cases": (case,)})(), "test_contract_secret_fields")


def test_a_secret_may_be_in_the_url_where_the_service_requires_it():
    suite = {"adapter_cls": answers.TokenInTheUrlAsTheServiceRequires, "secrets_in_url": ("token",)}
    run(type("Suite", (Connectors,), suite)(), "test_contract_no_secret_in_url")


def test_a_secrets_backend_without_a_cache_keeps_no_value():
    suite = {"backend_cls": secrets.ReadsEachTime, "longest_cache": 0}
    run(type("Suite", (Secrets,), suite)(), "test_contract_keeps_no_value")


def test_a_connector_that_stops_after_some_pages_passes():
    run(type("Suite", (Connectors,), {"adapter_cls": answers.StopsAfterSomePages})(), "test_contract_endless_pages")


def test_a_validation_that_is_only_described_counts_as_none():
    class Described(connectors.Good):
        def validate_config(self, config):
            """Optional: Validate setup configuration."""

    run(type("Suite", (Connectors,), {"adapter_cls": Described})(), "test_contract_validate_config_refuses")


def test_a_changed_connection_spoils_no_other_case():
    suite = type("Faulty", (Connectors,), {"adapter_cls": connectors.CompletesTheConnection})
    failed = []
    for case in names(suite):
        try:
            run(suite(), case)
        except AssertionError:
            failed.append(case)
    assert failed == ["test_contract_inputs_untouched"]


def outcomes(suite, plugin):
    """(names of the cases that fail, reasons of those that are skipped)."""
    failed, skipped = [], []
    for case in names(suite):
        try:
            getattr(suite(), case)(make_instance(plugin))
        except AssertionError:
            failed.append(case)
        except pytest.skip.Exception as reason:
            skipped.append(str(reason))
    return failed, skipped


@pytest.mark.parametrize("method", ["result", "request", "check_connection"])
def test_a_hanging_call_costs_its_deadline_once_and_is_caught_by_name(method):
    """The other checks are skipped, with the reason: none of them waits for the same call again."""

    def hang(self, *args, **more):
        threading.Event().wait()

    hangs = type("Hangs", (connectors.Good,), {method: hang})
    suite = type("Faulty", (Connectors,), {"adapter_cls": hangs, "call_seconds": 0.5})
    failed, skipped = outcomes(suite, hangs)
    assert len(failed) == 2 and "test_contract_returns_in_time" in failed
    assert len(skipped) > 20 and "did not return: fix that first" in skipped[-1]


@pytest.mark.parametrize(
    "fault",
    representatives([connectors.RequestsLibrary, connectors.Datagram, connectors.Curl, connectors.Forks], always=1),
    ids=lambda fault: fault.__name__,
)
def test_a_bypass_fails_one_check_and_the_one_that_names_it(fault):
    bypasses = type("Bypasses", (fault,), {})  # nothing is known yet of this class
    suite = type("Faulty", (Connectors,), {"adapter_cls": bypasses})
    failed, skipped = outcomes(suite, bypasses)
    assert len(failed) == 2 and "test_contract_guarded_session" in failed
    assert len(skipped) > 20 and all("bypasses the guarded session: fix that first" in each for each in skipped)


def test_every_case_catches_a_planted_fault():
    assert len(PLANTED) >= 80
    for suite, faults in SUITES.items():
        inherited = set(names(INHERITED[suite])) if suite in INHERITED else set()
        assert set(names(suite)) - {fault.case for fault in faults} - inherited <= PLATFORM
