"""Polls: a baseline, each item one event, leases, back-off, rights, and what publishing keeps."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection

from automate_authoring import pausing, workflows
from automate_authoring.definitions import yaml_files
from automate_connectors import health
from automate_connectors.adapters.polls import PollItem, PollResult
from automate_connectors.adapters.rss import RssConnector
from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import to_document
from automate_core.models import Event, ExecutionRun, PollState, Workflow
from automate_core.triggers import pacing, polling
from automate_core.triggers.connector_calls import backoff_seconds
from automate_core.worker.lease_threads import POLLS, LeaseThreads
from tests.support.feeds import Feed
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

NEWS = """
name: News
slug: news
triggers:
  - {{kind: poll, key: item, poll: rss.new_item, every: {every}, inputs: {{url: '{url}'}}}}
steps: [{{key: note, action: data.set, inputs: {{title: '{{{{ event.payload.title }}}}'}}}}]
"""


@pytest.fixture
def feed(settings):
    made = Feed()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    yield made
    made.close()


@pytest.fixture
def news(workflow, feed):
    feed.items = ["1", "2"]
    return workflow(NEWS.format(url=feed.url, every="5m"))


@pytest.fixture
def poll(drain):
    """Poll now, and work off what was found."""

    def make():
        PollState.objects.filter(lease_until=None).update(next_at=now())
        drain()
        return PollState.objects.get()

    return make


def items():
    return list(Event.objects.filter(source="poll:news").order_by("id").values_list("payload__id", flat=True))


def test_the_first_poll_is_a_baseline_and_each_new_item_is_one_run(news, feed, poll):
    state = poll()
    assert state.has_baseline and state.failures == 0 and items() == [], "what was there before starts nothing"
    assert dt.timedelta(minutes=4) < state.next_at - now() <= dt.timedelta(minutes=5.5)
    feed.items += ["3", "4"]
    poll()
    poll()
    assert items() == ["3", "4"]
    feed.items = ["2", "4", "5"]  # an item that went and came back is not new
    poll()
    feed.items = ["1", "3", "5"]
    poll()
    assert items() == ["3", "4", "5"]
    event = Event.objects.order_by("id").first()
    assert (event.type, event.payload["title"], event.headers["item-id"]) == ("item", "Item 3", "3")
    runs = ExecutionRun.objects.order_by("id")
    assert [run.output for run in runs] and {run.origin for run in runs} == {"poll"}
    assert [run.status for run in runs] == ["succeeded"] * 3


def test_a_poll_is_due_alone_when_it_is_due_and_its_workflow_is_active(news, feed, poll, owner, drain):
    poll()
    asked = feed.asked
    drain()
    assert feed.asked == asked, "not before its interval is over"
    pausing.pause(news, owner)
    feed.items += ["3"]
    poll()
    assert feed.asked == asked, "a paused workflow does not poll"
    pausing.resume(Workflow.objects.get(), owner)
    drain()
    assert feed.asked == asked + 1 and items() == ["3"], "what came meanwhile is found"


def test_three_workers_poll_once(news, feed, poll):
    poll()
    feed.items += ["3"]
    PollState.objects.update(next_at=now())
    barrier, leased = threading.Barrier(3), []

    def look():
        try:
            barrier.wait(20)
            leased.extend(polling.lease_due(5))
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [lease] = leased
    assert polling.lease_due(5) == [] and polling.seconds_to_next() > 30
    polling.run_poll(lease)
    assert items() == ["3"]


def test_a_worker_makes_no_more_polls_at_once_than_it_has_threads(workflow, feed):
    for number in range(5):
        workflow(NEWS.format(url=feed.url, every="5m").replace("slug: news", f"slug: news-{number}"))
    asking, release, polled = [], threading.Event(), threading.Semaphore(0)

    def answer(number):
        asking.append(number)
        release.wait(60)
        return 200, {}

    feed.answer = answer
    before = {thread.ident for thread in threading.enumerate()}
    polls = LeaseThreads(POLLS, 2, polled.release)
    try:
        assert polls.start_due() is None and polls.start_due() is None, "it waits for a free thread"
        wait_for(lambda: len(asking) == 2)
        assert PollState.objects.filter(lease_until=None).count() == 3
        release.set()
        for _ in range(5):
            assert polled.acquire(timeout=60)
            polls.start_due()
        started = [thread for thread in threading.enumerate() if thread.ident not in before]
        assert sum(thread.name.startswith("automate-polls-") for thread in started) == 2
        assert not PollState.objects.filter(has_baseline=False).exists(), "each has its turn"
    finally:
        release.set()
        polls.stop(60)


def test_what_comes_after_its_lease_is_not_written(news, feed, poll):
    """Two workers ask: the first one's lease ran out. Each item is one event, and the count of failures is the second's."""
    poll()
    feed.items += ["3"]
    PollState.objects.update(next_at=now())
    [first] = polling.lease_due(1)
    PollState.objects.update(next_at=now())
    [second] = polling.lease_due(1)
    assert PollState.objects.get().error_code == "poll_lost"
    before = PollState.objects.get().cursor
    polling.run_poll(first)
    assert items() == [] and PollState.objects.get().cursor == before
    polling.run_poll(second)
    polling.run_poll(first)
    state = PollState.objects.get()
    assert items() == ["3"] and (state.failures, state.error_code, state.lease_until) == (0, "", None)


def test_a_poll_that_ends_its_worker_again_and_again_waits(news, poll):
    poll()
    PollState.objects.update(next_at=now())
    leases = []
    for _ in range(4):
        leases.append(len(polling.lease_due(1)))
        PollState.objects.filter(lease_until__isnull=False).update(next_at=now())
    state = PollState.objects.get()
    assert leases == [1, 1, 0, 0] and state.lease_until is None and state.next_at > now() + dt.timedelta(minutes=9)


@pytest.mark.extended
def test_failures_are_told_and_wait_longer_and_nothing_is_lost(news, feed, poll):
    poll()
    cursor = PollState.objects.get().cursor
    feed.items += ["3"]
    feed.answer = lambda number: (503, {})
    waits = []
    for _ in range(3):
        state = poll()
        waits.append((state.next_at - state.polled_at).total_seconds() // 300)
    assert waits == [1, 2, 4] and (state.failures, state.error_code) == (3, "http_503") and state.cursor == cursor
    feed.answer = lambda number: (429, {"Retry-After": "7000"})
    state = poll()
    assert 7_000 <= (state.next_at - state.polled_at).total_seconds() <= 7_700
    feed.answer = lambda number: (200, {})
    state = poll()
    assert items() == ["3"] and (state.failures, state.error) == (0, "")
    assert backoff_seconds(60, 50) == 3_600 and backoff_seconds(86_400, 3) == 86_400


def test_it_is_asked_as_the_run_as_user_with_a_connection_that_this_user_may_use(workflow, owner, stranger, sink, poll):
    made = Connection.objects.create(
        name="Hub", slug="hub", connector="github", config={"token": "env:NOPE", "base_url": sink.url}, owner=owner
    )
    text = """
name: News
slug: news
triggers: [{kind: poll, poll: github.new_issue, connection: hub, inputs: {repository: o/r}}]
steps: [{key: note, action: data.set}]
"""
    workflow(text)
    assert poll().error_code == "secret_not_found"
    Connection.objects.update(owner=stranger)
    assert poll().error_code == "connection_not_usable"
    with pytest.raises(DefinitionError, match="There is no connection 'hub' that"):
        workflow(text.replace("o/r", "o/other"))
    Connection.objects.update(owner=owner, health="reconnect")
    state = poll()
    assert (state.error_code, sink.calls) == ("needs_reconnect", [])
    assert state.next_at > now() + dt.timedelta(minutes=5)
    health.reset_health(made)
    assert PollState.objects.get().next_at <= now(), "a connection that is repaired is asked at once"
    owner.is_active = False
    owner.save()
    assert poll().error_code == "run_as_inactive"


def test_publishing_keeps_the_cursor_while_the_same_is_asked(workflow, news, feed, poll):
    before = poll()
    workflow(NEWS.format(url=feed.url, every="1m").replace("note", "other"))
    after = PollState.objects.get()
    assert (after.pk, after.cursor, after.seen) == (before.pk, before.cursor, before.seen)
    assert after.next_at <= now() + dt.timedelta(minutes=1)


def test_another_question_begins_with_a_baseline(workflow, news, feed, poll):
    poll()
    PollState.objects.update(next_at=now())
    [late] = polling.lease_due(1)
    workflow(NEWS.format(url=f"{feed.url}?other", every="5m"))
    feed.items += ["3"]
    polling.run_poll(late)  # of the question before
    assert not PollState.objects.get().has_baseline and items() == []
    poll()
    feed.items += ["4"]
    poll()
    assert items() == ["4"]
    workflow("name: News\nslug: news\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]")
    assert not PollState.objects.exists(), "a poll goes with its trigger"


def test_ids_of_any_length_and_script_are_stored(workflow, feed, poll):
    feed.items = ["1"]
    workflow(NEWS.format(url=feed.url, every="5m").replace("key: item", f"key: {'k' * 64}"))
    poll()
    feed.items += ["x" * 199, "https://example.com/" + "y" * 3_000, "\u00e9\u4e2d" * 90, "z"]
    poll()
    poll()
    found = Event.objects.order_by("id")
    assert [event.payload["id"] for event in found] == feed.items[1:]
    assert max(len(event.delivery_key) for event in found) <= 200


FAULTS = {
    "poll: nope.new": ("poll", "is not installed"),
    "poll: rss.nope": ("poll", "It has: new_item"),
    "poll: data.new": ("poll", "has no polls"),
    "poll: rss.new_item": ("inputs.url", "is required"),
    "poll: rss.new_item, inputs: {url: 'ftp://x'}": ("inputs.url", "must start with"),
    "poll: rss.new_item, inputs: {url: 'https://x/{{ vars.a }}'}": ("inputs.url", "Expressions cannot be used here"),
    "poll: rss.new_item, inputs: {url: 'https://x/', more: 1}": ("inputs.more", "has no input"),
    "poll: rss.new_item, every: 5, inputs: {url: 'https://x/'}": ("every", "at least 60 seconds"),
    "poll: rss.new_item, every: soon, inputs: {url: 'https://x/'}": ("every", "is not a duration"),
    "poll: rss.new_item, connection: a, inputs: {url: 'https://x/'}": ("connection", "has no connections"),
    "poll: github.new_issue, inputs: {repository: o/r}": ("connection", "Choose a connection"),
}


def test_faults_are_named_at_their_fields(owner):
    missed = {}
    for fault, (field, says) in FAULTS.items():
        source = f"name: x\nslug: x\ntriggers: [{{kind: poll, {fault}}}]\nsteps: [{{key: a, action: data.set}}]"
        try:
            workflows.save_definition(yaml_files.read_workflow(source), owner=owner)
            missed[fault] = "saved"
        except DefinitionError as error:
            found = [(each.path, str(each.reason)) for each in error.problems]
            if not any(path == f"triggers[0].{field}" and says in reason for path, reason in found):
                missed[fault] = found
    assert missed == {}


def test_a_file_is_written_and_read_back_the_same(news, feed):
    definition = workflows.load_definition(news)
    document = to_document(definition)["triggers"][0]
    assert document == {
        "kind": "poll", "key": "item", "poll": "rss.new_item", "every": "5m", "inputs": {"url": feed.url}
    }  # fmt: skip
    assert yaml_files.read_workflow(yaml_files.write_workflow(definition)) == definition


class Endless:
    """A service that always has more, if its pages have items."""

    def __init__(self):
        self.on_a_page, self.size, self.asked = 2, 10, 0

    def poll(self, name, params, cursor, context):
        self.asked += 1
        at = (cursor or 0) + 1
        data = {"text": "x" * self.size}
        items = [PollItem(id=f"{at}-{number}", time=None, data=data) for number in range(self.on_a_page)]
        return PollResult(items=items, cursor=at, more=cursor is not None)


@pytest.fixture
def endless(monkeypatch, workflow):
    made = Endless()
    monkeypatch.setattr(RssConnector, "poll", lambda adapter, *given: made.poll(*given))
    workflow(
        NEWS.format(url="https://news.example.com/feed.xml", every="5m").replace(
            "title: '{{ event.payload.title }}'", "title: a"
        )
    )
    return made


def test_a_service_that_always_has_more_is_asked_with_pauses(endless, poll, monkeypatch, owner, sign_in):
    made = endless
    monkeypatch.setattr(pacing, "MAX_PAGES", 5)
    poll()
    assert made.asked == 1
    state = poll()
    assert made.asked == 6 and Event.objects.count() == 10, "five pages in a row"
    assert state.limited_at is not None and state.next_at - now() > dt.timedelta(minutes=4), "then the usual interval"
    page = sign_in(owner).get("/admin/").content.decode()
    assert "The service always has more items." in page
    state = poll()
    assert made.asked == 11, "it goes on where it was"
    made.on_a_page = 0
    state = poll()
    assert made.asked == 12 and state.limited_at is None, "a page without items ends the series"
    assert "The service always has more items." not in sign_in(owner).get("/admin/").content.decode()


@pytest.mark.parametrize(("size", "events"), [(10, 8), (250_000, 4)])
def test_a_poll_makes_so_many_events_an_hour(endless, poll, settings, size, events):
    made = endless
    settings.AUTOMATE_POLL_RATE = 7
    poll()
    made.size = size
    state = poll()
    assert Event.objects.count() == events, "a large event counts as several"
    assert state.limited_at is not None and state.next_at - now() > dt.timedelta(minutes=59)
    PollState.objects.update(counted_from=now() - dt.timedelta(hours=1))
    poll()
    assert Event.objects.count() == 2 * events
