"""One filter has one number: the list page by page, the histogram above it, the API, bulk actions and the export."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automate_core.events.search_terms import SUBJECT
from automate_core.models import ExecutionRun, SearchTerm, Wait
from automate_governance.people.locale import person_locale
from automate_operations import bulk_selection
from automate_operations.queries.run_filters import PERIODS, find_period, parse_run_filters
from automate_studio.runs.listing import page as run_list
from tests.support.pages import Page, tidy
from tests.support.people import choose_zone_of_noon
from tests.support.run_lists import RUN_LIST, runs_shown
from tests.support.runs import published_workflows, run_of_age

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ("PO-1003", "PO-2001", "Lodz", "Orders", "timeout", "1003")
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "q": st.sampled_from([*TEXTS, "po-1003", "no such thing"]),
        "show": st.sampled_from(["attention", "running", "waiting", "succeeded", "tests"]),
        "status": st.sampled_from(["failed", "waiting,succeeded", "cancelled,failed"]),
        "workflow": st.sampled_from(["orders", "orders,alerts"]),
        "origin": st.sampled_from(["webhook", "schedule", "manual,webhook"]),
        "reason": st.sampled_from(["approval", "review"]),
        "term": st.sampled_from(["order_no:PO-1003", "city:LODZ"]),
        "error": st.sampled_from(["timeout", "no such thing"]),
        "longer": st.just("2s"),
        "since": st.sampled_from(list(PERIODS)),
        "ended": st.just(f"{timezone.now() - dt.timedelta(hours=20):%Y-%m-%dT%H:%M}"),
    },
)


@pytest.fixture
def runs(owner):
    """Sixty runs of two days and two workflows, most with one text as two terms and as the subject of others."""
    choose_zone_of_noon(owner)
    flows = published_workflows(owner, "Orders", "Alerts")
    states = ("failed", "waiting", "succeeded", "cancelled", "running")
    for number in range(60):
        status, text = states[number % len(states)], TEXTS[number % len(TEXTS)]
        error = {"code": "timeout", "message": f"timeout of {text}"} if status in {"failed", "cancelled"} else None
        run = run_of_age(
            flows[number % 2],
            5 + number * 3_000,
            number,
            status=status,
            error=error,
            origin=("webhook", "schedule", "manual")[number % 3],
            cause="test" if number % 7 == 6 else "trigger",
        )
        if status == "waiting":
            Wait.objects.create(run=run, path="check", kind=("approval", "timer", "review")[number % 3])
        if status == "failed" and number % 3 == 0:
            add_rerun(run, number, "succeeded" if number % 2 else "failed")
        for name in ("order_no", "reference", SUBJECT)[: number % 4]:
            SearchTerm.objects.create(run=run, name=name, value=text if name == SUBJECT else text.upper())
        if number % 5 == 0:
            SearchTerm.objects.create(run=run, name="city", value="LODZ")


def add_rerun(run, number, status):
    """A re-run of a re-run of the run."""
    for place, each in enumerate(("failed", status)):
        again = run_of_age(run.workflow, 4, 2 * number + place, status=each, cause="retry", retried_from=run)
        ExecutionRun.objects.filter(pk=run.pk).update(rerun_at=again.created_at)
        run = again


def count_faces(query, client, token, person):
    """The number of runs, once for each place that gives it."""
    found, url = [], query
    while url is not None:
        answer = client.get(RUN_LIST, url) if isinstance(url, dict) else client.get(RUN_LIST + url)
        found += runs_shown(answer)
        url = next((link["href"] for link in Page(answer).all(rel="next")), None)
    assert len(found) == len(set(found)), query
    drawn = tidy(client.get(RUN_LIST, {"since": "30d", **query}).content.decode())
    legend = re.findall(r'aria-hidden="true"></i>\w+<b class="numeric">([^<]*)', drawn)
    listed, cursor = [], {}
    asked = {"search" if name == "q" else name: value.split(",") for name, value in query.items()}
    while cursor is not None:
        answer = token.get("/runs", {**asked, **cursor}).json()
        listed += [row["id"] for row in answer["items"]]
        cursor = {"cursor": answer["next"]} if answer["next"] else None
    with person_locale(person):
        bulk = bulk_selection.select_filtered(person, "retry", parse_run_filters(query)).found
    exported = b"".join(client.post(f"{reverse('studio:runs_export')}?{_query(query)}", {"format": "jsonl"}))
    return {
        "list": len(found),
        "histogram": sum(int(count) for count in legend),
        "API": len(listed),
        "bulk": bulk,
        "export": len(exported.splitlines()),
    }


def _query(query):
    return "&".join(f"{name}={value.replace(' ', '+')}" for name, value in query.items())


@pytest.mark.parametrize("examples", [8, pytest.param(200, marks=pytest.mark.extended)])
def test_every_place_counts_the_runs_of_a_filter_alike(runs, sign_in, owner, api, monkeypatch, examples):
    monkeypatch.setattr(run_list, "ON_A_PAGE", 7)
    client, token = sign_in(owner), api(owner)

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(FILTERS)
    def counts_agree(query):
        faces = count_faces(query, client, token, owner)
        assert len(set(faces.values())) == 1, (query, faces)

    counts_agree()


def test_a_text_that_stands_in_two_terms_of_a_run_counts_once(runs, sign_in, owner, api):
    faces = count_faces({"q": "PO-1003"}, sign_in(owner), api(owner), owner)
    expected = ExecutionRun.objects.filter(terms__value="PO-1003").exclude(cause="test").distinct()
    assert set(faces.values()) == {expected.count()}


def test_today_and_yesterday_are_days_of_the_person(runs, sign_in, owner, api):
    client, token, zone = sign_in(owner), api(owner), choose_zone_of_noon(owner)
    by_day = {}
    for run in ExecutionRun.objects.exclude(cause="test"):
        by_day.setdefault(run.created_at.astimezone(zone).date(), set()).add(str(run.pk))
    today = timezone.now().astimezone(zone).date()
    for name, day in {"today": today, "yesterday": today - dt.timedelta(days=1)}.items():
        assert set(count_faces({"since": name}, client, token, owner).values()) == {len(by_day[day])}, name
        page = Page(client.get(RUN_LIST, {"since": name}))
        assert f"Started {name.capitalize()}" in page.text
        for until in ("", f"&until={today + dt.timedelta(days=1)}T00:00"):
            listed = token.get(f"runs?limit=100&since={name}{until}").json()["items"]
            assert {run["id"] for run in listed} == by_day[day], (name, until)


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Europe/Berlin", "2026-03-30T12:00+02:00", 23),
        ("Europe/Berlin", "2026-10-26T12:00+01:00", 25),
        ("Asia/Beirut", "2026-03-29T12:00+03:00", 24),  # this day began at one o'clock
        ("America/Havana", "2026-11-01T12:00-05:00", 24),  # midnight was there twice: the day began with the first
        ("Asia/Kathmandu", "2026-01-01T00:00+05:45", 24),
    ],
)
def test_a_day_begins_at_midnight_also_when_clocks_change(zone, now, hours):
    moment = dt.datetime.fromisoformat(now)
    with timezone.override(ZoneInfo(zone)):
        start, end = find_period("yesterday", moment)
        assert find_period("today", moment) == (end, None)
    assert end - start == dt.timedelta(hours=hours) and end <= moment
    first, last = (each.astimezone(ZoneInfo(zone)) for each in (start, end - dt.timedelta.resolution))
    assert first.date() == last.date() == (moment - dt.timedelta(days=1)).date()
    assert (start - dt.timedelta.resolution).astimezone(ZoneInfo(zone)).date() < first.date()
