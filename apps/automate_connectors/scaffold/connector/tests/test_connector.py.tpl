"""The contract tests of connectors, on the calls in tests/fixtures, and tests of this connector."""

from __future__ import annotations

from pathlib import Path

from automate_testing.contracts import ConnectorContractTest, load_cases
from automate_testing.fakes import ScriptedHttp, answer, context
from $name.connector import $class_name


class Test$class_name(ConnectorContractTest):
    adapter_cls = $class_name
    cases = load_cases(Path(__file__).parent / "fixtures")
    check_answers = (answer(200, {"name": "Ada"}),)

    def test_request_has_token_and_idempotency_key(self):
        http = ScriptedHttp([answer(201, {"id": 7})])
        connection = {"base_url": "https://api.example.com/", "token": "secret"}
        output = $class_name().execute("create", {"title": "Anvil", "amount": 2}, context(http, connection))
        [request] = http.requests
        assert (request.url, output) == ("https://api.example.com/records", {"id": 7})
        assert request.headers == {"Authorization": "Bearer secret", "Idempotency-Key": "key-of-this-step"}
