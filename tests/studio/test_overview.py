"""The overview: what it says of which workflows, to whom, in how many queries, and what is done about failures there."""

from __future__ import annotations

import datetime as dt
import re

import msgspec
import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core import database
from automate_core.models import (
    EndedRun,
    ExecutionRun,
    FailureGroup,
    OutboxJob,
    QueueLevel,
    StepRun,
    Wait,
    WaitAssignee,
    WorkerState,
    Workflow,
    WorkflowVersion,
)
from automate_core.outbox.status import read_status
from automate_core.runs import control
from automate_core.runs.waits import approvals
from automate_governance.models import AuditEntry
from automate_operations import bulk
from automate_operations.statistics import rollup
from automate_operations.statistics.period_figures import Bar, Counts
from automate_operations.statistics.periods import Period
from automate_studio.overview import work as overview_work
from automate_studio.overview.charts import build_chart
from automate_studio.overview.work import build_work
from automate_ui import versions
from tests.support.audit import without_append_only
from tests.support.events import came_to
from tests.support.pages import HOSTILE, Page, tidy
from tests.support.people import make_person
from tests.support.runs import ended_runs, published_workflows, run_of_age
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}
INDEX = reverse("admin:index")


def figures(page):
    """The key figures by their label, with what stands beside them."""
    cells = re.findall(
        r'class="caption">(.*?)</span>.*?class="figure numeric">(.*?)</span>\s*<span class="change numeric \w*">(.*?)</span>\s*[<\n]',
        tidy(page),
        re.S,
    )
    return {label: re.sub(r"<[^>]*>|\s+", " ", f"{value} | {beside}").split() for label, value, beside in cells}


@pytest.fixture
def story(owner):
    """Two workflows of the owner's with runs of today and of the day before."""
    flow, other = published_workflows(owner, "Flow", "Other")
    ended_runs(flow, 8)
    ended_runs(flow, 2, status="failed", message=f"No customer {HOSTILE}", code="http_404")
    ended_runs(flow, 5, hours_ago=30)
    ended_runs(other, 3, took=90)
    slow = ExecutionRun.objects.filter(workflow=other).last()
    ask = {"kind": "action", "key": "ask", "name": "Ask the model", "action": "data.set"}
    loop = {"kind": "for_each", "key": "each", "items": "{{ [1, 2] }}", "steps": [ask]}
    send = {"kind": "action", "key": "send", "name": "Send the bill", "action": "data.set"}
    with without_append_only():
        for made, step in ((other, loop), (flow, send)):
            definition = {"name": made.name, "slug": made.slug, "steps": [step]}
            WorkflowVersion.objects.filter(workflow=made).update(definition=definition)
    for path, seconds in (("each", 80), ("each[0]/ask", 30), ("each[1]/ask", 50), ("tell", 10)):
        end = slow.started_at + dt.timedelta(seconds=seconds)
        StepRun.objects.create(run=slow, path=path, status="succeeded", started_at=slow.started_at, finished_at=end)
    return flow, other


@pytest.mark.parametrize(
    ("ages", "summary", "states"),
    [
        ((5, 5), "2 online", ["succeeded", "succeeded"]),
        ((5, 45), "1 of 2 silent", ["succeeded", "failed"]),
        ((5, 90), "1 online", ["succeeded", "cancelled"]),
        ((90, 90), "No worker", ["cancelled", "cancelled"]),
        ((), "No worker", []),
    ],
)
def test_workers_that_were_killed_are_first_silent_then_stopped(db, ages, summary, states):
    for number, age in enumerate(ages):
        WorkerState.objects.create(name=f"w{number}", slots=8, seen_at=database.now() - dt.timedelta(seconds=age))
    work = build_work(read_status())
    assert (work.summary, [row.state for row in work.workers]) == (summary, states)
    assert work.state == ("succeeded" if "online" in summary else "failed")


def test_quarantined_jobs_are_explained(db):
    """Why they take longer than others."""
    work = build_work(msgspec.structs.replace(read_status(), suspects=44))
    shown = render_to_string("automate_studio/overview/work.html", {"work": work})
    assert "Quarantined" in shown and "these jobs run one at a time, apart from all others" in shown


def test_tasks_of_a_viewer_are_counted_once_and_named(workflow, sign_in):
    """They may be of workflows that the person may not see."""
    flow = workflow(WITHOUT_TRIGGERS)
    viewer = make_person("jonas", "Viewers")
    run = ExecutionRun.objects.create(workflow=flow, version=flow.published, trace_id="1" * 32, status="waiting")
    for path in ("ask", "ask_again"):
        WaitAssignee.objects.create(wait=Wait.objects.create(run=run, path=path, kind="approval"), user=viewer)
    answer = sign_in(viewer).get(INDEX)
    content = answer.content.decode()
    found = figures(content)["Waiting on people"]
    assert found[0] == "2" and found[-3:] == ["2", "are", "yours"] and "No" not in found
    assert "Nothing needs attention" not in content and "Your tasks: 2" in Page(answer).text


@pytest.mark.extended
def test_the_figures_and_what_is_behind_them(story, sign_in, owner, admin):
    flow, _ = story
    QueueLevel.objects.create(
        at=database.now() - dt.timedelta(hours=28), ready=40, oldest_seconds=9, looked_at=database.now()
    )
    WorkerState.objects.create(name="hardy", slots=8, held=3)
    WorkerState.objects.create(name="gone", slots=8, seen_at=database.now() - dt.timedelta(minutes=4))
    run = ExecutionRun.objects.create(workflow=flow, version=flow.published, trace_id="1" * 32, status="waiting")
    wait = Wait.objects.create(run=run, path="ask", kind="approval", created_at=database.now() - dt.timedelta(days=2))
    WaitAssignee.objects.create(wait=wait, user=admin)
    client = sign_in(admin)
    answer = client.get(INDEX)
    content, page = answer.content.decode(), Page(answer)
    found = figures(content)
    assert found["Ended runs"] == ["13", "|", "Up", "160.0%", "vs.", "previous", "day"]
    assert found["Success rate"] == ["84.6", "%", "|", "Down", "15.4", "pts", "vs.", "previous", "day"]
    assert found["Working time, 95% within"][:2] == ["1", "m"] and found["Working time, 95% within"][5] == "Up"
    assert found["Queue depth"] == ["0", "|", "Empty", "peak", "0,", "was", "40"]
    assert found["Waiting on people"] == ["1", "|", "1", "for", "over", "a", "day", "1", "is", "yours"]
    assert "1 waiting" in page.text and "Waiting for a decision for more than a day" in page.text
    links = [a["href"] for a in page.all(class_="da-kpi")]
    assert links[4] == reverse("studio:approval_list") and all(client.get(link).status_code == 200 for link in links)
    [drawing] = page.all(role="img", viewbox="0 0 662 228")
    assert re.fullmatch(
        r"Runs per hour: 11 succeeded, 2 failed, 0 cancelled. Most failures: 2, \d\d:00 to \d\d:00\.",
        drawing["aria-label"],
    )
    assert "1 online" in page.text and "3 of 8 slots busy" in content and "stopped 4 m ago" in page.text
    assert "Slowest step in recent runs: Ask the model, 40.0 s on average" in content
    assert page.text.index("Other") < page.text.rindex("Flow"), "the slowest first"

    table = Page(client.get(INDEX, {"view": "table", "period": "7d"}))
    assert (
        "Runs per 6 hours" in table.text
        and "18" in figures(client.get(INDEX, {"period": "7d"}).content.decode())["Ended runs"]
    )
    assert len([tag for tag, _ in table.tags if tag == "tr"]) >= 29
    for nonsense in ({"period": "\0"}, {"period": "1y", "view": "<b>"}):
        assert "Last 24 hours" in Page(client.get(INDEX, nonsense)).text


def test_failures_stand_together_and_are_inert(story, sign_in, owner):
    content = sign_in(owner).get(INDEX).content.decode()
    assert "2 of 10" in content and "new" in content
    assert 'title="Step Send the bill (send)">Send the bill</span>' in tidy(content), "steps are called by their names"
    group = FailureGroup.objects.get()
    retry = sign_in(owner).get(reverse("studio:failures_rerun", args=[group.pk])).content.decode()
    assert "Send the bill" in retry and ">send<" not in retry
    assert "<script>window" not in content and "{{ 7*7 }}" in content
    assert re.search("<bdi[^>]*>No customer[^<]*\u202e[^<]*</bdi>", content), (
        "what turns the text around turns only itself"
    )
    runs = reverse("admin:automate_core_executionrun_changelist")
    links = [f"{runs}{FailureGroup.objects.get().last_run}/change/", f"{runs}?show=attention&amp;workflow=flow"]
    assert [link in content for link in links] == [True, False]
    ExecutionRun.objects.filter(status="failed").delete()
    gone = sign_in(owner).get(INDEX).content.decode()
    assert [link in gone for link in links] == [False, True], "what was let go is linked no more"


def test_as_many_failed_runs_are_counted_as_are_listed(sign_in, owner):
    """Those that began before the period and ended in it, and those that were re-run with success, are among them."""
    [flow] = published_workflows(owner, "Flow")
    before = [run_of_age(flow, hours * 3600, status="failed", finished_at=timezone.now() - dt.timedelta(hours=ended))
              for hours, ended in ((1, 1), (30, 2), (40, 30))]  # fmt: skip
    run_of_age(flow, 60, cause="retry", retried_from=before[0])
    ExecutionRun.objects.filter(pk=before[0].pk).update(rerun_at=timezone.now())
    for run in before:
        EndedRun.objects.create(run=run)
    rollup.count_ended_runs()
    client = sign_in(owner)
    page = Page(client.get(INDEX))
    [link] = [a["href"] for a in page.all(class_="da-link small-text") if "executionrun" in a["href"]]
    assert page.all(class_="da-kpi")[1]["href"] == link and "2 failed." in client.get(INDEX).text
    listed = client.get(link).text
    assert [str(run.pk) in listed for run in before] == [True, True, False]
    assert "Ended" in Page(client.get(link)).text, "the filter can be seen and removed"


def test_each_sees_their_own(story, sign_in, owner, colleague, stranger, admin):
    flow, _ = story
    assign_perm("view_workflow", colleague, flow)
    operator, auditor = make_person("operator", "Operators"), make_person("auditor", "Auditors")
    connector = make_person("connector", "Connection admins")
    Connection.objects.create(name="Broken one", slug="broken", connector="http", owner=owner, health="failing")
    [group] = FailureGroup.objects.all()
    runs = {
        person: figures(sign_in(person).get(INDEX).content.decode())["Ended runs"][0]
        for person in (owner, colleague, operator, auditor, admin)
    }
    assert runs == {owner: "13", colleague: "10", operator: "13", auditor: "13", admin: "13"}
    seen = {
        person.username: sign_in(person).get(INDEX).content.decode() for person in (owner, colleague, operator, auditor)
    }
    assert {name for name, page in seen.items() if "Workers and queues" in page} == {"operator"}
    assert {name for name, page in seen.items() if "Broken one" in page} == {"owner", "operator", "auditor"}
    assert {name for name, page in seen.items() if "No customer" in page} == {"owner", "operator", "auditor"}
    assert {name for name, page in seen.items() if 'title="Re-run all"' in page} == {"owner", "operator"}
    assert "Other" not in re.sub(r"<[^>]*>", "", seen["colleague"])
    # who may not see workflows is led on; who may build and sees none is shown how to begin
    assert sign_in(connector).get(INDEX).status_code == 302
    assert "Build your first workflow" in sign_in(stranger).get(INDEX).content.decode()
    assert sign_in(None).get(INDEX).status_code == 302

    retry, mark = (reverse(f"studio:failures_{name}", args=[group.pk]) for name in ("rerun", "mark"))
    overview = reverse("studio:overview")
    expected = {owner: 200, colleague: 403, stranger: 404, connector: 404, auditor: 403, None: 302}
    for person, status in expected.items():
        client = sign_in(person)
        assert client.get(retry).status_code == status, person
        assert client.post(mark, {"do": "mute"}, headers=HTMX).status_code == {302: 401}.get(status, status), person
        if status != 200:
            assert client.post(retry).status_code == status, person
        else:
            assert client.post(mark, {"do": "unmute"}).status_code == 303
    assert sign_in(connector).get(overview, headers=HTMX).status_code == 404
    assert sign_in(colleague).get(overview, headers=HTMX).status_code == 200
    assert sign_in(colleague).get(overview).url == f"{INDEX}?"
    assert sign_in(owner).post(mark, {"do": "burn"}).status_code == 404
    assert sign_in(owner).get(mark).status_code == 405
    assert not ExecutionRun.objects.filter(cause="retry").exists()


@pytest.mark.extended
def test_what_is_done_about_failures(story, sign_in, owner, monkeypatch):
    client = sign_in(owner)
    [group] = FailureGroup.objects.all()
    retry, mark = (reverse(f"studio:failures_{name}", args=[group.pk]) for name in ("rerun", "mark"))
    muted = client.post(f"{mark}?period=7d", {"do": "mute"}, headers=HTMX)
    page = Page(muted)
    assert {"live", "toast", f"muted-{group.pk}"} <= set(page.ids) and f"failures-{group.pk}" not in page.ids
    assert "Nothing needs attention" in page.text and page.all(name="do", value="unmute")
    assert page.ids["live"]["hx-get"].endswith("?period=7d")
    assert f"failures-{group.pk}" in Page(client.post(mark, {"do": "unmute"}, headers=HTMX)).ids
    assert f"failures-{group.pk}" not in Page(client.post(mark, {"do": "resolve"}, headers=HTMX)).ids
    client.post(mark, {"do": "reopen"}, headers=HTMX)

    assert "Re-run 2 runs of Flow" in Page(client.get(retry)).text
    retry_many = control.rerun_many

    def beside_another(*args, **options):
        """Somebody else presses the button at the same moment: both have looked at what there is to retry."""
        with monkeypatch.context() as patch:
            patch.setattr(control, "rerun_many", retry_many)
            others = sign_in(owner)
            others.post(retry, {"version": "newest"})
            said.append(others.get(INDEX).content.decode())
        return retry_many(*args, **options)

    said = []
    monkeypatch.setattr(control, "rerun_many", beside_another)
    done = client.post(f"{retry}?period=7d", {"version": "newest"})
    monkeypatch.undo()
    assert done.status_code == 303 and done.url == f"{INDEX}?period=7d"
    assert "Re-ran 2 runs." in said[0] and "was already re-run" in client.get(done.url).content.decode()
    assert ExecutionRun.objects.filter(cause="retry", retried_from__failure__group=group).count() == 2
    assert "Nothing to re-run" in Page(client.get(retry)).text
    verbs = AuditEntry.objects.order_by("at").filter(verb__startswith="failures.").values_list("verb", flat=True)
    assert list(verbs) == [f"failures.{verb}" for verb in ("muted", "unmuted", "resolved", "reopened", "retried")]

    flow = group.workflow
    ended_runs(flow, 2, status="failed", code="again")
    again = FailureGroup.objects.get(code="again")
    first, last = ExecutionRun.objects.filter(failure__group=again).order_by("pk")
    page = reverse("admin:automate_core_executionrun_change", args=[first.pk])
    assert "Resolve similar failures" in Page(client.get(page)).text
    assert client.post(_mark(again), {"do": "resolve", "run": first.pk}).url == page, "from a run's page back to it"
    assert "Resolved." in client.get(page).content.decode() and "like this" not in Page(client.get(page)).text
    client.post(_mark(again), {"do": "reopen"})
    for run, is_open in ((first, True), (last, False)):  # wherever they are run again: none is left after the last
        assert client.post(reverse("studio:run_rerun", args=[run.pk]), {"start": "start"}).status_code == 303
        again.refresh_from_db()
        assert (again.resolved_at is None) is is_open
    ended_runs(flow, 3, status="failed", code="many")
    failed = ExecutionRun.objects.filter(failure__group__code="many")
    bulk.create_bulk_action("retry", list(failed.values_list("pk", flat=True)), {"start": "start"}, by=owner)
    assert bulk.run_next_batch() == 0.0 and not FailureGroup.objects.filter(resolved_at=None, code="many").exists()

    type(flow).objects.filter(pk=flow.pk).update(status="archived")
    ended_runs(flow, status="failed", code="other")
    other = FailureGroup.objects.get(code="other")
    refused = client.post(reverse("studio:failures_rerun", args=[other.pk]))
    assert "is archived" in client.get(refused.url).content.decode()


def _mark(group):
    return reverse("studio:failures_mark", args=[group.pk])


def test_dead_jobs_are_replayed(story, sign_in, admin, owner):
    event = came_to("github", type="x", payload={}, trace_id="3" * 32)
    dead = OutboxJob.objects.create(kind="dispatch", event=event, status="dead", last_error="given up")
    client, replay = sign_in(admin), reverse("studio:jobs_requeue")
    page = Page(client.get(INDEX))
    assert "Dead jobs" in page.text and any(a.get("hx-post", "").startswith(replay) for _, a in page.tags)
    assert sign_in(owner).post(replay).status_code == 404
    done = Page(client.post(replay, headers=HTMX))
    assert "1 job requeued." in done.text and "Dead jobs" not in done.text
    assert OutboxJob.objects.exclude(pk=dead.pk).get().event == event
    assert "0 jobs requeued." in Page(client.post(replay, headers=HTMX)).text


def test_a_pause_that_runs_wait_for_is_named(story, sign_in, owner, admin, stranger):
    for number, workflow in enumerate(published_workflows(owner, "Paid", "Packed")):
        Workflow.objects.filter(pk=workflow.pk).update(status="paused")
        for _ in range(number):
            Wait.objects.create(run=run_of_age(workflow, 90, status="waiting"), path="", kind="paused")
    assert "1 paused workflow" in (told := Page(sign_in(owner).get(INDEX)).text)
    assert "Runs wait until the workflows are resumed." in told
    assert "paused workflow" not in Page(sign_in(stranger).get(INDEX)).text
    Workflow.objects.update(status="active")
    assert "paused workflow" not in Page(sign_in(admin).get(INDEX)).text


def test_as_many_queries_for_many_workflows_as_for_few(story, sign_in, owner):
    client, counts = sign_in(owner), []
    for more in (0, 12):
        for workflow in published_workflows(owner, *(f"More {n}" for n in range(more))):
            ended_runs(workflow, 2)
            ended_runs(workflow, status="failed", code="gone")
            Connection.objects.create(
                name=workflow.name, slug=workflow.slug, connector="http", owner=owner, health="failing"
            )
        client.get(INDEX)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(INDEX, {"period": "30d"}).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 32, counts


@pytest.mark.parametrize("page", ["history", "delete", "change"])
def test_the_line_of_the_overview_has_no_objects(sign_in, owner, page):
    assert sign_in(owner).get(f"/admin/automate_studio/overview/1/{page}/").status_code == 404


ASKED = """
name: Asked
slug: asked
triggers: [{endpoint: github}]
steps:
  - kind: branch
    key: large
    name: Large
    arms: [{key: yes, when: true, steps: [{kind: approval, key: ask, assignees: [owner], timeout: 1d}]}]
  - {key: send, name: Send it, action: data.set, inputs: {a: 1}}
"""


def test_a_step_that_holds_an_approval_is_not_the_slowest(workflow, deliver, drain, owner):
    made = workflow(ASKED)
    deliver({})
    drain()
    run = ExecutionRun.objects.get()
    StepRun.objects.filter(path="large").update(started_at=timezone.now() - dt.timedelta(minutes=1))
    approvals.decide_approval(run.waits.get(kind="approval"), by=owner, outcome="approved")
    drain()
    made.refresh_from_db()
    assert overview_work.slowest_steps({made.pk: made})[made.pk].name == "Send it"


@pytest.mark.parametrize(
    ("inputs", "service"),
    [
        ({"url": "https://erp.example.com/orders/{{ event.id }}"}, "erp.example.com"),
        ({"url": "/orders"}, "crm"),
        ({"url": "https://{{ event.payload.region }}.example.com/"}, "crm"),
        ({}, "crm"),
    ],
)
def test_the_slowest_step_names_the_service_that_it_waits_for(story, sign_in, owner, inputs, service):
    called = {"kind": "action", "key": "ask", "action": "http.request", "connection": "crm", "inputs": inputs}
    definition = WorkflowVersion.objects.get(workflow__slug="other").definition
    with without_append_only():
        changed = {**definition, "steps": [called]}
        WorkflowVersion.objects.filter(workflow__slug="other").update(definition=changed)
        StepRun.objects.filter(path="each[1]/ask").update(path="ask")
    versions._known.clear()
    assert f"{service} · Ask 50" in Page(sign_in(owner).get(INDEX)).text


def test_the_chart_draws_every_run_that_it_counts():
    now = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    period = Period("24h", now, now + dt.timedelta(hours=2), dt.timedelta(hours=1))
    bars = [
        Bar(now, Counts(succeeded=2, failed=3, cancelled=1), 0),
        Bar(now + dt.timedelta(hours=1), Counts(succeeded=2), 0),
    ]
    full, plain = build_chart(period, bars, now).columns
    assert full.crest < full.peak < full.top and plain.crest == plain.peak == plain.top
    assert full.ended_early + full.bad + full.good == pytest.approx(3 * plain.good, abs=2.5)
