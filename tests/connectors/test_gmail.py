"""Whole emails of Gmail, as its fixture has one."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_testing.fakes import MemoryFiles, ScriptedHttp, answer, context

FIXTURE = Path(__file__).parents[1] / "contracts" / "fixtures" / "gmail" / "read_email.json"
TOKEN = {"token": "t" * 20}


def read(body, files=None):
    http = ScriptedHttp([answer(200, body)])
    made = context(http, TOKEN)
    made["files"] = files or MemoryFiles()
    return connectors.get("gmail").execute("read_email", {"message": "193a"}, made)


def test_the_text_is_decoded_and_attachments_are_files():
    files = MemoryFiles()
    found = read(json.loads(FIXTURE.read_text())["answer"]["body"], files)
    assert (found["subject"], found["text"].strip()) == ("Größe 4711", "Zwei Ambosse für Sie.")
    assert (found["from"]["address"], found["message_id"]) == ("ada@example.com", "<a1@mail.example.com>")
    assert (found["id"], found["labelIds"]) == ("193a4f2c8d1e7b60", ["INBOX", "UNREAD"])
    [file] = found["attachments"]
    assert file["name"] == "order.txt"
    with files.open(file) as content:
        assert content.read() == b"4711"


@pytest.mark.parametrize("raw", ["", "!", base64.urlsafe_b64encode(b"nothing").decode()])
def test_what_is_no_email_is_an_error(raw):
    with pytest.raises(ConnectorError, match="no email") as caught:
        read({"id": "193a", "raw": raw})
    assert caught.value.code == "not_a_message"
