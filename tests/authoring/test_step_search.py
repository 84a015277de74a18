"""Whoever builds finds steps in their own words: whole sentences, the names of systems, the words of other products."""

from __future__ import annotations

from collections import Counter

import pytest

from automate_core.authoring.step_search import MOST_OF_ONE, search_steps
from automate_core.authoring.step_words import KEYWORDS

SHOWN = 5
#: What people and agents ask for, and what they look for.
WANTED = {
    "email": "email.send",
    "send email": "email.send",
    "send mail to a customer": "email.send",
    "send an email to the customer": "email.send",
    "smtp": "email.send",
    "notify me by email when it fails": "email.send",
    "create a row in google sheets": "google_sheets.append_row",
    "append a row to a google sheet": "google_sheets.append_row",
    "add a line to a spreadsheet": "google_sheets.append_row",
    "read a google sheet": "google_sheets.read_sheet",
    "write to my django model": "models.create",
    "update a record of my django model": "models.update",
    "find customers in the database": "models.find",
    "save the order to the database": "models.create",
    "delay": "wait",
    "sleep": "wait",
    "wait two hours": "wait",
    "wait until a date": "wait",
    "pause for 3 days": "wait",
    "wait for approval": "approval",
    "ask a manager to approve": "approval",
    "human in the loop": "approval",
    "get a person to confirm": "approval",
    "if": "branch",
    "if the amount is over 1000": "branch",
    "switch": "branch",
    "check whether the order is paid": "branch",
    "loop over items": "for_each",
    "for each line of the order": "for_each",
    "iterate over a list": "for_each",
    "repeat until it is done": "repeat",
    "run two things at the same time": "parallel",
    "catch errors": "try",
    "sub-workflow": "workflow",
    "call another workflow": "workflow",
    "stop the run": "stop",
    "respond to the webhook": "reply",
    "every morning at 9": "trigger:schedule",
    "cron": "trigger:schedule",
    "start when a webhook arrives": "trigger:webhook",
    "start on an incoming email": "trigger:mail",
    "when a record is created": "trigger:model",
    "hosted form": "trigger:form",
    "http request": "http.request",
    "call a rest api": "http.request",
    "fetch a url": "http.request",
    "post json to an api": "http.request",
    "graphql": "http.request",
    "set a variable": "data.set",
    "formula": "data.set",
    "remove duplicates from a list": "data.dedupe",
    "sort a list": "data.sort",
    "sum of the amounts": "data.aggregate",
    "parse a csv file": "data.parse_csv",
    "lookup": "data.merge_lists",
    "format a date": "data.format_date",
    "select from postgres": "sql.query",
    "ask chatgpt": "llm.chat",
    "summarize a text with ai": "llm.summarise",
    "classify a support ticket": "llm.classify",
    "extract fields from an invoice": "llm.extract",
    "post a message to slack": "slack.post_message",
    "slack": "slack.post_message",
    "message a slack channel": "slack.post_message",
    "create a jira issue": "jira.create_issue",
    "open a github issue": "github.create_issue",
    "create an invoice in xero": "xero.create_invoice",
    "refund a stripe payment": "stripe.refund",
    "send a text message": "twilio.send_sms",
    "sms": "twilio.send_sms",
    "upload a file to s3": "s3.put_object",
    "add a card to trello": "trello.create_card",
    "create a contact in hubspot": "hubspot.create_contact",
    "teams channel message": "microsoft_teams.send_channel_message",
    "create a calendar event": "google_calendar.create_event",
    "read an rss feed": "rss.read_feed",
    "upload to ftp": "sftp.upload",
    "create a zendesk ticket": "zendesk.create_ticket",
    "notion page": "notion.create_page",
}


@pytest.mark.django_db
def test_natural_sentences_find_their_step_among_the_first():
    missed = []
    for query, key in WANTED.items():
        found = [each.key for each in search_steps(query)]
        if key not in found[:SHOWN]:
            missed.append((query, key, found[: 2 * SHOWN]))
    assert len(WANTED) >= 60
    assert not missed, "\n".join(map(str, missed))


@pytest.mark.django_db
def test_no_connector_fills_the_first_page():
    for query in ("send email", "create contact", "update", "message"):
        codes = Counter(each.code for each in search_steps(query)[:10] if each.code)
        assert max(codes.values()) <= MOST_OF_ONE, (query, codes)
    named = [each.code for each in search_steps("google sheets")[:8]]
    assert named.count("google_sheets") >= 6, "the query names the connector"


@pytest.mark.django_db
def test_what_is_connected_comes_before_what_is_not():
    def place(*connected):
        return [each.code for each in search_steps("create a contact", connected)].index("mailchimp")

    assert place("mailchimp") < place()


@pytest.mark.django_db
def test_each_keyword_belongs_to_an_entry():
    assert KEYWORDS.keys() - {each.key for each in search_steps("")} == set()


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["qwxzv", "…", "\0", "a" * 200])
def test_nothing_is_found_by_nonsense(query):
    found = search_steps(query)
    assert found == [] or query == "…" or query == "\0", "without a word, everything is listed"
