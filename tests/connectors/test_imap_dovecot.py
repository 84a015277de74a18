"""IMAP against a real server: all that the connector does, over verified TLS."""

from __future__ import annotations

import datetime as dt
import imaplib
import ssl

import pytest

from automate_connectors.adapters.imap import ImapConnector
from automate_connectors.context import Context
from automate_connectors.invocation import list_options
from tests.connectors.conftest import real_context
from tests.support.certificates import Authority
from tests.support.dovecot import Dovecot

pytestmark = pytest.mark.process
box = ImapConnector()


def message(number):
    head = f"From: Ada <ada@example.com>\r\nSubject: Gr\u00fc\u00dfe {number}\r\nMessage-ID: <{number}@example.com>"
    kind = "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf"
    return f"{head}\r\n{kind}\r\n\r\n%PDF-1.7".encode()


def test_a_mail_box_of_dovecot(tmp_path, settings, call):
    authority = Authority()
    server = Dovecot(authority.files(tmp_path, "127.0.0.1"))
    settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{server.port}"]
    given = {"host": "127.0.0.1", "port": server.port, "username": "ada", "password": "right"}
    given["authorities"] = authority.pem

    def poll(cursor):
        found = box.poll("new_message", {}, cursor, Context(real_context(given)))
        return [item.id for item in found.items], found.cursor

    try:
        with imaplib.IMAP4_SSL(
            "127.0.0.1", server.port, ssl_context=ssl.create_default_context(cadata=authority.pem)
        ) as client:
            client.login("ada", "right")
            client.create('"Erledigt &ANw-"')
            assert poll(None)[0] == []
            cursor = poll(None)[1]
            for number in (1, 2, 3):
                client.append("INBOX", None, dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC), message(number))
            assert poll(cursor)[0] == [f"<{number}@example.com>" for number in (1, 2, 3)]
            assert poll(poll(cursor)[1])[0] == []
            found = call(box, "search_messages", {"subject": "gr\u00fc\u00dfe 2", "since": "2026-01-01"}, given)[
                "messages"
            ]
            assert [each["message_id"] for each in found] == ["<2@example.com>"] and "seen" not in found[0]["flags"]
            read = call(box, "get_message", {"uid": found[0]["uid"]}, given)
            assert [each["name"] for each in read["attachments"]] == ["a.pdf"]
            folders = [value for value, _ in list_options(box, "folders", {}, real_context(given))]
            assert set(folders) == {"INBOX", "Erledigt \u00dc"}
            call(box, "mark_message", {"uid": 1, "as": "read"}, given)
            call(box, "move_message", {"uid": 2, "destination": "Erledigt \u00dc"}, given)
            call(box, "delete_message", {"uid": 3}, given)
            [left] = call(box, "search_messages", {}, given)["messages"]
            assert (left["uid"], left["flags"]) == (1, ["seen"])
            [moved] = call(box, "search_messages", {"folder": "Erledigt \u00dc"}, given)["messages"]
            assert moved["message_id"] == "<2@example.com>"
    finally:
        server.close()
