"""Replies to callers on the screens: the step in the builder, the setting of a webhook, and what a run replied."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from automate_core.models import ExecutionRun, Step, WebhookEndpoint
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

REPLYING = """
name: Replying
slug: replying
triggers: [{endpoint: github}]
steps:
  - {key: first, action: data.set, inputs: {n: '{{ event.payload.number }}'}}
  - {kind: reply, key: answer, status: 201, headers: {X-Order: '7'}, body: {order: '{{ steps.first.output.n }}'}}
  - {kind: reply, key: again, content_type: text/plain, body: Thank you}
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(REPLYING))


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_reply_is_added_from_the_palette_and_filled_in(builder):
    palette = Page(builder.client.get(builder.url("builder_palette"), {"index": "1"}))
    [offer] = [tag for _, tag in palette.tags if tag.get("data-name") == "reply to caller"]
    assert builder.do(**json.loads(offer["data-insert-now"]), index="1").status_code == 200
    key = Step.objects.exclude(key__in=["answer", "again"]).get(kind="reply").key
    panel = builder.panel(key)
    assert {f"field-{name}" for name in ("status", "content_type", "body")} <= set(panel.ids)
    saved = builder.save(
        key,
        status="{{ event.payload.status }}",
        content_type="application/problem+json",
        body='{"title": "{{ event.payload.title }}"}',
    )
    assert saved.status_code == 200
    step = Step.objects.get(key=key)
    assert step.settings == {
        "status": "{{ event.payload.status }}",
        "content_type": "application/problem+json",
        "body": {"title": "{{ event.payload.title }}"},
    }
    assert "Reply to caller" in builder.open().text


def test_a_body_may_be_text_that_looks_like_no_json(builder):
    assert builder.save("answer", content_type="application/xml", body="<Response>{{ event.type }}</Response>")
    assert Step.objects.get(key="answer").settings["body"] == "<Response>{{ event.type }}</Response>"


def test_what_a_reply_cannot_have_is_said_at_its_field(builder):
    builder.save("answer", status="99")
    assert "The status must be a number from 200 to 599" in builder.panel("answer").text
    headers = {"headers::rows": "1", "headers::key": "Set-Cookie", "headers::value": "a=b", "headers::type": "text"}
    builder.save("again", **headers)
    assert "A reply cannot set the header Set-Cookie." in builder.panel("again").text


def test_a_webhook_that_does_not_wait_is_warned_of(builder, endpoint):
    warning = "This webhook does not wait for a reply."
    assert warning in builder.panel("~trigger").text
    WebhookEndpoint.objects.update(reply_seconds=10)
    page = builder.panel("~trigger")
    assert warning not in page.text and "Waits up to 10 seconds for a reply" in page.text


def test_the_picker_offers_what_was_replied(builder):
    page = builder.client.get(builder.url("builder_data", "again")).content.decode()
    assert "steps.answer.output.status" in page and "steps.answer.output.body" in page


# --- the setting ------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_the_time_to_wait_is_set_on_the_webhooks_page(sign_in, owner, endpoint, colleague):
    page = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    client = sign_in(owner)
    assert Page(client.get(page)).ids["id_reply_seconds"]["value"] == "0"
    kept = {"scheme": "github", "secret_choice": endpoint.secret, "enabled": "on"}
    for given, stored in (("10", 10), ("", 0), ("30", 30)):
        assert client.post(page, {**kept, "reply_seconds": given}).status_code == 302
        endpoint.refresh_from_db()
        assert endpoint.reply_seconds == stored
    for given in ("31", "-1", "x"):
        answer = client.post(page, {**kept, "reply_seconds": given})
        assert answer.status_code == 200 and "id_reply_seconds" in Page(answer).ids
    endpoint.refresh_from_db()
    assert endpoint.reply_seconds == 30
    assert "Waits up to 30 seconds for a reply" in Page(client.get(page)).text


def test_a_new_webhook_may_wait_from_the_start(sign_in, owner):
    add = reverse("admin:automate_core_webhookendpoint_add")
    assert sign_in(owner).post(add, {"scheme": "github", "slug": "asks", "reply_seconds": "5"}).status_code == 200
    assert WebhookEndpoint.objects.get(slug="asks").reply_seconds == 5


# --- what was replied -------------------------------------------------------------------------------------------------


def test_the_runs_page_shows_the_reply_and_which_one_was_sent(builder, deliver, drain):
    deliver({"number": 7})
    drain()
    run = ExecutionRun.objects.get()
    page = reverse("admin:automate_core_executionrun_change", args=[run.pk])
    sent = Page(builder.client.get(page, {"step": "answer"}))
    assert "This is the reply to the caller." in sent.text and "X-Order" in sent.text
    assert "Not sent: the caller got an earlier reply." in Page(builder.client.get(page, {"step": "again"})).text


@pytest.mark.extended
def test_a_test_shows_what_it_would_reply(builder, drain):
    fields = {"step": "", "mode": "dry", "scope": "whole", "payload": '{"number": 7}'}
    assert builder.client.post(builder.url("builder_test"), fields).status_code == 202
    drain()
    page = Page(builder.client.get(builder.url("builder_test"), {"step": ""}))
    assert 'Would reply 201 · application/json · {"order": 7}' in page.text
    assert "Would reply 200 · text/plain · Thank you" in page.text
    run = ExecutionRun.objects.get()
    shown = builder.client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk]), {"step": "answer"})
    assert "A test run has no caller. The reply is only recorded." in Page(shown).text
