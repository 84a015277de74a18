"""IMAP: new messages are found once, reading marks nothing, and servers that refuse or misbehave are errors."""

from __future__ import annotations

import datetime as dt
import socket

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.imap import ImapConnector
from automate_connectors.context import Context
from automate_connectors.invocation import check_connection, list_options
from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.models import Event, ExecutionRun, PollState, StoredFile
from automate_testing.contracts import PollContractTest, PollSource
from tests.connectors.conftest import real_context
from tests.support.certificates import Authority
from tests.support.imap import ImapServer

box = ImapConnector()
NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
PDF = b"""From: Ada <ada@example.com>
Subject: Bill
Message-ID: <bill@example.com>
Date: Sat, 31 Jan 2026 12:00:00 +0000
Content-Type: multipart/mixed; boundary=b

--b

See the file.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename=bill.pdf

%PDF-1.7
--b--
"""


def message(number, *, sender="ada@example.com", at=NOON):
    written = at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    head = f"From: {sender}\nSubject: Order {number}\nMessage-ID: <{number}@example.com>\nDate: {written}"
    return f"{head}\n\nOrder {number}".encode()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def certificate(authority, tmp_path_factory):
    return authority.files(tmp_path_factory.mktemp("imap"), "mail.test", "127.0.0.1")


@pytest.fixture(autouse=True)
def _names(monkeypatch):
    """mail.test and other.test are this machine."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: real("127.0.0.1" if str(host).endswith(".test") else host, *rest, **named),
    )


@pytest.fixture
def make_server(certificate, settings):
    made = []

    def make(security="tls"):
        server = ImapServer(None if security == "none" else certificate, at_once=security == "tls")
        made.append(server)
        hosts = ("mail.test", "other.test", "127.0.0.1")
        settings.AUTOMATE_EGRESS_ALLOW = [f"{host}:{each.port}" for host in hosts for each in made]
        return server

    yield make
    for each in made:
        each.close()


@pytest.fixture
def connect(authority):
    def make(server, **change):
        given = {"host": "mail.test", "port": server.port, "username": "ada", "password": "right"}
        return {**given, "authorities": authority.pem, **change}

    return make


def test_reading_marks_nothing(make_server, connect, call):
    server = make_server()
    server.inbox.add(message(1), NOON)
    server.inbox.add(PDF, NOON)
    server.inbox.add(message(3, sender="bob@example.org"), NOON)
    server.inbox.messages[2].flags.add("\\Seen")
    found = call(box, "search_messages", {"sender": "ADA"}, connect(server))["messages"]
    assert [each["subject"] for each in found] == ["Bill", "Order 1"], "the newest first"
    assert call(box, "search_messages", {"unseen": True, "limit": 1}, connect(server))["messages"] == found[:1]
    read = call(box, "get_message", {"uid": found[0]["uid"], "uid_validity": 1}, connect(server))
    [file] = read["attachments"]
    assert (file["name"], file["type"], read["text"]) == ("bill.pdf", "application/pdf", "See the file.")
    assert "$file" in file and (read["uid"], read["folder"], read["flags"]) == (2, "INBOX", [])
    assert [each.flags for each in server.inbox.messages] == [set(), set(), {"\\Seen"}]
    assert all("PEEK" in each for each in server.commands if "BODY" in each)


@pytest.mark.extended
@pytest.mark.parametrize("capabilities", ["IMAP4rev1 MOVE UIDPLUS", "IMAP4rev1"], ids=["modern", "plain"])
def test_messages_are_sorted(make_server, connect, call, capabilities):
    server = make_server()
    server.capabilities = capabilities
    for number in (1, 2, 3):
        server.inbox.add(message(number), NOON)
    call(box, "mark_message", {"uid": 1, "as": "flagged"}, connect(server))
    call(box, "mark_message", {"uid": 1}, connect(server))
    assert server.inbox.messages[0].flags == {"\\Flagged", "\\Seen"}
    call(box, "mark_message", {"uid": 1, "as": "unread"}, connect(server))
    assert server.inbox.messages[0].flags == {"\\Flagged"}
    assert call(box, "move_message", {"uid": 2, "destination": "Done"}, connect(server)) == {"uid": 2, "folder": "Done"}
    call(box, "delete_message", {"uid": 1}, connect(server))
    assert [each.uid for each in server.inbox.messages] == [3] and len(server.folders["Done"].messages) == 1
    assert list_options(box, "folders", {}, real_context(connect(server))) == [("INBOX", "INBOX"), ("Done", "Done")]


def test_three_ways_to_encrypt_and_to_sign_in(make_server, connect):
    signed_in = "Signed in to mail.test as ada."
    for security in ("tls", "starttls", "none"):
        server = make_server(security)
        assert check_connection(box, real_context(connect(server, security=security))) == signed_in
    assert check_connection(box, real_context(connect(server, security="none", access_token="fresh"))) == signed_in
    assert check_connection(box, real_context(connect(server, security="none", password="gr\u00fcn"))) == signed_in


REFUSED = {
    "a wrong password": ({"password": "wrong"}, {}, "authentication_failed"),
    "an old token": ({"access_token": "old"}, {}, "authentication_failed"),
    "an unknown authority": ({"authorities": ""}, {}, "untrusted_certificate"),
    "another name": ({"host": "other.test"}, {}, "untrusted_certificate"),
    "a line in the password": ({"password": "a\r\nb LOGOUT"}, {}, "invalid_input"),
    "a server that says nothing useful": ({}, {"EXAMINE": b"nonsense\r\n" * 3}, "connection_failed"),
    "a server that hangs up": ({}, {"EXAMINE": b"* BYE\r\n"}, "connection_failed"),
    "a rejected command": ({}, {"UID SEARCH": b"TAG BAD unknown\r\n"}, "mail_failed"),
    "a search that is refused": ({}, {"UID SEARCH": b"TAG NO [BADCHARSET] no\r\n"}, "mail_failed"),
    "a message without end": ({}, {"UID SEARCH": b"* 1 FETCH (BODY[] {999999999999}\r\n"}, "response_too_large"),
    "no folder": ({}, {"EXAMINE": b"TAG NO no\r\n"}, "folder_missing"),
}


def test_refusals_are_errors(make_server, connect, call):
    found = {}
    for name, (change, replies, code) in REFUSED.items():
        server = make_server()
        server.replies = replies
        try:
            call(box, "search_messages", {}, connect(server, **change), seconds=15)
            found[name] = "accepted"
        except ConnectorError as error:
            if error.code != code:
                found[name] = f"{error.code}: {error.message}"
        server.close()
    assert found == {}
    server = make_server("none")
    with pytest.raises(ConnectorError) as caught:
        call(box, "search_messages", {}, {**connect(server, security="starttls")})
    assert caught.value.code in {"mail_failed", "connection_failed"}


@pytest.mark.parametrize("number", [b"abc", b"9" * 5_000, b"4294967296"])
def test_numbers_that_no_folder_has_are_errors_or_passed_over(make_server, connect, call, number):
    server = make_server("none")
    server.inbox.add(message(1), NOON)
    given = connect(server, security="none")
    server.replies = {"EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY " + number + b"] x\r\nTAG OK done\r\n"}
    with pytest.raises(ConnectorError) as caught:
        call(box, "search_messages", {}, given)
    assert caught.value.code == "mail_failed"
    server.replies = {"UID SEARCH": b"* SEARCH 1 " + number + b"\r\nTAG OK done\r\n"}
    assert [each["uid"] for each in call(box, "search_messages", {}, given)["messages"]] == [1]
    _, cursor = poll(given, {"validity": 1, "uid": 0, "day": "", "since": ""})
    assert cursor["uid"] == 1, "a cursor beyond all UIDs would find nothing any more"
    server.replies = {"UID FETCH": b"* 1 FETCH (UID 1 RFC822.SIZE " + number + b")\r\nTAG OK done\r\n"}
    assert call(box, "search_messages", {}, given)["messages"] == []


def test_what_a_server_says_has_no_control_characters(make_server, connect, call):
    server = make_server("none")
    server.inbox.add(message(1), NOON)
    for command in ("EXAMINE", "UID FETCH", "LOGIN"):
        server.replies = {command: b"TAG NO \x1b[31mred\x07\x9b\r\n"}
        with pytest.raises(ConnectorError) as caught:
            call(box, "search_messages", {}, connect(server, security="none"))
        assert caught.value.message.isprintable()


def test_wrong_messages_are_errors(make_server, connect, call):
    server = make_server()
    server.inbox.add(message(1), NOON)
    codes = []
    for params in ({"uid": 9}, {"uid": 0}, {"uid": 1, "uid_validity": 7}, {"uid": 1, "folder": "None"}, {"uid": 1, "folder": "a\r\nb"}):  # fmt: skip
        with pytest.raises(ConnectorError) as caught:
            call(box, "get_message", params, connect(server))
        codes.append(caught.value.code)
    assert codes == ["message_missing", "invalid_input", "uid_validity_changed", "folder_missing", "invalid_input"]


def poll(connection, cursor, **params):
    given = Context(real_context({**connection, "security": "none"}))
    found = box.poll("new_message", {"folder": "INBOX", **params}, cursor, given)
    return [item.data["subject"] for item in found.items], found.cursor


def test_a_folder_that_is_numbered_anew_starts_nothing_twice(make_server, connect):
    server = make_server("none")
    for number in (1, 2):
        server.inbox.add(message(number, at=NOON - dt.timedelta(days=30)), NOON - dt.timedelta(days=30))
    server.inbox.add(message(3), NOON)
    _, cursor = poll(connect(server), None)
    server.inbox.add(message(4), NOON)
    del server.inbox.messages[0]
    server.inbox.renumber()
    found, after = poll(connect(server), cursor)
    assert found == ["Order 3", "Order 4"], "of the same days alone; the ids of those that were seen are known"
    assert poll(connect(server), after)[0] == []
    server.inbox.add(message(5, sender="bob@example.org"), NOON)
    server.inbox.add(message(6), NOON)
    assert poll(connect(server), after, sender="bob")[0] == ["Order 5"]
    assert poll(connect(server), after, subject="order 6", unseen=True)[0] == ["Order 6"]
    items = box.poll("new_message", {}, after, Context(real_context(connect(server, security="none")))).items
    assert items[0].id == "<5@example.com>" and items[0].time == NOON


@pytest.mark.extended
def test_large_and_broken_messages_do_not_stop_the_poll(make_server, connect):
    server = make_server("none")
    _, cursor = poll(connect(server), None)
    server.inbox.add(message(1) + b"x" * 26_000_000, NOON)
    server.inbox.add(b"\xff\xff", NOON)
    server.inbox.add(message(3), NOON)
    found, cursor = poll(connect(server), cursor)
    assert found == ["Order 1", "", "Order 3"]
    for number in range(4, 8):  # together more than a connection may bring
        server.inbox.add(message(number).replace(b"\n\n", b"\nContent-Type: a/b\n\n") + b"x" * 18_000_000, NOON)
    found, cursor = poll(connect(server), cursor)
    assert found == ["Order 4"] and poll(connect(server), cursor)[0] == ["Order 5"]


class Inbox(PollSource):
    """A mailbox to which messages are delivered."""

    is_guarded = False

    def __init__(self, server, connection):
        self.server, self.connection = server, connection

    def add(self, number, at):
        self.server.inbox.add(message(number, at=at), at)

    def context(self):
        return Context(real_context(dict(self.connection)))


class TestImapPolls(PollContractTest):
    adapter_cls = ImapConnector

    @pytest.fixture
    def adapter(self, make_server, connect):
        def make():
            server = make_server("none")
            return Inbox(server, connect(server, security="none"))

        self.poll_sources = {"new_message": make}
        return ImapConnector()


BILLS = """
name: Bills
slug: bills
triggers: [{kind: poll, key: mail, poll: imap.new_message, connection: box, every: 1m}]
steps: [{key: note, action: data.set, inputs: {name: '{{ event.payload.attachments[0].name }}'}}]
"""


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_attachments_of_new_messages_are_files_of_the_event(
    make_server, connect, workflow, owner, drain, settings, tmp_path, monkeypatch
):
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "automate": storage}
    monkeypatch.setenv("AUTOMATE_SECRET_BOX", "right")
    server = make_server()
    config = connect(server, password="env:BOX")
    Connection.objects.create(name="Box", slug="box", connector="imap", config=config, owner=owner)
    server.inbox.add(PDF.replace(b"<bill@", b"<old@"), NOON)
    workflow(BILLS)
    drain()
    assert PollState.objects.get().has_baseline and not StoredFile.objects.exists(), "what was there starts nothing"
    server.inbox.add(PDF, NOON)
    server.inbox.add(PDF.replace(b"<bill@", b"<odd@").replace(b"%PDF-1.7", b"MZ"), NOON)
    PollState.objects.update(next_at=now())
    drain()
    events = {event.payload["message_id"]: event for event in Event.objects.filter(source="poll:bills")}
    bill, odd = events["<bill@example.com>"], events["<odd@example.com>"]
    [stored] = StoredFile.objects.all()
    assert bill.payload["attachments"] == [
        {"$file": stored.reference, "name": "bill.pdf", "type": "application/pdf", "size": stored.size}
    ]
    assert (stored.trace_id, stored.workflow.slug) == (bill.trace_id, "bills")
    assert odd.payload["attachments"] == [] and odd.payload["rejected_attachments"][0]["name"] == "bill.pdf"
    assert ExecutionRun.objects.get(event=bill).steps.get().output == {"name": "bill.pdf"}
    server.inbox.renumber()
    PollState.objects.update(next_at=now())
    drain()
    assert StoredFile.objects.count() == 1, "what was seen is not stored again"
