"""The page of all triggers: who sees what, last and next starts, trouble, filters, search and the number of queries."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_authoring import pausing
from automate_core.models import ExecutionRun, PollState
from automate_operations.event_sending import send_event
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

MANY = """
name: Many
slug: many
triggers:
  - {key: hook, endpoint: github, event: issues}
  - {kind: schedule, key: tick, every: 1h}
  - {kind: poll, key: feed, poll: rss.new_item, inputs: {url: 'https://example.com/feed.xml'}}
  - {kind: manual, key: hand}
steps: [{key: note, action: data.set}]
"""
OTHER = """
name: Other
slug: other
triggers: [{kind: run, workflow: many}]
steps: [{key: note, action: data.set}]
"""


@pytest.fixture
def listed(workflow):
    return workflow(MANY), workflow(OTHER)


def rows(client, **query):
    page = Page(client.get(reverse("studio:trigger_list"), query))
    assert page.status == 200
    return page.text


def test_each_declared_trigger_is_a_row_with_its_starts(listed, owner, sign_in, deliver, drain):
    deliver(event="issues")
    drain()
    ExecutionRun.objects.update(created_at=timezone.now() - dt.timedelta(minutes=5))
    text = rows(sign_in(owner))
    for said in ("github, issues", "Every hour", "RSS: New item", "Manual", "Workflow ended", "5 min ago"):
        assert said.lower() in text.lower(), said
    assert "5" in text


def test_a_sent_event_is_a_start_of_its_trigger(workflow, owner, sign_in):
    workflow(
        "{name: Paid, slug: paid, triggers: [{kind: event, event: order.paid}], steps: [{key: a, action: data.set}]}"
    )
    assert len(send_event("order.paid", {}, by=owner, sender="shop").runs) == 1
    ExecutionRun.objects.update(created_at=timezone.now() - dt.timedelta(minutes=5))
    assert "5 min ago" in rows(sign_in(owner))


def test_people_see_the_triggers_of_workflows_that_they_may_view(listed, colleague, stranger, sign_in):
    assert "No triggers yet" in rows(sign_in(stranger))
    assign_perm("view_workflow", colleague, listed[1])
    text = rows(sign_in(colleague))
    assert "Other" in text and "RSS" not in text


@pytest.mark.extended
def test_tabs_filters_and_search(listed, owner, sign_in):
    client = sign_in(owner)
    PollState.objects.update(failures=2, error="The feed answered with HTTP 503.")
    text = rows(client, show="failing")
    assert (
        "2 failures in a row: The feed answered with HTTP 503." in text
        and "Schedule" not in text.split("Next start")[1]
    )
    assert "No triggers match" in rows(client, show="paused")
    pausing.pause(listed[1], owner)
    assert "Other" in rows(client, show="paused")
    assert "RSS" not in rows(client, kind="schedule").split("Next start")[1]
    assert "No triggers match" in rows(client, q="nothing like it")
    assert "Other" in rows(client, q="other") and rows(client, kind="nonsense")
    assert "RSS" in rows(client, q="rss"), "what a trigger listens to is found, too"


@pytest.mark.extended
def test_more_workflows_cost_no_more_queries(workflow, listed, owner, sign_in):
    client = sign_in(owner)
    rows(client)
    with CaptureQueriesContext(
        connection,
    ) as few:
        rows(client)
    for number in range(5):
        workflow(MANY.replace("Many", f"Many {number}").replace("slug: many", f"slug: many-{number}"))
    with CaptureQueriesContext(connection) as many:
        rows(client)
    assert len(many) <= len(few)
