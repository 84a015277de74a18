"""Cases, read from files; and the suites under pytest itself."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SUITE = """
from automate_testing.contracts import Case, ConnectorContractTest
from tests.contracts.planted.connectors import CASES, KeyIsAbsent, NeedsArguments


class TestKey(ConnectorContractTest):
    adapter_cls = KeyIsAbsent
    cases = CASES


class TestArguments(ConnectorContractTest):
    adapter_cls = NeedsArguments
"""


@pytest.mark.extended
def test_pytest_names_the_case(pytester):
    pytester.makepyfile(SUITE)
    pytester.makeini("[pytest]")
    result = pytester.runpytest(
        "-q", "-k", "idempotency or without_arguments", "-p", "no:django", "-p", "no:playwright"
    )
    result.stdout.fnmatch_lines(
        [
            "FAILED *TestKey::test_contract_idempotency_key*",
            "ERROR *TestArguments::test_contract_made_without_arguments*",
        ]
    )


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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"action": "go", "answer": {"bdy": {}}}', "no bdy in an answer; there are status, headers, body, text"),
        ('{"action": "go", "answers": [{"body": 1}, {"stauts": 500}]}', "no stauts in an answer"),
        ('{"action": "go", "answer": {"body": {}, "text": "any"}}', "either a body or a text"),
        ('{"action": "go", "request": {"methd": "POST"}}', "no methd in a request; there are method, url, headers"),
        ('{"action": "go", "requests": [{"url": "https://x"}, {"parms": {}}]}', "no parms in a request"),
        ('{"action": "go", "request": 5}', "bad.json"),
    ],
)
def test_a_misspelt_name_inside_a_case_is_named(tmp_path, text, problem):
    from automate_testing.cases import load_cases

    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.json") as caught:
        load_cases(tmp_path)
    assert problem in str(caught.value)


def test_a_folder_without_cases_is_named(tmp_path, monkeypatch):
    from automate_testing.cases import load_cases

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"tests/fixtures is not a folder.*use Path\(__file__\)\.parent"):
        load_cases("tests/fixtures")
    with pytest.raises(ValueError, match="has no JSON files"):
        load_cases(tmp_path)


def test_a_case_has_several_answers_and_requests(tmp_path):
    from automate_testing.cases import load_cases

    (tmp_path / "pages.json").write_text(
        '{"action": "list", "answers": [{"body": {"next": 2}}, {"status": 500}], "requests": [{"method": "GET"}]}'
    )
    [case] = load_cases(tmp_path)
    assert [(answer.status, answer.json()) for answer in case.script] == [(200, {"next": 2}), (500, {})]
    assert case.requests == ({"method": "GET"},)
