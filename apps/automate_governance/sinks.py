"""Sinks that are not ours to call: log handlers, uncaught exceptions, warnings, Django's own history of the admin."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from automate_governance.redaction import redact, redactor

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}


class RedactingFilter(logging.Filter):
    """Blanks secrets out of a log record: message, arguments, traceback and extra fields. Attach it to handlers.

    The traceback is kept as text: handlers that would look into its frames find none.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact in place; every record passes."""
        _mask_message(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text, record.exc_info = redactor.text(record.exc_text), None
        if record.stack_info:
            record.stack_info = redactor.text(record.stack_info)
        for name in vars(record).keys() - _STANDARD:
            value = getattr(record, name)
            if isinstance(value, str | dict | list | tuple):
                setattr(record, name, redact(value))
        return True


def guard_handlers() -> None:
    """Attach the filter to every log handler that there is now, the host's own included."""
    for handler in {*_handlers(), *([logging.lastResort] if logging.lastResort else [])}:
        if not any(isinstance(each, RedactingFilter) for each in handler.filters):
            handler.addFilter(RedactingFilter())


def guard_process() -> None:
    """What a process of ours says at its end, and warns of on the way, is redacted too.

    Hooks that a host has set stay as they are.
    """
    guard_handlers()
    logging.captureWarnings(True)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _say
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda args: _say(args.exc_type, args.exc_value, args.exc_traceback)


def redact_history(sender: Any, instance: Any, **_: Any) -> None:
    """A line of the admin's history, before it is saved."""
    instance.object_repr = redactor.text(instance.object_repr)[:200]
    instance.change_message = redactor.text(instance.change_message)


def _say(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if kind is not SystemExit:
        sys.stderr.write(redactor.text("".join(traceback.format_exception(kind, error, trace))))


def _mask_message(record: logging.LogRecord) -> None:
    """Mask the arguments where that is enough, since some formatters read them; else the message as a whole."""
    try:
        message = record.getMessage()
        if redactor.text(message) == message:
            return
        record.args = _masked_arguments(record.args)
        if redactor.text(record.getMessage()) != record.getMessage():
            record.msg, record.args = redactor.text(message), None
    except Exception:  # noqa: BLE001 - arguments that do not fit, or whose text raises: their logger must live
        record.msg, record.args = redactor.text(str(record.msg)), None


def _masked_arguments(arguments: Any) -> Any:
    if isinstance(arguments, Mapping):
        return {name: _masked_argument(value) for name, value in arguments.items()}
    return tuple(map(_masked_argument, arguments)) if isinstance(arguments, tuple) else arguments


def _masked_argument(value: Any) -> Any:
    return redactor.text(value) if isinstance(value, str) else value


def _handlers() -> Iterator[logging.Handler]:
    for name in (None, *logging.root.manager.loggerDict):
        yield from logging.getLogger(name).handlers
