"""The run page as it is looked at: what its cards say, and loops of thousands by item, filter and page."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.models import Event, ExecutionRun, StepRun, Wait
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = """
name: Waiting
slug: waiting
triggers: [{{endpoint: github}}]
steps:
  - {{key: first, action: data.set, inputs: {{a: 1}}}}
  - kind: parallel
    key: both
    arms:
      - {{key: people, name: People, steps: [{{kind: approval, key: ask, groups: [Finance], excluded: [colleague], timeout: 2h, message: 'Say {{{{ event.payload.number }}}}'}}]}}
      - {{key: time, name: Time, steps: [{{kind: wait, key: pause, duration: 1h}}]}}
      - {{key: call, name: Call, steps: [{{kind: wait, key: answer, callback: true, timeout: 3h}}]}}
      - {{key: http, name: HTTP, steps: [{{key: send, action: http.request, inputs: {{method: POST, url: '{url}/x'}}, retry: {{attempts: 3, base: 900}}}}]}}
  - {{key: last, action: data.set, inputs: {{a: 1}}}}
"""

LOOP = """
name: Loop
slug: loop
triggers: [{endpoint: github}]
steps:
  - kind: for_each
    key: each
    name: Each order
    items: '{{ range(30) | list }}'
    on_item_error: collect
    steps:
      - {key: look, name: Look, action: data.set, inputs: {n: '{{ index }}'}}
      - {key: odd, kind: for_each, name: Lines, items: '{{ [1, 2] }}', steps: [{key: line, name: Line, action: data.set, inputs: {n: '{{ event.payload.nothing if steps.look.output.n == 25 else 1 }}'}}]}
  - {key: after, name: After, action: data.set, inputs: {a: 1}}
"""


def _url(run):
    return reverse("admin:automate_core_executionrun_change", args=[run.pk])


def _queued(page):
    """What stands beside `Queued` in the run's header."""
    return " ".join(page.text.partition("Queued")[2].partition("Steps")[0].split())


@pytest.mark.extended
def test_a_rerun_is_queued_since_a_person_asked_for_it(workflow, deliver, drain, sign_in, owner):
    workflow(LOOP)
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    Event.objects.update(received_at=run.started_at - dt.timedelta(hours=3))
    client = sign_in(owner)
    assert _queued(Page(client.get(_url(run)))) == "3 h 00 m"
    client.post(reverse("studio:run_rerun", args=[run.pk]), {"start": "start", "version": "original"})
    drain()
    again = ExecutionRun.objects.get(retried_from=run)
    assert again.event_id == run.event_id
    ExecutionRun.objects.filter(pk=again.pk).update(created_at=again.started_at - dt.timedelta(minutes=2))
    assert _queued(Page(client.get(_url(again)))) == "2 m 00 s"


def _label(page, name):
    return page.ids[f"card-{name}"]["aria-label"]


@pytest.mark.extended
def test_cards_say_what_a_run_waits_for(workflow, deliver, drain, sink, sign_in, owner, colleague):
    """For whom and until when, also to those who may not see payloads; and what the version of today says otherwise."""
    Group.objects.create(name="Finance").user_set.add(owner)
    sink.answer = lambda number, path: (503, {}, {})
    made = workflow(WAITING.format(url=sink.url))
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assign_perm("view_workflow", colleague, made)
    answer = sign_in(colleague).get(_url(run))
    page, text = Page(answer), " ".join(answer.content.decode().split())
    states = {name: page.ids[f"card-both-{name}"]["data-st"] for name in ("ask", "pause", "answer", "send")}
    assert states == {"ask": "waiting", "pause": "waiting", "answer": "waiting", "send": "retrying"}
    descriptions = {name: page.ids[f"card-both-{name}"].get("aria-description", "") for name in states}
    assert "Waiting for Finance, due " in descriptions["ask"]
    assert "Waiting until " in descriptions["pause"]
    assert "Waiting for a callback, due " in descriptions["answer"]
    assert "Attempt 2 of 3" in _label(page, "both-send") and "data-until=" in text
    assert page.ids["card-last"]["data-st"] == "pending" and page.ids["card-first"]["data-st"] == "succeeded"
    assert page.ids["row-both-ask"]["role"] == "row" and 'class="waiting live" data-st="waiting"' in text
    assert 'class="backoff live"' in text and text.count('class="da-lane"') == 4
    assert "now, " not in page.text, "the run's version is the one of today"

    changed = yaml_files.read_workflow(WAITING.format(url=sink.url).replace("duration: 1h", "duration: 2h"))
    workflows.save_definition(changed, owner=owner)
    workflows.publish(made, author=owner)
    page = Page(sign_in(colleague).get(_url(run)))
    assert "This run used v1. 1 step differs in v2, the published version." in page.text
    assert "Changed in v2" in _label(page, "both-pause") and "Changed" not in _label(page, "both-ask")
    compare = reverse("studio:versions_compare", args=[made.pk])
    assert page.all(href=f"{compare}?from=1&to=2")


ASKED = """
name: Asked
slug: asked
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: ask
    assignees: [owner]
    timeout: 1d
    outcomes: [{key: approved, name: Approve, steps: [{key: pay, action: data.set, inputs: {a: 1}}]}]
"""


def test_the_bar_of_a_decided_approval_ends_within_its_card(workflow, deliver, drain, sign_in, owner):
    """Days of waiting against milliseconds of work: the bar made the canvas thousands of pixels wide."""
    workflow(ASKED)
    deliver()
    drain()
    client, wait = sign_in(owner), Wait.objects.get()
    asked = StepRun.objects.filter(path="ask")
    asked.update(started_at=wait.created_at - dt.timedelta(days=2))
    client.post(reverse("studio:approval_page", args=[wait.pk]), {"outcome": "approved"})
    drain()
    StepRun.objects.filter(path="ask/pay").update(
        finished_at=wait.created_at, started_at=wait.created_at - dt.timedelta(seconds=1)
    )
    page = client.get(_url(ExecutionRun.objects.get(status="succeeded")))
    shares = [int(share) for share in re.findall(r'class="da-took" style="--w: (\d+)"', tidy(page.content.decode()))]
    assert shares and max(shares) == 100
    work = re.findall(r'<i\s+class="succeeded"([^>]*)>', page.content.decode())
    assert work and not [bar for bar in work if "data-st" in bar], "work has the colour of work, whatever its state"


REFUSED = """
name: Refused
slug: refused
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: ask
    assignees: [owner]
    timeout: 1d
    outcomes:
      - {key: approved, name: Approve, steps: [{key: pay, action: data.set, inputs: {a: 1}}]}
      - {key: rejected, name: Turn down}
  - {key: after, action: data.set, inputs: {a: '{{ steps.ask.output.nothing.more }}'}}
"""


def test_the_run_page_marks_an_outcome_without_steps_and_its_wait_as_a_wait(workflow, deliver, drain, sign_in, owner):
    workflow(REFUSED)
    deliver()
    drain()
    client = sign_in(owner)
    client.post(reverse("studio:approval_page", args=[Wait.objects.get().pk]), {"outcome": "rejected"})
    drain()
    text = tidy(client.get(_url(ExecutionRun.objects.get(status="failed"))).content.decode())
    taken = re.findall(r'class="da-cond taken".*?<b>([^<]*)</b>', text)
    assert taken == ["Turn down"]
    assert re.findall(r'class="waiting" data-st="(\w+)"', text) == ["waiting"], "work has another colour"


def test_a_scheduled_workflow_that_a_person_started_shows_no_schedule(workflow, drain, sign_in, owner):
    made = workflow("{name: N, slug: n, triggers: [{kind: schedule, every: 1d}], steps: [{key: a, action: data.set}]}")
    client = sign_in(owner)
    client.post(reverse("studio:workflow_start", args=[made.pk]), {"payload": "{}"})
    drain()
    page = Page(client.get(_url(ExecutionRun.objects.get())))
    assert page.ids["card-trigger"]["aria-label"] == "Manual, succeeded"


def test_a_reason_that_begins_with_a_name_keeps_its_letters(workflow, deliver, drain, sign_in, owner):
    workflow(
        ASKED.replace(
            "  - kind: approval",
            "  - {key: take, action: data.set, inputs: {x: '{{ first(event.payload.a, event.payload.b) }}'}}\n  - kind: approval",
        )
    )
    deliver()
    drain()
    page = Page(sign_in(owner).get(_url(ExecutionRun.objects.get(status="failed")), {"step": "take"}))
    assert "first() found no value" in page.text and "First()" not in page.text


@pytest.fixture
def looped(workflow, deliver, drain):
    workflow(LOOP)
    deliver()
    drain()
    return ExecutionRun.objects.get(status="succeeded")


def _many(run, items):
    """Items like the last one, recorded as a worker would have."""
    columns = "run_id, attempt, status, input, output, error, idempotency_key, started_at, finished_at, seq"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO automate_core_steprun (id, path, {columns})"
            f" SELECT gen_random_uuid(), replace(path, 'each[29]', 'each[' || n || ']'), {columns}"
            " FROM automate_core_steprun, generate_series(30, %s) n WHERE run_id = %s AND path LIKE 'each[29]%%'",
            [items - 1, run.pk],
        )
    StepRun.objects.filter(run=run, path="each").update(input=list(range(items)))


def _workflow_url(run):
    return reverse("admin:automate_core_workflow_change", args=[run.workflow_id])


def _steps_read(client, url):
    """How many rows of the tries of steps the database reads for a page."""
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'automate_core_steprun'"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # of a table that has hardly more than this run's
        before = cursor.execute(read).fetchone()[0]  # what was not told to the statistics yet
        assert client.get(url).status_code == 200
        return cursor.execute(read).fetchone()[0] - before


def test_a_patch_reads_what_few_runs_have_for_them_alone(waiting, sign_in, owner):
    client, url = sign_in(owner), reverse("studio:run_patch", args=[ExecutionRun.objects.get().pk])
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    read = [query["sql"] for query in queries if ' FROM "automate_' in query["sql"]]
    assert len(read) == 5, read  # the state, the run, its waits, whom they ask, and its attempts


@pytest.mark.extended
def test_a_loop_of_thousands_costs_what_thirty_do(looped, sign_in, owner):
    client, costs = sign_in(owner), {}
    client.get(_url(looped), {"step": "after"})
    for items in (30, 5_000):
        if items > 30:
            _many(looped, items)
        for door, query in {"page": {"step": "after"}, "patch": {}}.items():
            url = _url(looped) if door == "page" else reverse("studio:run_patch", args=[looped.pk])
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(url, query)
            costs.setdefault(door, []).append((len(queries), len(answer.content)))
    for (queries, size), (more_queries, more_size) in costs.values():
        assert queries == more_queries
        assert more_size < size * 1.05
    lists = (reverse("admin:automate_core_executionrun_changelist"), _workflow_url(looped))
    assert [_steps_read(client, url) < 100 for url in lists] == [True, True], "of what lists do not show they read none"
    assert StepRun.objects.filter(run=looped).count() > 15_000

    failed = Page(client.get(_url(looped), {"step": "after"}))
    assert (
        "Item 26 of 5,000, 1 failed" in failed.text
        and "All 5,000" in failed.text
        and "21 to 30 of 5,000" in failed.text
    )
    assert failed.ids["card-each-odd-line"]["data-path"] == "each[25]/odd[0]/line"

    far = Page(client.get(_url(looped), {"step": "each[4321]/look"}))
    assert far.all(data_inspected="each[4321]/look") and far.ids["card-each-look"]["aria-selected"] == "true"
    assert "Item 4,322 of 5,000" in far.text and "4,321 to 4,330 of 5,000" in far.text
    assert far.ids["item-each-4321"] and far.ids["card-each-odd-line"]["data-path"] == "each[4321]/odd[1]/line"
    assert "item-each-4330" not in far.ids
    assert "Show 2 items" in far.text, "of a loop that nobody looks into, and that went well"

    item = Page(client.get(reverse("studio:run_step", args=[looped.pk, "each[25]"])))
    assert item.all(data_inspected="each[25]/odd[0]/line"), "an item is opened at the step that failed"
    deep = Page(client.get(_url(looped), {"step": "after", "item": "each[3]/odd[1]"}))
    assert deep.ids["card-each-odd-line"]["data-path"] == "each[3]/odd[1]/line"

    only = Page(client.get(_url(looped), {"step": "after", "loop": "each", "items": "failed"}))
    assert [each for each in only.ids if each.startswith("item-each-2")] == ["item-each-25"]
    last = Page(client.get(_url(looped), {"step": "after", "loop": "each", "items": "done", "page": "99999"}))
    assert "item-each-4999" not in last.ids, "nonsense is left out"
    last = Page(client.get(_url(looped), {"step": "after", "loop": "each", "items": "done", "page": "9999"}))
    assert {"item-each-4991", "item-each-4999"} <= set(last.ids), "beyond the end is the last page"

    for step in (
        "each[99999999999]/look",
        "each[-1]",
        "each[٣]/look",
        "each[",
        "]",
        "\0",
        "each[5000]/look",
        "x" * 3000,
    ):
        for query in ({"step": step}, {"item": step, "loop": step, "items": step, "page": step}):
            assert client.get(_url(looped), query).status_code == 200, query
            assert client.get(reverse("studio:run_patch", args=[looped.pk]), query).status_code == 200, query
