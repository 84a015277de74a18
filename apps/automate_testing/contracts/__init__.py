"""Contract suites: inherit, name your class, and pytest checks that the platform can rely on it.

    class TestMyERP(ConnectorContractTest):
        adapter_cls = MyERPAdapter

Structural checks always run. Behavioural ones run against a scripted way out, on `cases` or, without any, on made-up
calls of the actions that describe their inputs. A declared case must make a request; only made-up ones that make none
are skipped, and say so. `cases` may be JSON files: `cases = load_cases(Path(__file__).parent / "fixtures")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automate_testing.cases import Case, load_cases
from automate_testing.contracts.channels import NotificationChannelContractTest
from automate_testing.contracts.connectors import ConnectorContractTest
from automate_testing.contracts.executors.messages import ExecutorContractTest
from automate_testing.contracts.filters import ExpressionFilterContractTest, FilterCase
from automate_testing.contracts.providers import LLMProviderContractTest
from automate_testing.contracts.schemes import SignatureSchemeContractTest
from automate_testing.contracts.secrets import SecretsBackendContractTest
from automate_testing.contracts.traces import CANARY
from automate_testing.contracts.triggers.plugins import (
    EmittedTriggerContractTest,
    PollingTriggerContractTest,
    RegisteringTriggerContractTest,
)
from automate_testing.contracts.triggers.polls import PollContractTest, PollSource
from automate_testing.contracts.triggers.webhooks import Registered, WebhookContractTest, WebhookService

if TYPE_CHECKING:
    from automate_testing.contracts.executors.handed_out import HandedOutStepContractTest

__all__ = [
    "CANARY",
    "Case",
    "ConnectorContractTest",
    "EmittedTriggerContractTest",
    "ExecutorContractTest",
    "ExpressionFilterContractTest",
    "FilterCase",
    "HandedOutStepContractTest",
    "LLMProviderContractTest",
    "NotificationChannelContractTest",
    "PollContractTest",
    "PollSource",
    "PollingTriggerContractTest",
    "Registered",
    "RegisteringTriggerContractTest",
    "SecretsBackendContractTest",
    "SignatureSchemeContractTest",
    "WebhookContractTest",
    "WebhookService",
    "load_cases",
]


def __getattr__(name: str) -> Any:
    """The suite that needs a database is imported when it is first used: its models need Django to be ready."""
    if name == "HandedOutStepContractTest":
        from automate_testing.contracts.executors.handed_out import HandedOutStepContractTest

        return HandedOutStepContractTest
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
