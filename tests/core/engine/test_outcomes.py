"""What an error says about its attempt, and an outcome that is kept while its run waits."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_core.engine.outcomes import (
    EffectOutcome,
    error_document,
    error_for_expressions,
    is_in_doubt,
    outcome_document,
    plugin_error_document,
    read_outcome,
)


@pytest.mark.parametrize(
    ("code", "doubt"),
    [
        ("timeout", True),
        ("connection_failed", True),
        ("http_408", True),
        ("http_500", True),
        ("http_502", True),
        ("http_504", True),
        ("performer_lost", True),
        ("http_400", False),
        ("http_429", False),
        ("http_503", False),
        ("not_begun", False),
    ],
)
def test_an_attempt_that_was_sent_and_not_clearly_refused_is_in_doubt(code, doubt):
    assert is_in_doubt(ConnectorError("Away", code=code, retryable=True)) is doubt
    assert not is_in_doubt(ConnectorError("Away", code=code, retryable=True, details={"sent": False}))


@pytest.mark.parametrize("waits, kept", [(1.5, {"retry_after": 1.5}), (None, {}), (float("inf"), {})])
def test_an_error_is_recorded_as_json(waits, kept):
    error = ConnectorError("Away", code="away", retryable=True, retry_after=waits, details={"status": 503})
    recorded = {"code": "away", "message": "Away", "retryable": True, "details": {"status": 503}, **kept}
    assert plugin_error_document(error) == recorded
    assert plugin_error_document(ConnectorError("Away", code="away", details={"at": object()}))["details"].keys() == {
        "left_out"
    }
    assert error_document("stopped", "No") == {"code": "stopped", "message": "No", "retryable": False}
    assert error_for_expressions({"code": "away", "text": {"id": "Away"}}) == {"code": "away"}


def test_a_kept_outcome_is_read_back():
    recorded = {"code": "away", "message": "Away", "retryable": True, "retry_after": 2.0, "details": {"status": 503}}
    found = read_outcome(outcome_document(EffectOutcome(), recorded)).error
    assert (found.code, found.message, found.retryable, found.retry_after, found.details) == (
        "away", "Away", True, 2.0, {"status": 503},
    )  # fmt: skip
    performed = EffectOutcome(b'{"id":7}', "file-1")
    assert read_outcome(outcome_document(performed, None)) == performed
    assert read_outcome(outcome_document(EffectOutcome(), None)) == EffectOutcome(b"null")
    assert not EffectOutcome().has_begun and not EffectOutcome().lost_database, "until a performer says so"
    assert read_outcome(None) == EffectOutcome(b"null")
