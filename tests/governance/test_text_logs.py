"""Log lines as text: what others have sent gives a terminal no commands."""

from __future__ import annotations

import io
import logging
import logging.config

from django.conf import settings


def test_control_characters_of_messages_and_errors_are_escapes(monkeypatch):
    given = settings.LOGGING["formatters"]["text"]
    config = logging.config.DictConfigurator({"version": 1})
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(config.configure_formatter(dict(given)))
    logger = logging.Logger("automate_test")
    logger.addHandler(handler)
    try:
        raise ValueError("rejected: \x1b[2J\x9b31m")
    except ValueError:
        logger.exception("the server said %s", "\x1b]0;title\x07 \u202eabc\nand a line\twith a tab")
    written = out.getvalue()
    assert "\\x1b]0;title\\x07 \\u202eabc\nand a line\twith a tab" in written
    assert "rejected: \\x1b[2J\\x9b31m" in written
    assert not set(written) & set("\x1b\x07\x9b\u202e")
