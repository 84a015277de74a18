"""Inbound mail: a message becomes one event, automatic and unwanted ones become none, and mail servers are told why."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_connectors.mail.reading import MessageError
from automate_core.definition.document import DefinitionError
from automate_core.models import Event, ExecutionRun, InboundAddress, OutboxJob, StoredFile, Workflow
from automate_core.triggers import mail, mail_signal

ORDERS = """
name: Orders
slug: orders
triggers: [{kind: mail}]
steps: [{key: note, action: data.set, inputs: {subject: '{{ event.payload.subject }}'}}]
"""
MESSAGE = b"""From: Ada <ada@example.com>
To: orders@example.org
Subject: Order 1024
Message-ID: <1@example.com>
Content-Type: multipart/mixed; boundary=b

--b

Two anvils.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename=bill.pdf

%PDF-1.7
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename=evil.pdf

MZ
--b--
"""

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(settings, tmp_path):
    settings.AUTOMATE_MAIL_DOMAIN = "in.example.org"
    settings.AUTOMATE_MAIL_TRUSTED_HOSTS = ["mx.example.org"]
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "automate": storage}


@pytest.fixture
def pipe(monkeypatch):
    """Give a message to the command as a mail server does: (exit code, last line)."""

    def give(recipient, content=MESSAGE, *more):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        out = io.StringIO()
        try:
            call_command("automate_mail", f"--to={recipient}", *more, stdout=out)
        except CommandError as error:
            return error.returncode, str(error)
        return 0, out.getvalue().strip()

    return give


def change(trigger):
    return ORDERS.replace("{kind: mail}", f"{{kind: mail, {trigger}}}")


def message(number=2, *headers, sender="ada@example.com"):
    lines = [f"From: {sender}", "Subject: Hello", f"Message-ID: <{number}@example.com>", *headers, "", "Hello"]
    return "\n".join(lines).encode()


@pytest.mark.django_db(transaction=True)
def test_a_message_starts_the_workflow_once(workflow, pipe, drain):
    made = workflow(ORDERS)
    row = InboundAddress.objects.get()
    assert row.address.startswith("orders.") and row.address.endswith("@in.example.org") and len(row.local_part) == 27
    code, said = pipe(row.address.upper(), MESSAGE, "--from=ada@example.com")
    event = Event.objects.get()
    assert (code, said) == (0, f"Accepted: {event.trace_id}") and OutboxJob.objects.filter(event=event).count() == 1
    assert (event.source, event.type) == ("mail:orders", "mail")
    payload = event.payload
    assert payload["from"] == {"name": "Ada", "address": "ada@example.com"} and payload["text"] == "Two anvils."
    [file], [rejected] = payload["attachments"], payload["rejected_attachments"]
    assert file["name"] == "bill.pdf" and rejected["name"] == "evil.pdf" and rejected["code"] == "file_type_mismatch"
    assert StoredFile.objects.get(pk=file["$file"]).trace_id == event.trace_id
    assert pipe(row.address) == (0, f"Known: {event.trace_id}") and Event.objects.count() == 1
    drain()
    run = ExecutionRun.objects.get(workflow=made)
    assert run.steps.get().output == {"subject": "Order 1024"} and run.origin == "mail"


def test_a_message_under_the_id_and_sender_of_another_does_not_keep_that_out(workflow, pipe):
    workflow(ORDERS)
    address = InboundAddress.objects.get().address
    forged = MESSAGE.replace(b"Two anvils", b"Nothing")
    swapped = MESSAGE.replace(b"%PDF-1.7", b"%PDF-1.6")
    for content in (forged, MESSAGE, swapped):
        assert pipe(address, content)[1].startswith("Accepted")
    resent = b"Received: from relay.example\n" + MESSAGE.replace(b"Order 1024\n", b"Order 1024\nX-Spam: no\n")
    for content in (MESSAGE, resent):
        assert pipe(address, content)[1].startswith("Known")
    assert Event.objects.count() == 3
    row = InboundAddress.objects.get()
    assert (row.accepted, row.refused) == (3, {"duplicate": 2}) and row.refused_at is not None


@pytest.mark.django_db(transaction=True)
def test_no_lock_is_held_while_files_are_stored(workflow, pipe, monkeypatch):
    """A copy that comes while a slow storage takes the files of the first one is the same event."""
    workflow(ORDERS)
    address = InboundAddress.objects.get().address
    store, copies = mail.store_file, []

    def store_slowly(content, **more):
        assert not connection.in_atomic_block
        if not copies:
            copies.append(None)
            copies[0] = pipe(address)
        return store(content, **more)

    monkeypatch.setattr(mail, "store_file", store_slowly)
    code, said = pipe(address)
    event = Event.objects.get()
    assert (code, said) == (0, f"Known: {event.trace_id}") and copies == [(0, f"Accepted: {event.trace_id}")]
    assert InboundAddress.objects.get().accepted == 1


def test_mail_servers_are_told_what_to_do(workflow, pipe, settings, monkeypatch):
    made = workflow(ORDERS)
    address = InboundAddress.objects.get().address
    assert pipe("nobody@in.example.org")[0] == 67
    assert pipe(address, b"not a message")[0] == 65
    settings.AUTOMATE_MAIL_BYTES = 100
    assert pipe(address) == (65, "The message is larger than 100 bytes.")
    settings.AUTOMATE_MAIL_BYTES = 1_000_000
    with monkeypatch.context() as patch:
        patch.setitem(settings.STORAGES["automate"]["OPTIONS"], "location", "/proc/nowhere")
        settings.STORAGES = {**settings.STORAGES}
        assert pipe(address)[0] == 75 and not Event.objects.exists(), "the mail server keeps it"
    settings.STORAGES = {**settings.STORAGES}
    Workflow.objects.filter(pk=made.pk).update(status="paused")
    assert pipe(address)[0] == 0 and Event.objects.count() == 1
    Workflow.objects.filter(pk=made.pk).update(status="archived")
    assert pipe(address, message())[0] == 67


UNWANTED = {
    "an answer by a program": ("", ["Auto-Submitted: auto-replied"], "automatic"),
    "a mailing list": ("", ["List-Id: <news.example.com>"], "automatic"),
    "bulk": ("", ["Precedence: bulk"], "automatic"),
    "its own": ("", ["Message-ID: <0123456789abcdef0123456789abcdef@shop.example>"], "automatic"),
    "a sender that is not allowed": ("senders: [bob@example.com, '@example.org']", [], "sender"),
    "no result": ("require_dmarc: true", [], "dmarc"),
    "a result of nobody": ("require_dmarc: true", ["Authentication-Results: x.example; dmarc=pass"], "dmarc"),
    "a failed one": ("require_dmarc: true", ["Authentication-Results: mx.example.org; dmarc=fail"], "dmarc"),
}
WANTED = {
    "an automatic one that may": ("accept_automatic: true", ["Auto-Submitted: auto-replied", "Precedence: list"]),
    "a sender that is allowed": ("senders: [ADA@example.com]", []),
    "a domain that is": ("senders: ['@example.com']", []),
    "a result": ("require_dmarc: true", ["Authentication-Results: mx.example.org; dmarc=pass header.from=example.com"]),
}  # fmt: skip


@pytest.mark.extended
def test_unwanted_messages_start_nothing_and_are_counted(workflow, pipe, settings):
    settings.DEFAULT_FROM_EMAIL = "shop@shop.example"
    missed = []
    for name, (trigger, headers, reason) in UNWANTED.items():
        workflow(change(trigger))
        row = InboundAddress.objects.get()
        content = message(1, *headers)
        if name == "its own":
            content = content.replace(b"Message-ID: <1@example.com>\n", b"")
        before = row.refused.get(reason, 0)
        code, _ = pipe(row.address, content)
        row.refresh_from_db()
        if code != 0 or row.refused.get(reason, 0) != before + 1 or Event.objects.exists():
            missed.append(name)
    workflow(ORDERS)
    assert pipe(row.address, message(1), "--from=")[0] == 0 and not Event.objects.exists(), "a bounce"
    for number, (name, (trigger, headers)) in enumerate(WANTED.items(), 10):
        workflow(change(trigger))
        pipe(row.address, message(number, *headers))
        if Event.objects.filter(headers__contains={"message-id": f"<{number}@example.com>"}).count() != 1:
            missed.append(name)
    assert missed == []


def test_one_sender_has_a_limit(workflow, pipe, settings):
    settings.AUTOMATE_MAIL_RATE = 2
    workflow(ORDERS)
    address = InboundAddress.objects.get().address
    codes = [pipe(address, message(number, sender="Ada@example.com"))[0] for number in range(3)]
    assert codes == [0, 0, 75] and pipe(address, message(1))[0] == 0, "it is known"
    assert pipe(address, message(9, sender="bob@example.com"))[0] == 0 and Event.objects.count() == 3
    assert InboundAddress.objects.get().refused == {"rate": 1, "duplicate": 1}


def test_spoofed_messages_use_up_nothing_of_a_confirmed_sender(workflow, pipe, settings):
    settings.AUTOMATE_MAIL_RATE = 2
    workflow(ORDERS)
    address = InboundAddress.objects.get().address
    results = {
        name: f"Authentication-Results: mx.example.org; dmarc={name} header.from=example.com"
        for name in ("pass", "fail")
    }
    spoofed = [pipe(address, message(number, results["fail"]))[0] for number in range(3)]
    confirmed = [pipe(address, message(number, results["pass"]))[0] for number in range(10, 13)]
    assert spoofed == confirmed == [0, 0, 75]


def test_an_address_stays_until_it_is_renewed(workflow, settings):
    workflow(ORDERS)
    first = InboundAddress.objects.get().local_part
    workflow(ORDERS.replace("{kind: mail}", "{kind: manual}"))
    with pytest.raises(mail.UnknownAddressError):
        mail.find_address(first)
    workflow(ORDERS)
    assert mail.find_address(f"{first}@in.example.org")[0].local_part == first
    InboundAddress.objects.update(accepted=3, refused={"dmarc": 1})
    made = workflow(change("address_number: 2, require_dmarc: true, senders: ['@example.com']"))
    row = InboundAddress.objects.get()
    assert row.local_part != first and (row.accepted, row.refused) == (0, {}), "they count from the new address on"
    written = yaml_files.write_workflow(workflows.load_definition(made))
    assert yaml_files.read_workflow(written) == workflows.load_definition(made)
    faults = validation.find_problems(yaml_files.read_workflow(change("senders: [nobody]")))
    assert "neither an email address nor a domain" in str(faults[0])
    settings.AUTOMATE_MAIL_DOMAIN = ""
    with pytest.raises(DefinitionError, match="AUTOMATE_MAIL_DOMAIN"):
        workflow(ORDERS.replace("Order", "Other").replace("slug: orders", "slug: others"))


def test_messages_of_anymail(workflow, monkeypatch, settings):
    """Its signal is sent as by a project that has the app."""
    from anymail.inbound import AnymailInboundMessage
    from anymail.signals import AnymailInboundEvent, inbound

    mail_signal.connect_mail_signal()
    assert not inbound.has_listeners(), "the project does not have the app"
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "anymail")
    mail_signal.connect_mail_signal()
    mail_signal.connect_mail_signal()

    workflow(ORDERS)
    address = InboundAddress.objects.get().address
    given = AnymailInboundMessage.parse_raw_mime_bytes(MESSAGE)
    given.envelope_recipient, given.envelope_sender = address, "ada@example.com"
    event = AnymailInboundEvent(event_type="inbound", message=given)
    for _ in range(2):
        inbound.send(sender=None, event=event, esp_name="Test")
    assert [each["name"] for each in Event.objects.get().payload["attachments"]] == ["bill.pdf"]
    given.envelope_recipient = "nobody@in.example.org"
    inbound.send(sender=None, event=event, esp_name="Test")
    assert Event.objects.count() == 1
    settings.AUTOMATE_MAIL_RATE = 1
    given = AnymailInboundMessage.parse_raw_mime_bytes(MESSAGE.replace(b"essage-ID: <", b"essage-ID: <another-"))
    given.envelope_recipient, given.envelope_sender = address, "ada@example.com"
    event = AnymailInboundEvent(event_type="inbound", message=given)
    with pytest.raises(mail_signal.TooManyMessagesError, match="deliver this one later"):
        inbound.send(sender=None, event=event, esp_name="Test")
    settings.AUTOMATE_MAIL_RATE = 2
    inbound.send(sender=None, event=event, esp_name="Test")
    assert Event.objects.count() == 2, "the service tried again"
    assert inbound.disconnect(dispatch_uid="automate_core.mail")


@pytest.mark.extended
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_mail_server_runs_the_command(workflow, manage, environment, settings, tmp_path):
    workflow(ORDERS)
    address = InboundAddress.objects.get().local_part + "@anything.example"
    sent = {"input": message(), "capture_output": True, "env": environment, "check": False}
    taken = subprocess.run([*manage, "automate_mail", f"--to={address}"], **sent)
    assert taken.returncode == 0 and Event.objects.count() == 1, taken.stderr


def test_what_is_no_message_is_said(workflow):
    workflow(ORDERS)
    with pytest.raises(MessageError, match="no headers"):
        mail.receive_message(InboundAddress.objects.get().address, b"{}")
