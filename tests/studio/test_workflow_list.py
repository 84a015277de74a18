"""The workflow list: what it shows, how it is searched, filtered, sorted and paged, and what is done to many at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core import database
from automate_core.models import ExecutionRun, Trigger, Wait, Workflow
from automate_governance.models import AuditEntry
from tests.support.pages import Page, tidy
from tests.support.runs import published_workflows, timed_runs
from tests.support.workflows import BRANCHING

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}


class List:
    """The list, as somebody."""

    url = reverse("admin:automate_core_workflow_changelist")

    def __init__(self, client):
        self.client = client

    def get(self, query: Mapping[str, str] | None = None, **headers):
        return self.client.get(self.url, query or {}, headers=headers)

    def names(self, query: Mapping[str, str] | None = None):
        return re.findall(r'da-row-link"[^>]*>([^<]*)<', self.get(query).content.decode())

    def do(self, verb, *workflows, **query):
        sent = {"do": verb, "id": [workflow.pk for workflow in workflows]}
        return self.client.post(reverse("studio:workflows_manage", query=query), sent, headers=HTMX)


@pytest.fixture
def mine(sign_in, owner):
    return List(sign_in(owner))


def text_of(response):
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def states():
    return dict(Workflow.objects.order_by("name").values_list("name", "status"))


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_a_row_says_how_its_latest_runs_went(mine, owner):
    [workflow] = published_workflows(
        owner, "Alpha", tags=["billing", "eu", "night"], description="Counts <i>things</i>"
    )
    Trigger.objects.create(workflow=workflow, key="t", kind="webhook", config={"endpoint": "github", "event": "issues"})
    timed_runs(workflow, *[1] * 5, status="failed", ago=900)  # older than the last twenty
    timed_runs(workflow, *[2] * 18, 95)
    timed_runs(workflow, 3, status="failed")
    answer = mine.get()
    page = Page(answer)
    bars = next(attributes for attributes in page.all(role="img") if "aria-label" in attributes)
    tracker = bars["aria-label"]
    assert bars["title"] == tracker
    assert tracker == f"Last 20 runs, oldest first: {', '.join(['Succeeded'] * 19 + ['Failed'])}"
    text = text_of(answer)
    assert "Published v1" in text and "Webhook github, issues" in text and "95%" in text and "1 m 35 s" in text
    assert "billing eu +1" in text and "Counts <i>things</i>" in page.text and "1 min ago" in text
    assert page.all(aria_label="owner"), "the owner's avatar"
    assert len(page.all(title="In the last 20 runs")) == 2, "the window of both figures is named"


def test_a_row_has_the_icon_of_its_trigger(workflow, mine):
    workflow(
        "{name: Nightly, slug: nightly, triggers: [{kind: schedule, every: 15m}], steps: [{key: a, action: data.set}]}"
    )
    answer = mine.get()
    assert 'data-icon="schedule"' in answer.content.decode() and "Schedule Every 15 minutes" in text_of(answer)


@pytest.mark.extended
def test_searching_filtering_and_the_tabs(mine, owner, colleague):
    alpha, beta, gamma = published_workflows(owner, "Alpha", "Beta", "Gamma")
    Workflow.objects.filter(pk=alpha.pk).update(tags=["billing", "eu"])
    Workflow.objects.filter(pk=beta.pk).update(owner=colleague, tags=["eu"], status="paused")
    published_workflows(owner, "Draft", status="draft")
    published_workflows(owner, "Old", status="archived", tags=["eu", "gone"])
    published_workflows(colleague, "Theirs", tags=["secret-tag"])
    Trigger.objects.create(workflow=gamma, key="t", kind="schedule", config={"cron": "0 8 * * *"})
    assign_perm("view_workflow", owner, beta)
    for query, found in (
        ({}, ["Alpha", "Beta", "Draft", "Gamma"]),
        ({"show": "active"}, ["Alpha", "Gamma"]),
        ({"show": "paused"}, ["Beta"]),
        ({"show": "draft"}, ["Draft"]),
        ({"show": "archived"}, ["Old"]),
        ({"q": "ALPH"}, ["Alpha"]),
        ({"q": "colleag"}, ["Beta"]),
        ({"q": "Old"}, []),
        ({"tag": "eu"}, ["Alpha", "Beta"]),
        ({"tag": "eu", "show": "archived"}, ["Old"]),
        ({"owner": "colleague"}, ["Beta"]),
        ({"trigger": "schedule"}, ["Gamma"]),
        ({"trigger": "schedule", "tag": "eu"}, []),
        ({"trigger": "form"}, []),
        (
            {"trigger": "nonsense", "show": "nonsense", "sort": "nonsense", "page": "-1"},
            ["Alpha", "Beta", "Draft", "Gamma"],
        ),
        ({"q": "'; DROP TABLE x; --\0"}, []),
        ({"page": "999999999"}, ["Alpha", "Beta", "Draft", "Gamma"]),
    ):
        assert mine.names(query) == found, query
    page = mine.get()
    assert re.findall(r'<a href="[^"]*"[^>]*>(\w+)<span class="count">(\d+)</span>', tidy(page.content.decode())) == [
        ("All", "4"), ("Published", "2"), ("Stopped", "0"), ("Drafts", "1"), ("Paused", "1"), ("Archived", "1"),
    ]  # fmt: skip
    options = [tag["value"] for name, tag in Page(page).tags if name == "option"]
    assert {"billing", "eu", "gone", "colleague", "owner", "schedule"} <= set(options)
    assert "secret-tag" not in page.content.decode()
    empty = mine.get({"tag": "eu", "trigger": "schedule"})
    assert "No workflows match these filters" in text_of(empty) and "Clear filters" in text_of(empty)


@pytest.mark.extended
def test_sorting_and_paging(mine, owner, sign_in, stranger):
    alpha, beta, gamma, _never = published_workflows(owner, "Alpha", "Beta", "Gamma", "Never")
    timed_runs(gamma, 5)
    timed_runs(alpha, 90, 1)
    timed_runs(alpha, 1, status="failed")
    timed_runs(beta, 30)
    for sort, found in (
        ("name", ["Alpha", "Beta", "Gamma", "Never"]),
        ("-name", ["Never", "Gamma", "Beta", "Alpha"]),
        ("-last", ["Beta", "Alpha", "Gamma", "Never"]),
        ("last", ["Gamma", "Alpha", "Beta", "Never"]),
        ("success", ["Alpha", "Beta", "Gamma", "Never"]),
        ("-p95", ["Alpha", "Beta", "Gamma", "Never"]),
        ("p95", ["Gamma", "Beta", "Alpha", "Never"]),
        ("owner", ["Alpha", "Beta", "Gamma", "Never"]),
    ):
        assert mine.names({"sort": sort}) == found, sort
    page = Page(mine.get({"sort": "-last"}))
    assert page.all(aria_sort="descending") and page.all(href="?sort=last") and page.all(href="?sort=success")
    published_workflows(owner, *[f"W{number:02}" for number in range(30)])
    for sort in ("name", "-last"):
        first, second = (mine.get({"sort": sort, "page": number}) for number in ("1", "2"))
        assert "1 to 25 of 34" in text_of(first) and "26 to 34 of 34" in text_of(second)
        assert Page(first).all(rel="next")[0]["href"].endswith("page=2") and not Page(second).all(rel="next")
    names = [*mine.names({"sort": "-last"}), *mine.names({"sort": "-last", "page": "2"})]
    assert len(set(names)) == 34 and names[:3] == ["Beta", "Alpha", "Gamma"]
    assert List(sign_in(stranger)).names() == []


def test_a_filter_asks_for_the_list_alone_and_says_its_address(mine, owner):
    published_workflows(owner, "Alpha", status="paused")
    answer = mine.get({"q": "al", "owner": "", "show": "paused", "sort": "-last"}, **HTMX)
    assert answer["HX-Push-Url"] == f"{List.url}?show=paused&q=al&sort=-last"
    assert answer.content.strip().startswith(b"<section") and {"list", "tabs", "clear", "toast"} <= set(
        Page(answer).ids
    )


@pytest.mark.extended
def test_two_hundred_workflows_with_a_hundred_thousand_runs_cost_what_ten_do(mine, owner, monkeypatch):
    asked = []

    def noted(connection, sql, values, run=database.run):
        asked.append((sql, values))
        return run(connection, sql, values)

    def cost(sort):
        asked.clear()
        with CaptureQueriesContext(connection) as seen:
            assert mine.get({"sort": sort}).status_code == 200
        return len(seen) + len(asked)

    monkeypatch.setattr(database, "run", noted)
    published_workflows(owner, *[f"A{number:02}" for number in range(10)])
    sorts = ("name", "-last", "success", "p95")
    few = [cost(sort) for sort in sorts]
    published_workflows(owner, *[f"B{number:03}" for number in range(190)])
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO automate_core_executionrun (id, workflow_id, version_id, cause, status, trace_id, created_at,
                started_at, finished_at, worker, seq, wakes, depth, parent_path, admitted, priority)
            SELECT gen_random_uuid(), id, published_id, 'retry', 'succeeded', repeat('1', 32), now(), now(), now(), '',
                1, 0, 0, '', true, 0
            FROM automate_core_workflow, generate_series(1, 500)""")
        cursor.execute("ANALYZE automate_core_executionrun")
    # one of them finds the active workflows that nothing can start
    assert [cost(sort) for sort in sorts] == few and max(few) <= 17
    read = []
    for sort in sorts:
        cost(sort)
        read.append(sum(runs_read(*statement) for statement in list(asked)))
    assert read == [25 * 20, *[(200 + 25) * 20] * 3], "the twenty latest of those shown, and of those put in order"


def runs_read(sql, values):
    """How many rows of the runs' table a statement reads."""

    def count(node):
        is_runs = node.get("Relation Name") == "automate_core_executionrun"
        own = node["Actual Rows"] * node["Actual Loops"] if is_runs else 0
        return own + sum(count(inner) for inner in node.get("Plans", ()))

    [[[plan]]] = database.run(None, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
    return round(count(plan["Plan"]))


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_many_are_paused_resumed_archived_and_restored(mine, owner):
    alpha, beta = published_workflows(owner, "Alpha", "Beta")
    [draft] = published_workflows(owner, "Draft", status="draft")
    answer = mine.do("pause", alpha, beta, draft, sort="-name")
    assert answer.status_code == 200 and states() == {"Alpha": "paused", "Beta": "paused", "Draft": "draft"}
    said = text_of(answer)
    assert "Paused 2 workflows." in said and "Cannot pause the workflow draft. Its status is Draft." in said
    assert answer["HX-Push-Url"].endswith("?sort=-name")
    undo = Page(answer)
    assert undo.all(name="do", value="resume") and {tag["value"] for tag in undo.all(type="hidden", name="id")} == {
        str(alpha.pk), str(beta.pk),
    }  # fmt: skip
    assert mine.do("resume", alpha, beta).status_code == 200 and states()["Alpha"] == "active"
    mine.do("pause", alpha)
    waiting = ExecutionRun.objects.create(workflow=alpha, version=alpha.published, trace_id="1" * 32, status="waiting")
    Wait.objects.create(run=waiting, path="", kind="paused")
    assert "Archived Alpha." in text_of(mine.do("archive", alpha))
    waiting.refresh_from_db()
    assert (
        waiting.status == "cancelled" and "Alpha" not in mine.names() and mine.names({"show": "archived"}) == ["Alpha"]
    )
    assert "Restored Alpha." in text_of(mine.do("restore", alpha, show="archived")) and states()["Alpha"] == "paused"
    verbs = AuditEntry.objects.filter(object_id=str(alpha.pk), verb__startswith="workflow.").order_by("pk")
    assert [entry.verb.partition(".")[2] for entry in verbs] == [
        "paused", "resumed", "paused", "archived", "restored",
    ]  # fmt: skip
    assert {entry.actor for entry in verbs} == {"owner"}


def test_each_is_asked_for_itself(mine, owner, colleague, stranger, sign_in):
    alpha, beta, gamma = published_workflows(owner, "Alpha", "Beta", "Gamma")
    for workflow in (alpha, beta):
        assign_perm("view_workflow", colleague, workflow)
    assign_perm("publish_workflow", colleague, alpha)
    theirs = List(sign_in(colleague))
    page = Page(theirs.get())
    assert len(page.all(type="checkbox", name="id")) == 1 and page.all(name="id")[0]["value"] == str(alpha.pk)
    answer = theirs.do("pause", alpha, beta, gamma)
    assert states() == {"Alpha": "paused", "Beta": "active", "Gamma": "active"}
    assert "Beta: you need the Operate or Publish permission." in text_of(answer) and "Gamma" not in text_of(answer)
    assert theirs.do("archive", beta).status_code == 403
    assert theirs.do("archive", gamma).status_code == 404
    assert theirs.do("pause", alpha).status_code == 409
    assert List(sign_in(stranger)).do("pause", alpha).status_code == 404
    assert List(sign_in(None)).do("pause", alpha).status_code == 401
    assert mine.do("explode", alpha).status_code == mine.do("pause").status_code == 422
    assert mine.client.get(reverse("studio:workflows_manage")).status_code == 405


def test_operators_pause_and_resume_and_archive_nothing(mine, owner, stranger, sign_in):
    [alpha] = published_workflows(owner, "Alpha")
    stranger.groups.set(Group.objects.filter(name="Operators"))
    theirs = List(sign_in(stranger))
    page = reverse("admin:automate_core_workflow_change", args=[alpha.pk])
    pause, resume, archive = (
        reverse(f"studio:workflow_{verb}", args=[alpha.pk]) for verb in ("pause", "resume", "archive")
    )
    assert Page(theirs.client.get(page)).all(action=pause) and not Page(theirs.client.get(page)).all(action=archive)
    assert theirs.do("pause", alpha).status_code == 200 and states() == {"Alpha": "paused"}
    assert theirs.client.post(resume).status_code == 303 and states() == {"Alpha": "active"}
    assert theirs.do("archive", alpha).status_code == theirs.client.post(archive).status_code == 403
    assert states() == {"Alpha": "active"}


FORM_FLOW = """
name: Orders
slug: orders
triggers: [{kind: form, key: form, slug: orders, inputs: [{name: who}]}]
steps: [{key: a, action: data.set}]
"""


def test_pausing_and_archiving_say_that_the_hosted_form_is_closed(workflow, mine, owner):
    form, [plain] = workflow(FORM_FLOW), published_workflows(owner, "Plain")
    closed = "Hosted forms are closed and accept no answers."
    pages = {each: reverse("admin:automate_core_workflow_change", args=[each.pk]) for each in (form, plain)}
    dialogs = Page(mine.client.get(pages[form])).text
    assert "Its hosted form is closed until you resume the workflow: people cannot send answers." in dialogs
    assert "Its hosted form is closed: people cannot send answers." in dialogs
    assert "hosted form" not in Page(mine.client.get(pages[plain])).text
    assert "Hosted forms of these workflows are closed." in text_of(mine.get())
    for each, is_closed in ((form, True), (plain, False)):
        mine.client.post(reverse("studio:workflow_pause", args=[each.pk]))
        assert (closed in Page(mine.client.get(pages[each])).text) is is_closed
        assert closed not in text_of(mine.do("resume", each))
        assert (closed in text_of(mine.do("pause", each))) is is_closed
        mine.client.post(reverse("studio:workflow_archive", args=[each.pk]))
        assert (closed in Page(mine.client.get(pages[each])).text) is is_closed


@pytest.mark.extended
def test_one_is_archived_and_restored_on_its_page(workflow, sign_in, owner, deliver, drain):
    one = workflow(BRANCHING)
    client, page = sign_in(owner), reverse("admin:automate_core_workflow_change", args=[one.pk])
    archive, restore = (reverse(f"studio:workflow_{verb}", args=[one.pk]) for verb in ("archive", "restore"))
    assert Page(client.get(page)).all(action=archive) and not Page(client.get(page)).all(action=restore)
    answer = client.post(archive)
    assert (answer.status_code, answer["Location"]) == (303, page)
    shown = Page(client.get(page))
    assert "Workflow archived. No new runs start" in shown.text and shown.all(action=restore)
    deliver({"title": "go"})
    drain()
    assert not ExecutionRun.objects.exists()
    client.post(archive)
    assert "Its status is Archived." in Page(client.get(page)).text
    client.post(restore)
    assert "Workflow restored. It is paused" in Page(client.get(page)).text
