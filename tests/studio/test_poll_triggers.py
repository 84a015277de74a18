"""Polls in the builder and on the pages of workflows and notifications."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.urls import reverse

from automate_authoring import workflows
from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.models import Event, Notification, NotificationRule, PollState
from automate_studio.models import ChosenSample
from tests.support.builder import Builder
from tests.support.feeds import Feed
from tests.support.pages import Page
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)

POLLED = """
name: Polled
slug: polled
triggers: [{{kind: poll, key: poll, poll: rss.new_item, every: 1m, inputs: {{url: '{url}'}}}}]
steps: [{{key: note, action: data.set}}]
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))


@pytest.fixture
def feed(settings):
    made = Feed()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    yield made
    made.close()


def config(builder):
    return builder.workflow.triggers.get(key="poll").config


def add(builder, reference):
    return builder.do("add_trigger", kind="poll", config=json.dumps({"poll": reference}))


@pytest.mark.extended
def test_a_poll_is_added_set_up_tried_and_published(builder, feed, owner):
    assert add(builder, "rss.new_item").status_code == 200
    panel = builder.panel("~trigger")
    assert "RSS: New item" in panel.text and "Feed URL" in panel.text and "GitHub: New issue" in panel.text
    refused = builder.save("~trigger", trigger="poll", **{"poll.inputs.url": "ftp://x", "every": "5s"})
    text = Page(refused).text
    assert "must start with https://" in text and "at least 60 seconds" in text
    stored = builder.save("~trigger", trigger="poll", **{"poll.inputs.url": feed.url, "every": "10m"})
    assert stored.status_code == 200 and "must start with" not in Page(stored).text
    assert config(builder) == {"poll": "rss.new_item", "every": "10m", "inputs": {"url": feed.url}}
    rev = builder.workflow.triggers.get().rev
    builder.save("~trigger", trigger="poll", **{"poll.inputs.url": feed.url, "every": "10m", "poll": "rss.new_item"})
    assert builder.workflow.triggers.get().rev == rev, "a form that says the same is no edit"
    feed.items = ["1", "2"]
    answer = builder.client.post(builder.url("builder_trigger_poll", "poll"))
    assert "Item 2" in Page(answer).text and not Event.objects.exists() and not PollState.objects.exists()
    used = builder.client.post(builder.url("builder_trigger_poll", "poll"), {"payload": '{"title": "Seven"}'})
    assert "Now used as the sample" in Page(used).text
    assert ChosenSample.objects.get().edited == {"title": "Seven"}
    feed.answer = lambda number: (503, {})
    assert "HTTP 503" in Page(builder.client.post(builder.url("builder_trigger_poll", "poll"))).text
    workflows.publish(builder.workflow, author=owner)
    assert PollState.objects.get().seconds == 600
    builder.save("~trigger", trigger="poll", poll="github.new_issue")
    assert config(builder) == {"poll": "github.new_issue", "every": "10m", "inputs": {}}


@pytest.mark.extended
def test_a_poll_with_a_connection_begins_with_the_only_one_and_takes_no_other(builder, owner, stranger):
    Connection.objects.create(name="Mine", slug="mine", connector="github", config={"token": "env:A"}, owner=owner)
    Connection.objects.create(name="Other", slug="other", connector="github", config={"token": "env:A"}, owner=stranger)
    Connection.objects.create(name="Talk", slug="talk", connector="slack", config={"token": "env:A"}, owner=owner)
    assert add(builder, "github.new_issue").status_code == 200
    assert config(builder) == {"poll": "github.new_issue", "connection": "mine"}
    assert "Other" not in builder.panel("~trigger").text
    refused = builder.save("~trigger", trigger="poll", connection="other")
    assert refused.status_code == 422 and "no connection" in Page(refused).text.lower()
    builder.save("~trigger", trigger="poll", connection="talk", **{"poll.inputs.repository": "o/r"})
    with pytest.raises(Exception, match="another connector"):
        workflows.publish(builder.workflow, author=owner)
    builder.save("~trigger", trigger="poll", poll="rss.new_item")
    assert config(builder) == {"poll": "rss.new_item", "inputs": {}}, "the connection is not one of the new poll's"


@pytest.mark.extended
def test_the_review_warns_of_a_poll_that_was_not_tested_or_fails(builder, feed, owner, drain):
    add(builder, "rss.new_item")
    builder.save("~trigger", trigger="poll", **{"poll.inputs.url": feed.url})
    review, find = (
        f"/admin/automate/workflows/{builder.workflow.pk}/review/",
        builder.url("builder_trigger_poll", "poll"),
    )

    def warned() -> list[str]:
        text = Page(builder.client.get(review)).text
        words = ("This poll was not tested.", "The last test of this poll failed: ", "This poll is failing: ")
        return [each for each in words if each in text]

    assert warned() == ["This poll was not tested."]
    feed.items = ["1"]
    builder.client.post(find)
    assert warned() == []
    feed.answer = lambda number: (503, {})
    builder.client.post(find)
    assert warned() == ["The last test of this poll failed: "]
    builder.save("~trigger", trigger="poll", **{"poll.inputs.url": f"{feed.url}?page=2"})
    assert warned() == ["This poll was not tested."], "the test was of another feed"
    workflows.publish(builder.workflow, author=owner)
    drain()
    assert warned() == ["This poll is failing: "]
    overview = Page(builder.client.get(reverse("admin:index"))).text
    assert "RSS: New item" in overview and "HTTP 503" in overview, "it needs attention"


@pytest.mark.extended
def test_the_review_warns_once_of_a_connection_that_was_not_tested_or_fails(builder, owner):
    config = {"token": "env:A"}
    mine = Connection.objects.create(name="Mine", slug="mine", connector="github", config=config, owner=owner)
    add(builder, "github.new_issue")
    builder.save("~trigger", trigger="poll", **{"poll.inputs.repository": "o/r"})
    review = f"/admin/automate/workflows/{builder.workflow.pk}/review/"
    for health, words in (
        ("unknown", "The connection Mine was not tested."),
        ("failing", "The connection Mine is failing."),
        ("reconnect", "Sign in to the connection Mine again"),
        ("working", ""),
    ):
        Connection.objects.filter(pk=mine.pk).update(health=health)
        text = Page(builder.client.get(review)).text
        assert text.count("onnection Mine") == bool(words) and words in text, health


def test_choices_of_a_field_come_from_the_connector(builder, owner, sink, monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_HUB", "ghp_of_a_test")
    sink.answer = lambda number, path: (200, [{"full_name": "octocat/hello-world"}], {})
    config = {"token": "env:HUB", "base_url": sink.url}
    Connection.objects.create(name="Mine", slug="mine", connector="github", config=config, owner=owner)
    add(builder, "github.new_issue")
    url = builder.url("builder_options", "~trigger")
    answer = builder.client.post(url, {"field": "poll.inputs.repository"})
    assert "octocat/hello-world" in Page(answer).text
    for field in ("poll.inputs.nope", "nope.inputs.repository", "poll.inputs.pull_requests", "inputs.repository", ""):
        assert builder.client.post(url, {"field": field}).status_code == 404, field


def test_a_stranger_tries_nobodys_poll(builder, sign_in, stranger, feed):
    add(builder, "rss.new_item")
    url = builder.url("builder_trigger_poll", "poll")
    assert sign_in(stranger).post(url).status_code == 404 and sign_in().post(url).status_code in {302, 404}
    assert feed.asked == 0


def test_a_poll_in_trouble_is_told_on_the_pages_and_to_people(workflow, feed, owner, sign_in, drain, notify, admin):
    feed.answer = lambda number: (503, {})
    made = workflow(POLLED.format(url=feed.url))
    NotificationRule.objects.create(kind="not_polled", failures=3, channel="email", to_owner=True, author=admin)
    drain()
    notify()
    assert not Notification.objects.filter(kind="not_polled").exists(), "three intervals are not over"
    page = sign_in(owner).get(f"/admin/automate_core/workflow/{made.pk}/change/")
    assert "HTTP 503" in Page(page).text and "Next poll" in Page(page).text
    panel = Builder(sign_in(owner), made).panel("~trigger")
    assert "HTTP 503" in panel.text
    PollState.objects.update(due_since=now() - dt.timedelta(minutes=4))
    for _ in range(2):
        NotificationRule.objects.update(look_at=now())
        notify()
    [told] = Notification.objects.filter(kind="not_polled")
    assert "rss.new_item" in told.facts[0]["text"] and "HTTP 503" in told.facts[0]["text"] and told.count == 1
    feed.answer = lambda number: (200, {})
    PollState.objects.update(next_at=now())
    drain()
    assert "HTTP 503" not in Page(sign_in(owner).get(page.request["PATH_INFO"])).text
