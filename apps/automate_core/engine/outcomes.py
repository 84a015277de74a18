"""How effects, steps and runs end, and errors as they are recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core.engine.records import LogRecord, StepRecord
from automate_plugins.texts import restored

PERFORMER_LOST = "performer_lost"  #: the code of an effect whose performers ended without an outcome
NOT_BEGUN = "not_begun"  #: the code of an effect that was cancelled before a thread took it

#: Errors after which it is unknown whether the attempt took effect.
IN_DOUBT = frozenset(
    {
        "timeout",
        "connection_failed",
        "response_too_large",
        "unexpected_error",
        "invalid_output",
        "output_too_large",
        "internal_error",
        PERFORMER_LOST,
        "http_408",
        "http_500",
        "http_502",
        "http_504",
    }
)


#: The code of an attempt in doubt that a person marked as not executed.
MARKED_NOT_EXECUTED = "did_not_happen"


def is_in_doubt(error: ConnectorError) -> bool:
    """Whether it is unknown after the error if the attempt took effect: it was sent, and not clearly refused."""
    return error.code in IN_DOUBT and error.details.get("sent") is not False


@dataclass(slots=True)
class EffectOutcome:
    """How an effect ended: its output as a JSON document, or its error, and what it logged.

    With `output_file` the redacted output is in that file, and `output` is its preview. `has_begun` says that a
    connector was called, and `lost_database` that the site's database was lost and the effect may be performed again.
    """

    output: bytes | None = None
    output_file: str | None = None
    error: ConnectorError | None = None
    logs: list[LogRecord] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)  # what a dry run of it would have done
    has_begun: bool = False
    lost_database: bool = False


def outcome_document(outcome: EffectOutcome, error: dict[str, Any] | None) -> dict[str, Any]:
    """A redacted outcome as the wait of a handed-out step keeps it, with its redacted `error` document.

    Its logs are stored by themselves.
    """
    if error is not None:
        return {"outcome": "failed", "error": error}
    found = {"outcome": "performed", "output": msgspec.json.decode(outcome.output or b"null")}
    return found | ({"output_file": outcome.output_file} if outcome.output_file else {})


def read_outcome(document: dict[str, Any] | None) -> EffectOutcome:
    """The outcome that `outcome_document` kept."""
    document = document or {}
    if (error := document.get("error")) is None:
        return EffectOutcome(encode_output(document.get("output")), document.get("output_file"))
    return EffectOutcome(
        error=ConnectorError(
            restored(error.get("text"), error["message"]),
            code=error["code"],
            retryable=error["retryable"],
            retry_after=error.get("retry_after"),
            details=error.get("details"),
        )
    )


class StepFailedError(Exception):
    """A step failed and is not retried. `record` is its last attempt, if it made one."""

    def __init__(self, error: dict[str, Any], record: StepRecord | None = None) -> None:
        super().__init__(error["message"])
        self.error = error
        self.record = record


class RunStoppedError(Exception):
    """A stop step was reached."""

    def __init__(self, *, succeeded: bool, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.succeeded = succeeded
        self.error = error


def error_document(code: str, message: str) -> dict[str, Any]:
    """An error that is not retryable, as it is recorded."""
    return {"code": code, "message": message, "retryable": False}


def error_for_expressions(error: dict[str, Any]) -> dict[str, Any]:
    """A recorded error as expressions and outputs see it: without what its message is translated from."""
    return {name: value for name, value in error.items() if name != "text"}


def plugin_error_document(error: ConnectorError) -> dict[str, Any]:
    """A plug-in's error as it is recorded: JSON, whatever the plug-in put into it."""
    described: dict[str, Any] = {
        "code": str(error.code),
        "message": str(error.message),
        "retryable": bool(error.retryable),
    }
    if error.retry_after is not None and math.isfinite(error.retry_after):
        described["retry_after"] = float(error.retry_after)
    if error.details:
        try:
            described["details"] = msgspec.json.decode(encode_output(error.details))
        except ConnectorError as reason:
            described["details"] = {"left_out": reason.message}
    return described
