"""Mail triggers in the builder, and their events on the pages."""

from __future__ import annotations

import pytest

from automate_authoring import workflows
from automate_core.models import Event, InboundAddress
from automate_core.triggers.mail import receive_message
from tests.support.builder import Builder
from tests.support.pages import Page
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db


@pytest.mark.extended
def test_a_mail_trigger_is_added_set_up_and_published(workflow, sign_in, owner, settings):
    builder = Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))
    assert builder.do("add_trigger", kind="mail").status_code == 200
    assert "AUTOMATE_MAIL_DOMAIN" in builder.panel("~trigger").text
    settings.AUTOMATE_MAIL_DOMAIN = "in.example.org"
    assert "Publish the workflow to get the address." in builder.panel("~trigger").text
    assert "Must be at least 1." in Page(builder.save("~trigger", trigger="mail", **{"mail.address_number": "0"})).text
    builder.save("~trigger", trigger="mail", **{"mail.address_number": ""})
    builder.save("~trigger", trigger="mail", **{"mail.require_dmarc": "true", "mail.accept_automatic": "true"})
    assert builder.workflow.triggers.get().config == {"require_dmarc": True, "accept_automatic": True}
    builder.save("~trigger", trigger="mail", **{"mail.require_dmarc": "false"})
    workflows.publish(builder.workflow, author=owner)
    address = InboundAddress.objects.get().address
    receive_message(address, b"From: ada@example.com\nSubject: Order 1024\nList-Id: <a.b>\n\nTwo anvils.")
    panel = builder.panel("~trigger").text
    assert address in panel and "Receives messages" in panel and "1 message" in panel
    event, client = Event.objects.get(), sign_in(owner)
    page = Page(client.get(f"/admin/automate_core/event/{event.pk}/change/")).text
    assert "Email" in page and "Two anvils." in page
    assert "Email" in Page(client.get(f"/admin/automate_core/workflow/{builder.workflow.pk}/change/")).text
    assert "any sender" in Page(client.get("/admin/automate/triggers/?kind=mail")).text
