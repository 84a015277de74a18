"""The traces where a secret may appear: outputs, errors, log records and printed text, in any usual encoding."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

from automate_governance.redaction.encodings import encodings_of

CANARY = "canary-a1b2c3d4e5f6"  #: stands for every secret; it may show up nowhere


def contains_secret(text: str, secret: str = CANARY) -> bool:
    """Return whether `text` holds the secret, plainly or encoded."""
    return any(form in text for form in encodings_of(secret))


def error_text(error: BaseException | None) -> str:
    """Return an error and its causes with their attributes, as a log or crash report would show them."""
    found, seen = [], set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        found.append(f"{error!r} {error} {error.args} {vars(error)}")
        error = error.__cause__ or error.__context__
    return "\n".join(found)


class Traces(logging.Handler):
    """Everything that is logged at any level, printed or warned while it records; `filed` was written to files."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.filed = ""
        self._logged: list[str] = []
        self._printed = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record with its arguments, its extra members and its exception."""
        error = record.exc_info[1] if record.exc_info else None
        self._logged.append(f"{_message(record)} {vars(record)} {error_text(error)}")

    @property
    def logged(self) -> str:
        """The log records as text."""
        return "\n".join(self._logged)

    @property
    def printed(self) -> str:
        """What went to stdout and stderr, by whatever way, and into warnings."""
        return self._printed.getvalue()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record until the end of the block."""
        root = logging.getLogger()
        level, disabled = root.level, root.manager.disable
        call_handlers = logging.Logger.callHandlers

        def kept(logger: logging.Logger, record: logging.LogRecord) -> None:
            self.handle(record)  # before handlers that change records, and of loggers that do not propagate
            call_handlers(logger, record)

        root.setLevel(1)
        root.manager.disable = logging.NOTSET
        try:
            with self._printing(), self._warning(), mock.patch.object(logging.Logger, "callHandlers", kept):
                yield
        finally:
            root.manager.disable = disabled
            root.setLevel(level)

    @contextlib.contextmanager
    def _warning(self) -> Iterator[None]:
        with warnings.catch_warnings(record=True) as caught:
            yield
        for each in caught:
            self._printed.write(f"{each.message}\n")
            warnings.showwarning(each.message, each.category, each.filename, each.lineno)

    @contextlib.contextmanager
    def _printing(self) -> Iterator[None]:
        """Keep what is written to stdout and stderr: to Python's streams, to the first ones, and to descriptors."""
        with contextlib.ExitStack() as last, tempfile.TemporaryFile() as file:
            _flush()
            for number in (1, 2):
                with contextlib.suppress(OSError):  # a process may have none
                    own = os.dup(number)
                    last.callback(os.close, own)
                    os.dup2(file.fileno(), number)
                    last.callback(os.dup2, own, number)
            try:
                with contextlib.redirect_stdout(self._printed), contextlib.redirect_stderr(self._printed):
                    yield
            finally:
                _flush()
                file.seek(0)
                self._printed.write(file.read().decode(errors="replace"))


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # there is none, or it is closed
            stream.flush()  # type: ignore[union-attr]


def _message(record: logging.LogRecord) -> Any:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit
        return record.msg
