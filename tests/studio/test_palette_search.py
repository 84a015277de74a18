"""The palette finds each shipped connector: by its name, and by the words for what people want to do."""

from __future__ import annotations

import pytest

from automate_connectors.management.commands.automate_connector_docs import built_in
from automate_connectors.registry import connectors
from tests.support.builder import Builder
from tests.support.palette_search import search_palette
from tests.support.step_sentences import WANTED as SENTENCES
from tests.support.workflows import WITHOUT_TRIGGERS

SHOWN = 5  #: results that are seen without scrolling

#: What people type, and the step that they look for.
WANTED = {
    "add record to table": "airtable.create_record",
    "mark task as done": "asana.update_task",
    "email template": "brevo.send_template",
    "read csv": "data.parse_csv",
    "write excel": "data.write_excel",
    "remove duplicates": "data.dedupe",
    "pdf text": "data.read_pdf",
    "discord message": "discord.send_message",
    "discord webhook": "discord_webhook.send_message",
    "email": "email.send",
    "reply to ticket": "freshdesk.reply",
    "pull request": "github.create_pull_request",
    "merge request": "gitlab.create_merge_request",
    "gmail send": "gmail.send_email",
    "google calendar event": "google_calendar.create_event",
    "create document": "google_docs.create_document",
    "upload file to drive": "google_drive.upload_file",
    "append row": "google_sheets.append_row",
    "add row to sheet": "google_sheets.append_row",
    "call a url": "http.request",
    "create contact": "hubspot.create_contact",
    "add a deal": "hubspot.create_deal",
    "assign conversation": "intercom.assign_conversation",
    "jira issue": "jira.create_issue",
    "linear issue": "linear.create_issue",
    "summarise text": "llm.summarise",
    "ask model": "llm.chat",
    "add contact to audience": "mailchimp.add_contact",
    "meeting times": "microsoft_calendar.find_meeting_times",
    "excel row": "microsoft_excel.add_row",
    "outlook email": "microsoft_outlook.send_email",
    "teams message": "microsoft_teams.send_channel_message",
    "find rows": "models.find",
    "search rows": "models.search",
    "update or create row": "models.update_or_create",
    "notion page": "notion.create_page",
    "add a lead": "pipedrive.create_lead",
    "void invoice": "quickbooks.void_invoice",
    "read feed": "rss.read_feed",
    "store file in bucket": "s3.put_object",
    "salesforce lead": "salesforce.create_record",
    "bounces": "sendgrid.list_bounces",
    "refund order": "shopify.refund_order",
    "slack message": "slack.post_message",
    "file to a channel": "slack.upload_file",
    "select": "sql.query",
    "refund payment": "stripe.refund",
    "payment link": "stripe.create_payment_link",
    "telegram": "telegram.send_message",
    "trello card": "trello.create_card",
    "sms": "twilio.send_sms",
    "whatsapp": "twilio.send_whatsapp",
    "send invoice": "xero.email_invoice",
    "record payment": "xero.create_payment",
    "zendesk ticket": "zendesk.create_ticket",
    "ask people": "approval",
    "for each": "for_each",
    "end": "stop",
    "callback": "wait",
}


@pytest.mark.django_db
def test_each_connector_is_found_by_its_name_and_by_what_it_does(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))
    missed = []
    for code in built_in():
        found = search_palette(builder, connectors.get(code).name)
        if not found or found[0].partition(".")[0] not in {code, f"{code}_webhook"}:
            missed.append((connectors.get(code).name, code, found[:SHOWN]))
    for query, action in WANTED.items():
        if action not in (found := search_palette(builder, query))[:SHOWN]:
            missed.append((query, action, found[: 2 * SHOWN]))
    assert not missed, "\n".join(map(str, missed))


@pytest.mark.django_db
def test_the_sentences_of_agents_find_their_step_in_the_palette(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))
    found = {query: search_palette(builder, query)[:SHOWN] for query in SENTENCES}
    assert not [(query, key, found[query]) for query, key in SENTENCES.items() if key not in found[query]]


@pytest.mark.django_db
def test_whole_words_come_before_parts_of_words(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))
    assert search_palette(builder, "end")[0] == "stop"
    callback = builder.client.get(builder.url("builder_palette"), {"q": "callback"}).json()["found"][0]
    assert '"preset": "callback"' in callback
    for typed in ("s", "se", "sen", "send", "send e", "send em", "send email"):
        assert any(each.partition(".")[2].startswith("send") for each in search_palette(builder, typed)), typed
    assert search_palette(builder, "appr")[0] == "approval" and search_palette(builder, "br")[0] == "branch"
    assert not search_palette(builder, "qwxzv")
    inside = search_palette(builder, "start on an answer to a form", parent="a", slot="b")
    assert not [each for each in inside if each.startswith("trigger:")]


@pytest.mark.django_db
def test_an_app_to_connect_is_found_by_what_it_does(owner, sign_in):
    client, missed = sign_in(owner), []
    for search, name in {"append a row": "Google Sheets", "send message": "Telegram", "CREATE issue": "Jira"}.items():
        page = client.get("/admin/automate_connectors/connection/add/", {"q": search}).content.decode()
        missed += [] if f">{name}<" in page else [search]
    assert not missed
