"""The suites themselves: each check goes red for a plug-in that breaks it."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_plugins.fields import FieldKind, FieldSpec

pytest_plugins = ["pytester"]

GOOD = {"code": "good", "name": "Good"}
BAD = {
    "test_contract_identity": "code = 'Bad Code'",
    "test_contract_actions": "actions = (Action(name='a'), Action(name='a'))",
    "test_contract_validate_config": "validate_config = lambda self, config: {}['nope']",
    "test_contract_output_is_json": "execute = lambda self, action, params, context: (context['http'].request('GET', 'https://x'), object())[1]",
    "test_contract_timeout": "execute = lambda self, action, params, context: swallow(context)",
    "test_contract_rate_limit": "execute = lambda self, action, params, context: status(context, retryable=True)",
    "test_contract_server_error": "execute = lambda self, action, params, context: status(context, retryable=False)",
    "test_contract_client_error": "execute = lambda self, action, params, context: status(context, retryable=True)",
    "test_contract_attempts_are_alike": "execute = lambda self, action, params, context: context['http'].request('GET', f'https://x/{uuid.uuid4()}').json()",
}
SUITE = """
import uuid
from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_testing.contracts import Case, ConnectorContractTest


def swallow(context):
    try:
        context["http"].request("GET", "https://x")
    except Exception:
        return None


def status(context, *, retryable):
    response = context["http"].request("GET", "https://x")
    if response.status >= 400:
        raise ConnectorError("no", retryable=retryable)
    return {{}}


class Adapter(ConnectorAdapter):
    code = "bad"
    name = "Bad"
    actions = (Action(name="go", fields=()),)

    def execute(self, action, params, context):
        return {{}}

    {line}


class TestIt(ConnectorContractTest):
    adapter_cls = Adapter
    cases = (Case(action="go"),) if "actions = (Action(name='a')" not in {line!r} else ()
"""


@pytest.mark.parametrize("check", BAD)
def test_each_check_can_fail(pytester, check, monkeypatch):
    pytester.makepyfile(SUITE.format(line=BAD[check]))
    pytester.makeini("[pytest]")
    result = pytester.runpytest("-q", "-k", check, "-p", "no:django", "-p", "no:playwright", "-p", "no:cacheprovider")
    assert result.parseoutcomes().get("failed"), result.stdout.str()


class Sealed(ConnectorAdapter):
    code = "leaky"
    name = "Leaky"
    config_fields = (FieldSpec(name="token", kind=FieldKind.SECRET),)
    actions = (Action(name="go", fields=()),)

    def execute(self, action, params, context):
        if context["http"].request("GET", "https://x").status >= 400:
            raise ConnectorError(f"refused with {context['connection']['token']}", retryable=True)
        return {}


def test_a_secret_in_an_error_is_noticed():
    from automate_testing.contracts import Case, ConnectorContractTest
    from automate_testing.fakes import answer

    class Suite(ConnectorContractTest):
        adapter_cls = Sealed
        cases = (Case(action="go", connection={"token": "x"}),)

    with pytest.raises(AssertionError, match="shows a secret"):
        list(Suite()._failures(Sealed(), answer(503)))
