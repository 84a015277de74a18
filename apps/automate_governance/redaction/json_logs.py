"""Log lines as JSON, one object a line, with the ids of the run and the step that a record was logged for.

For LOGGING of any project: `{"()": "automate_governance.redaction.json_logs.JsonFormatter"}`.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from automate_governance.redaction.redactor import redactor

MOST_DEPTH = 5  #: of values in extra fields; what lies deeper is named by its type

_OUR_LOGGERS = "automate_"
_RECORD_FIELDS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}
_current: ContextVar[Mapping[str, str | int] | None] = ContextVar("automate_log_ids", default=None)


#: Whether there is a formatter that reads ids: where code is hot, they are set only then.
is_used = False


class LogIds:
    """Names the run and the step in each JSON line that is logged in the block; an inner block adds to an outer one.

    with LogIds({"run": run_id, "step": path, "trace": trace_id}): ...
    """

    __slots__ = ("_ids", "_token")

    def __init__(self, ids: Mapping[str, str | int]) -> None:
        self._ids = ids

    def __enter__(self) -> None:
        outer = _current.get()
        self._token: Token[Mapping[str, str | int] | None] = _current.set(
            {**outer, **self._ids} if outer else self._ids
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        _current.reset(self._token)


class JsonFormatter(logging.Formatter):
    """One JSON object for each record: time, level, logger, message, ids, exception and extra fields, masked.

    It changes no record. Extra fields are under `extra`; of values that JSON has no form for, the type is named.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        global is_used
        super().__init__(*arguments, **options)
        is_used = True

    def format(self, record: logging.LogRecord) -> str:
        """The line, in ASCII, without a line break."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **(_current.get() or {}),
            "process": record.process,
            "thread": record.threadName,
        }
        if (exception := self._exception(record)) is not None:
            fields["exception"] = exception
        if record.stack_info:
            fields["stack"] = record.stack_info
        extra = {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}
        if extra:
            fields["extra"] = _plain(extra)
        masked = redactor.value(fields, patterns=record.name.startswith(_OUR_LOGGERS))
        return json.dumps(_plain(masked))

    def _exception(self, record: logging.LogRecord) -> dict[str, str] | None:
        """Its type and traceback; the text of a masked copy of the record comes before the exception itself."""
        given = record.exc_info if isinstance(record.exc_info, tuple) else (None, None, None)
        if not record.exc_text and given[0] is None:
            return None
        trace = record.exc_text or self.formatException(given)
        return {"type": given[0].__qualname__ if given[0] else "", "traceback": trace}


def log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> bool:
    """Log an uncaught exception as a line, where the root logger writes JSON. Gives whether it does."""
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
        return False
    logging.getLogger("automate_governance.uncaught").critical("Uncaught exception", exc_info=(kind, error, trace))  # type: ignore[arg-type] # the hook of a thread has no error at times
    return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose text raises: the line must come
        return str(record.msg)


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < MOST_DEPTH and isinstance(value, Mapping):
        return {str(name): _plain(each, depth + 1) for name, each in value.items()}
    if depth < MOST_DEPTH and isinstance(value, list | tuple):
        return [_plain(each, depth + 1) for each in value]
    return f"<{type(value).__name__}>"
