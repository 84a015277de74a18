"""Redaction of text that leaves without our code: log handlers, uncaught exceptions, warnings, admin history."""

from __future__ import annotations

import copy
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from automate_governance.redaction.json_logs import log_uncaught
from automate_governance.redaction.redactor import redact_text, redactor

type Mask = Callable[[str], str]

_LOGGER_PREFIX = "automate_"  # the names of our loggers begin so
_RECORD_FIELDS = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


class RedactingFilter(logging.Filter):
    """Gives its handler a copy of each record with secrets masked: message, arguments, traceback, extra fields.

    The record itself stays as it is: other handlers and error trackers find all of it. The copy has the traceback as
    text, which formatters print, and still the exception, for handlers that look into its frames. Without `patterns`,
    only values that are known as secrets are masked in records that are not ours.
    """

    def __init__(self, name: str = "", *, patterns: bool = True) -> None:
        super().__init__(name)
        self.patterns = patterns

    def filter(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the redacted copy; every record passes."""
        mask = partial(redactor.text, patterns=self.patterns or record.name.startswith(_LOGGER_PREFIX))
        masked = copy.copy(record)
        _mask_message(masked, mask)
        if record.exc_text or record.exc_info:
            masked.exc_text = mask(record.exc_text or logging.Formatter().formatException(_exception(record)))
        if record.stack_info:
            masked.stack_info = mask(record.stack_info)
        for name in vars(record).keys() - _RECORD_FIELDS:
            value = getattr(record, name)
            if isinstance(value, str | dict | list | tuple):
                setattr(masked, name, redactor.value(value, **mask.keywords))
        return masked


class RedactingFormatter(logging.Formatter):
    """A formatter that masks secrets in its finished lines.

    For formatters that write exceptions in their own way: `class Lines(RedactingFormatter, JsonFormatter)`.
    """

    def format(self, record: logging.LogRecord) -> str:
        return redactor.text(super().format(record))


def guard_handlers() -> None:
    """Attach the filter to every log handler there is, the host's own included."""
    for handler in {*_handlers(), *([logging.lastResort] if logging.lastResort else [])}:
        if not any(isinstance(each, RedactingFilter) for each in handler.filters):
            handler.addFilter(RedactingFilter(patterns=False))


def guard_process() -> None:
    """Redact also uncaught exceptions and warnings of one of our processes.

    Hooks that a host has set stay as they are.
    """
    guard_handlers()
    logging.captureWarnings(True)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_redacted
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda args: _print_redacted(args.exc_type, args.exc_value, args.exc_traceback)


def redact_history(sender: Any, instance: Any, **_: Any) -> None:
    """Redact a line of the admin's history before it is saved."""
    instance.object_repr = redact_text(instance.object_repr)[:200]
    instance.change_message = redact_text(instance.change_message)


def _print_redacted(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if kind is not SystemExit and not log_uncaught(kind, error, trace):
        report = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(redactor.text(report))


def _exception(record: logging.LogRecord) -> Any:
    """Exception of the record as `exc_info`; three times None without one."""
    return record.exc_info if isinstance(record.exc_info, tuple) else (None, None, None)


def _mask_message(record: logging.LogRecord, mask: Mask) -> None:
    """Mask the arguments where that is enough, since some formatters read them; else the message as a whole."""
    try:
        message = record.getMessage()
        if mask(message) == message:
            return
        record.args = _masked_arguments(record.args, mask)
        if mask(record.getMessage()) != record.getMessage():
            record.msg, record.args = mask(message), None
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose text raises: their logger must live
        record.msg, record.args = mask(str(record.msg)), None


def _masked_arguments(arguments: Any, mask: Mask) -> Any:
    if isinstance(arguments, Mapping):
        return {name: _masked_argument(value, mask) for name, value in arguments.items()}
    return tuple(_masked_argument(each, mask) for each in arguments) if isinstance(arguments, tuple) else arguments


def _masked_argument(value: Any, mask: Mask) -> Any:
    return mask(value) if isinstance(value, str) else value


def _handlers() -> Iterator[logging.Handler]:
    for name in (None, *logging.root.manager.loggerDict):
        yield from logging.getLogger(name).handlers
