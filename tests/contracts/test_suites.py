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
    "test_contract_good_input": "actions = (Action(name='go', fields=(FieldSpec(name='title', required=True),)),)",
    "test_contract_pure": "actions = (Action(name='go', fields=(), effect=Effect.PURE),); execute = lambda self, action, params, context: str(uuid.uuid4())",
    "test_contract_redaction": "execute = lambda self, action, params, context: {**status(context, retryable=True), 'as': context['connection']['token']}",
    "test_contract_cancellation": "execute = lambda self, action, params, context: ask_on(context)",
    "test_contract_timeout": "execute = lambda self, action, params, context: swallow(context)",
    "test_contract_rate_limit": "execute = lambda self, action, params, context: status(context, retryable=True)",
    "test_contract_server_error": "execute = lambda self, action, params, context: status(context, retryable=False)",
    "test_contract_client_error": "execute = lambda self, action, params, context: status(context, retryable=True)",
    "test_contract_attempts_are_alike": "execute = lambda self, action, params, context: context['http'].request('GET', f'https://x/{uuid.uuid4()}').json()",
}
SUITE = """
import uuid
from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_plugins.fields import FieldKind, FieldSpec
from automate_testing.contracts import Case, ConnectorContractTest


def ask_on(context):
    for page in range(300):
        status(context, retryable=True)
    return {{}}


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
    config_fields = (FieldSpec(name="token", kind=FieldKind.SECRET),)
    actions = (Action(name="go", fields=()),)

    def execute(self, action, params, context):
        return {{}}

    {line}


class TestIt(ConnectorContractTest):
    adapter_cls = Adapter
    cases = (Case(action="go", connection={{"token": "x"}}),) if "actions = (Action(name='a')" not in {line!r} else ()
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


def test_cases_are_read_from_files(tmp_path):
    from automate_testing.cases import ANYTHING, load_cases

    (tmp_path / "b.json").write_text('{"action": "go", "answer": {"status": 429, "headers": {"retry-after": "7"}}}')
    (tmp_path / "a.json").write_text('{"action": "go", "params": {"n": 1}, "output": null, "run": false}')
    first, second = load_cases(tmp_path)
    assert (first.params, first.output, first.run) == ({"n": 1}, None, False)
    assert (second.answer.status, second.answer.headers["retry-after"], second.output) == (429, "7", ANYTHING)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"params": {}}', '{"action": "go", "parms": {}}', '{"action": "go", "answer": 5}']
)
def test_a_file_that_is_no_case_is_named(tmp_path, text):
    from automate_testing.cases import load_cases

    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.json"):
        load_cases(tmp_path)


def test_the_output_and_the_request_of_a_case_are_compared():
    from automate_testing.contracts import Case, ConnectorContractTest
    from automate_testing.fakes import answer

    class Suite(ConnectorContractTest):
        pass

    for case in (
        Case(action="go", output={"other": 1}, answer=answer(200)),
        Case(action="go", request={"method": "POST"}, answer=answer(200)),
    ):
        suite = Suite()
        suite.cases = (case,)
        with pytest.raises(AssertionError, match="go"):
            suite.test_contract_output_is_json(Sealed())
