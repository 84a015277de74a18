"""A server that sends little from which much is made costs the process neither its memory nor its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.bounds.output_size import OutputSize
from automate_connectors.bounds.server_numbers import read_number
from automate_connectors.registry import connectors

MOST_BYTES = 200_000_000  #: by which a process may grow
MOST_CPU = 5.0  #: seconds of one call, on any machine
#: One of each kind: small elements, one large text in each item, lines of a conversation, values of JSON.
REPRESENTATIVE = (
    "rss.new_item:title",
    "rss.new_item:elements",
    "email.send:ehlo",
    "imap.new_message:literals",
    "http.request:objects",
    "llm.openai:objects",
)
#: What a call ends with that was given too much, or an answer of another shape.
_OWN = {
    "", "response_too_large", "output_too_large", "invalid_answer", "invalid_output", "invalid_input", "not_a_feed",
    "mail_failed", "not_a_message", "connection_failed", "list_too_long", "timeout", "extra_missing",
}  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def measured(*patterns):
    """The measured cases, each in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.amplification", *patterns]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=os.environ.copy())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _is_own(code):
    return code in _OWN or code.startswith(("slack_", "http_"))


def check(found):
    wrong = [each for each in found if each["peak"] > MOST_BYTES or each["cpu"] > MOST_CPU or not _is_own(each["code"])]
    assert not wrong


def test_a_little_that_becomes_much_is_bounded():
    found = measured(*REPRESENTATIVE)
    assert [each["name"] for each in found] and len(found) == len(REPRESENTATIVE)
    check(found)


@pytest.mark.extended
def test_every_connector_and_provider_is_bounded():
    found = measured("*")
    driven = {each["name"].partition(".")[0] for each in found}
    assert driven >= set(connectors.names()) - {"data", "models"}
    assert {each["name"] for each in found} >= {f"llm.{name}:text" for name in ("openai", "anthropic", "ollama")}
    check(found)


def test_a_text_that_stands_in_an_output_often_counts_each_time():
    shared = "x" * 1_000_000
    for output in ([shared] * 6, {"items": [{"feed": shared} for _ in range(6)]}, [[[shared]]] * 6):
        with pytest.raises(ConnectorError) as caught:
            OutputSize().add(output)
        assert caught.value.code == "output_too_large"
    size = OutputSize()
    for _ in range(4):
        size.add([shared])
    with pytest.raises(ConnectorError):
        size.add([shared])
    endless: list = []
    endless += [endless, endless]
    with pytest.raises(ConnectorError):
        OutputSize().add(endless)
    OutputSize().add({1: "a", "b": [None, True, 1.5, ()]})


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("7", 7), (b"4294967295", 4294967295), ("4294967296", None), ("9" * 5_000, None), (b"abc", None), ("", None),
        ("-1", None), ("\u0661", None), ("1 ", None),
    ],
)  # fmt: skip
def test_a_number_of_a_server_is_one_of_usual_size(written, number):
    assert read_number(written, 2**32 - 1) == number
