"""How effects, steps and runs end, and errors as they are recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output
from automate_core.engine.records import LogRecord, StepRecord

NOT_BEGUN = "not_begun"  #: the code of an effect that was cancelled before a thread took it


@dataclass(slots=True)
class EffectOutcome:
    """How an effect ended: its output as a JSON document, or its error, and what it logged.

    With `output_file` the redacted output is in that file, and `output` is its preview.
    """

    output: bytes | None = None
    output_file: str | None = None
    error: ConnectorError | None = None
    logs: list[LogRecord] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)  # what a dry run of it would have done


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
