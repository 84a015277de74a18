"""The run list: what its filters find, for whom, how it pages, and what its histogram counts."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_authoring.definitions import yaml_files
from automate_core.models import ExecutionRun, Wait, WorkflowVersion
from automate_operations.queries import run_keyset
from tests.support.audit import without_append_only
from tests.support.editors import Editor
from tests.support.pages import Page, tidy
from tests.support.people import choose_zone_of_noon
from tests.support.run_lists import RUN_LIST, runs_shown
from tests.support.runs import run_of_age
from tests.support.workflows import SEARCHED_ORDERS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def orders(workflow, deliver, drain):
    """A workflow that declares search terms; one run each that succeeded and failed by a delivery, and older ones."""
    found = workflow(SEARCHED_ORDERS)
    deliver({"order": {"no": 1001}, "city": "Lodz"}, event="push")
    deliver({"order": {"no": "A-7"}}, event="push")
    drain()
    by_term = {term.value: run for run in ExecutionRun.objects.all() for term in run.terms.filter(name="order_no")}
    made_ones = {
        "hour": run_of_age(
            found, 4_000, origin="schedule", finished_at=timezone.now() - dt.timedelta(seconds=4_000 - 90)
        ),
        "day": run_of_age(found, 90_000, status="cancelled", error={"message": "100% withdrawn_by hand"}),
        "waits": run_of_age(found, 500, status="waiting", origin="manual"),
        "test": run_of_age(found, 30, cause="test"),
    }
    Wait.objects.create(run=made_ones["waits"], path="check", kind="approval", due_at=timezone.now())
    return found, {"1001": by_term["1001"], "A-7": by_term["A-7"], **made_ones}


@pytest.mark.extended
def test_each_filter_finds_what_it_says(orders, sign_in, owner):
    workflow, runs = orders
    other = WorkflowVersion.objects.create(workflow=workflow, number=2, definition={}, author=owner, run_as=owner)
    ExecutionRun.objects.filter(pk=runs["hour"].pk).update(version=other)
    with without_append_only():
        WorkflowVersion.objects.filter(pk=other.pk).update(definition=workflow.published.definition)
    client = sign_in(owner)
    [terms] = [dict(run.terms.values_list("name", "value")) for run in [runs["1001"]]]
    assert terms == {"order_no": "1001", "city": "LODZ"}
    everything = {"1001", "A-7", "hour", "day", "waits"}
    hour_ago = timezone.now() - dt.timedelta(hours=1)
    for query, wanted in (
        ({}, everything),
        ({"show": "tests"}, {"test"}),
        ({"status": "succeeded"}, {"1001", "hour"}),
        ({"status": ["failed", "cancelled"]}, {"A-7", "day"}),
        ({"status": "failed,cancelled", "show": "attention"}, {"A-7"}),
        ({"reason": "approval,retry"}, {"waits"}),
        ({"reason": "timer"}, set()),
        ({"workflow": "orders,gone"}, everything),
        ({"origin": "schedule"}, {"hour"}),
        ({"origin": "webhook", "status": "succeeded"}, {"1001"}),
        ({"version": "v2"}, {"hour"}),
        ({"since": "1h"}, {"1001", "A-7", "waits"}),
        ({"since": "24h"}, everything - {"day"}),
        ({"to": hour_ago.isoformat()}, {"hour", "day"}),
        ({"from": f"{hour_ago - dt.timedelta(hours=2):%Y-%m-%dT%H:%M}", "to": hour_ago.isoformat()}, {"hour"}),
        ({"longer": "1m", "status": "succeeded"}, {"hour"}),
        ({"shorter": "2s", "longer": "0.5", "status": "cancelled"}, {"day"}),
        ({"error": "100% WITHDRAWN_BY"}, {"day"}),
        ({"error": "100%withdrawn"}, set()),
        ({"term": "order_no:1001"}, {"1001"}),
        ({"term": ["city", "LODZ"]}, {"1001"}),
        ({"term": "city:1001"}, set()),
        ({"term": "order_no:1001", "status": "failed"}, set()),
        ({"trace": runs["A-7"].trace_id[:10]}, {"A-7"}),
        ({"run": str(runs["A-7"].pk)}, {"A-7"}),
        ({"run": str(runs["A-7"].pk)[-8:]}, {"A-7"}),
        ({"q": "LODZ"}, {"1001"}),
        ({"q": "withdrawn"}, {"day"}),
        ({"q": "withdrawn", "status": "failed"}, set()),
        ({"q": "order"}, everything),
        ({"bulk": str(uuid.uuid4())}, set()),
    ):
        answer = client.get(RUN_LIST, query)
        assert answer.status_code == 200
        assert {name for name, run in runs.items() if run.pk in runs_shown(answer)} == wanted, query
        assert len(runs_shown(answer)) == len(wanted), query


def test_the_time_since_which_runs_ended_is_edited_as_other_times(orders, sign_in, owner, api):
    zone, made = choose_zone_of_noon(owner), orders[1]
    client, token = sign_in(owner), api(owner)
    assert Page(client.get(RUN_LIST)).ids["more-ended"]["type"] == "datetime-local"
    moment = timezone.now().replace(microsecond=0) - dt.timedelta(hours=20)
    for ended in (moment.isoformat(), f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}"):
        answer = client.get(RUN_LIST, {"ended": ended})
        [field] = Page(answer).all(name="ended", type="datetime-local")
        assert (field["type"], field["value"]) == ("datetime-local", f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}")
        listed = token.get("runs", {"ended": ended}).json()["items"]
        assert {row["id"] for row in listed} == {str(key) for key in runs_shown(answer)}
        assert made["hour"].pk in runs_shown(answer) and made["day"].pk not in runs_shown(answer)


@pytest.mark.extended
def test_chips_say_what_is_asked_and_nonsense_is_told(orders, sign_in, owner):
    client = sign_in(owner)
    page = Page(client.get(RUN_LIST, {"status": "failed", "longer": "2h 30m", "term": "order_no:<b>7", "q": "x"}))
    assert "Status is Failed" in page.text and "Duration at least 2 h 30 m" in page.text
    assert "Search term order_no: <b>7" in page.text
    [remove] = [a["href"] for a in page.all() if a.get("aria-label") == "Remove filter Status is Failed"]
    assert remove.startswith("?q=x&") and "longer=2h+30m" in remove and "status" not in remove
    for query, said in (
        ({"status": "broken"}, "Unknown status: 'broken'. Choose one from the list."),
        ({"longer": "soon"}, "is not a duration"),
        ({"from": "yesterday"}, "is not a valid time"),
        ({"version": "9" * 20}, "is not a version number"),
        ({"run": "zz"}, "A run ID has 8 to 32 digits"),
        ({"term": "order_no"}, "Enter a search term as name:value"),
        ({"workflow": "a,B!"}, "is not the slug of a workflow"),
        ({"since": "\0"}, ""),
        ({"after": "x", "before": "y", "to": "9999-12-31T23:59"}, "is not a valid time"),
        ({"bulk": "1"}, "This bulk action does not exist"),
    ):
        answer = client.get(RUN_LIST, query)
        assert answer.status_code == 200 and said in Page(answer).text, query


@pytest.mark.extended
def test_what_is_found_tells_nobody_what_they_may_not_see(orders, sign_in, owner, colleague, stranger):
    workflow, runs = orders
    assign_perm("view_workflow", colleague, workflow)
    sees, seeks = (
        sign_in(colleague),
        ({"term": "order_no:1001"}, {"q": "LODZ"}, {"error": "withdrawn"}, {"q": "withdrawn"}),
    )
    assert runs["1001"].pk in runs_shown(sees.get(RUN_LIST))
    for query in seeks:
        assert runs_shown(sees.get(RUN_LIST, query)) == [], query
        assert len(runs_shown(sign_in(owner).get(RUN_LIST, query))) == 1, query
    assert (
        "withdrawn_by hand" not in Page(sees.get(RUN_LIST)).text
        and "View payloads permission required" in Page(sees.get(RUN_LIST)).text
    )
    nothing = sign_in(stranger)
    for query in (*seeks, {}, {"workflow": "orders"}, {"run": str(runs["1001"].pk)}, {"trace": runs["1001"].trace_id}):
        answer = nothing.get(RUN_LIST, query)
        assert runs_shown(answer) == [] and ">Orders<" not in answer.content.decode(), query
    legend = re.findall(
        r'da-legend-entry">.*?<b class="numeric">([^<]*)',
        nothing.get(RUN_LIST, {"workflow": "orders"}).content.decode(),
    )
    assert legend == []


@pytest.mark.extended
def test_what_no_index_answers_is_looked_for_a_part_at_a_time(workflow, sign_in, owner, monkeypatch):
    monkeypatch.setattr(run_keyset, "LOOKED_AT", 60)
    found = workflow(SEARCHED_ORDERS)
    long = [run_of_age(found, 1_000 - n, n) for n in range(0, 40, 10)]
    ExecutionRun.objects.filter(pk__in=[run.pk for run in long]).update(origin="schedule")
    for n in range(100):
        run_of_age(found, 900 - n, n)
    client, seen, pages = sign_in(owner), [], 0
    answer = client.get(RUN_LIST, {"origin": "schedule"})
    assert "No matches in runs since" in Page(answer).text and runs_shown(answer) == []
    while pages < 20:
        seen += runs_shown(answer)
        pages += 1
        following = [a["href"] for a in Page(answer).all(rel="next")]
        if not following:
            break
        answer = client.get(RUN_LIST + following[0])
    assert seen == [run.pk for run in reversed(long)] and pages > 1
    back = [a["href"] for a in Page(answer).all(rel="prev")]
    assert back and client.get(RUN_LIST + back[0]).status_code == 200


@pytest.mark.extended
def test_the_histogram_counts_what_the_list_shows(orders, sign_in, owner):
    client = sign_in(owner)
    for query, counted in (
        ({}, {"Failed": "1", "Waiting": "1", "Succeeded": "2"}),
        ({"since": "30d"}, {"Failed": "1", "Cancelled": "1", "Waiting": "1", "Succeeded": "2"}),
        ({"origin": "schedule"}, {"Succeeded": "1"}),
        ({"term": "order_no:1001"}, {"Succeeded": "1"}),
        ({"show": "tests"}, {"Succeeded": "1"}),
    ):
        html = tidy(client.get(RUN_LIST, query).content.decode())
        assert dict(re.findall(r'aria-hidden="true"></i>(\w+)<b class="numeric">([^<]*)', html)) == counted, query
    bars = re.findall(r'data-from="([^"]*)" data-to="([^"]*)" data-said="([^"]*)"', html)
    [(start, end)] = [(start, end) for start, end, said in bars if "Succeeded 1" in said]
    within = client.get(RUN_LIST, {"from": start, "to": end, "show": "tests"})
    assert len(runs_shown(within)) == 1 and "Runs from" in within.content.decode()
    assert runs_shown(client.get(RUN_LIST, {"from": end, "show": "tests"})) == []


def test_the_bars_follow_each_other_where_clocks_are_put_forward_and_back(workflow, sign_in, owner, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    flow, client = workflow(SEARCHED_ORDERS), sign_in(owner)
    for day in ("2026-03-29", "2026-10-25"):
        begin = dt.datetime.fromisoformat(f"{day}T00:00+00:00") - dt.timedelta(hours=1)
        moments = [begin + dt.timedelta(minutes=30 * number + 10) for number in range(8)]
        for moment in moments:
            run_of_age(flow, (timezone.now() - moment).total_seconds())
        period = {"from": begin.isoformat(), "to": (begin + dt.timedelta(hours=4)).isoformat()}
        html = tidy(client.get(RUN_LIST, period).content.decode())
        found = re.findall(r'data-from="([^"]*)" data-to="([^"]*)" data-said="([^"]*)"', html)
        bars = [(dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end), said) for start, end, said in found]
        assert all(end - start == dt.timedelta(minutes=5) for start, end, _ in bars) and len(bars) == 48
        assert all(one[1] == other[0] for one, other in itertools.pairwise(bars))
        assert [
            m for m in moments for start, end, said in bars if "Succeeded 1" in said and start <= m < end
        ] == moments


def test_search_terms_are_declared_in_the_builder_checked_and_written_to_files(orders, sign_in, owner):
    workflow, _ = orders
    editor, client = Editor(workflow, owner), sign_in(owner)
    many = {f"t{number}": "event.payload.n" for number in range(11)}
    for terms, said in (
        (many, "At most 10 search terms are allowed, not 11."),
        ({"Order No": "event.payload.n"}, "use lowercase letters"),
        ({"order_no": "steps.check.output"}, "steps"),
        ({"order_no": "event.payload..x"}, "search_terms.order_no"),
    ):
        state = editor.do("edit_settings", set={"search_terms": terms})
        assert said in " ".join(f"{each.field} {each.reason}" for each in state.problems), terms
    editor.do("edit_settings", set={"search_terms": {"number": "event.payload.order.no"}})
    assert not editor.state.problems
    panel = client.get(reverse("studio:builder", args=[workflow.pk]), {"step": "~workflow"})
    assert "event.payload.order.no" in panel.content.decode() and "Search terms" in Page(panel).text
    file = client.get(reverse("studio:workflow_file", args=[workflow.pk]), {"show": "draft"}).content.decode()
    assert yaml_files.read_workflow(file).search_terms == {"number": "event.payload.order.no"}
    published = client.get(reverse("studio:workflow_file", args=[workflow.pk])).content.decode()
    assert set(yaml_files.read_workflow(published).search_terms) == {"order_no", "city"}


STOPS = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - kind: branch
    key: decide
    arms:
      - key: refused
        name: Refused
        when: {'>': [{var: event.payload.total}, 5]}
        steps: [{kind: stop, key: end, name: End}]
      - key: doubtful
        when: {'>': [{var: event.payload.total}, 4]}
        steps: [{kind: stop, key: end_too, message: Too few facts}]
  - {key: order, action: data.set}
"""


def test_a_run_that_a_stop_ended_says_where(workflow, deliver, drain, sign_in, owner):
    workflow(STOPS)
    for total in (6, 5, 1):
        deliver({"total": total})
    drain()
    page = Page(sign_in(owner).get(RUN_LIST))
    assert page.text.count("Succeeded") >= 3
    assert "End Refused" in page.text and "End too Too few facts" in page.text
    assert len(page.all(class_="da-phone-reason")) == 2, "a run that went to its end has no reason"
