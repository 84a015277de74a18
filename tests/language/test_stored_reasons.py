"""Reasons that are stored with values: of unsent messages, refused bulk actions and failing connections."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from automate_connectors import health
from automate_connectors.models import Connection
from automate_core.ids import uuid7
from automate_core.models import BulkAction, BulkItem, Notification
from automate_governance.models import Preferences
from automate_governance.redaction.redactor import learn, redactor_context
from automate_governance.texts import translated
from automate_operations import bulk
from automate_operations.notifications import sender
from automate_operations.notifications.channels import delivery
from automate_operations.notifications.channels.contract import NotDeliveredError
from automate_plugins import text
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db

RESPONDED = "%(target)s responded with HTTP %(status)s."


@pytest.fixture
def read(sign_in):
    """Read a page in German."""

    def read_page(url, person):
        Preferences.objects.get_or_create(person=person, defaults={"language": "de"})
        return tidy(Page(sign_in(person).get(url)).text)

    yield read_page
    translation.activate("en")


def in_german(message):
    with translation.override("de"):
        return translated(message)


def test_the_reason_of_an_unsent_message_keeps_its_values(monkeypatch):
    def refuse(notification):
        raise NotDeliveredError(text(RESPONDED, target="hooks.example", status=503), again=False)

    monkeypatch.setattr(delivery, "deliver", refuse)
    monkeypatch.setattr(sender, "_drop_reason", lambda notification: "")
    sent = Notification.objects.create(kind="test", channel="webhook", target="hooks.example", send_at=timezone.now())
    with translation.override("de"):
        sender.send_next()
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("failed", "hooks.example responded with HTTP 503.")
    assert in_german(sent.reason) == "hooks.example antwortete mit HTTP 503."
    Notification.objects.update(error_text=None)  # as rows before this column
    sent.refresh_from_db()
    assert in_german(sent.reason) == "hooks.example responded with HTTP 503."


def test_a_refusal_of_a_bulk_action_keeps_its_values(owner, read):
    action = BulkAction.objects.create(person=owner, verb="cancel", total=1, request=uuid7())
    item = BulkItem.objects.create(action=action, number=0, run=uuid7())
    assert bulk.run_next_batch() == 0.0
    item.refresh_from_db()
    assert (item.refusal, item.refusal_text) == ("The run was deleted.", None)
    reason = text("The run %(run)s was deleted.", run="0a")
    BulkItem.objects.update(refusal=reason, refusal_text={"message": reason.message, "values": reason.values})
    assert "Die Ausführung 0a wurde gelöscht." in read(reverse("studio:bulk_progress", args=[action.pk]), owner)


@pytest.mark.extended
def test_a_failing_connection_tells_its_reason_in_german(owner, read, workflow):
    workflow("{name: Flow, slug: flow, steps: [{key: note, action: data.set, inputs: {a: 1}}]}")
    thing = Connection.objects.create(name="Thing", slug="thing", connector="http", owner=owner)
    health.record_test(thing, "http_503", text(RESPONDED, target="api.example", status=503))
    thing.refresh_from_db()
    assert thing.health_note == "api.example responded with HTTP 503."
    for page in (
        reverse("admin:automate_connectors_connection_changelist"),
        reverse("admin:automate_connectors_connection_change", args=[thing.pk]),
        reverse("admin:index"),
    ):
        shown = read(page, owner)
        assert "api.example antwortete mit HTTP 503." in shown and thing.health_note not in shown, page


def test_a_secret_is_in_neither_note_nor_text_of_a_connection(owner):
    thing = Connection.objects.create(name="Thing", slug="thing", connector="http", owner=owner)
    with redactor_context():
        learn("s3cret-of-a-connection")
        health.record_test(thing, "http_503", text(RESPONDED, target="s3cret-of-a-connection", status=503))
    thing.refresh_from_db()
    assert thing.health_note == "*** responded with HTTP 503." and "s3cret" not in str(thing.health_text)
    health.record_sign_in(thing)
    thing.refresh_from_db()
    assert (thing.health_note, thing.health_text) == ("", None)


def test_plug_ins_describe_themselves_in_german(admin, read):
    page = read(reverse("studio:plugin_list"), admin)
    assert "Liest die Geheimnisse, die verschlüsselt in der Datenbank gespeichert sind." in page
    assert "Reads " not in page and "Reaches " not in page
