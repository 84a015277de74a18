"""The screens as HTML: what they show, to whom, and in how many queries."""

from __future__ import annotations

import re
import uuid

import pytest
from django.db import transaction
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import (
    Event,
    ExecutionRun,
    StepRun,
)
from automate_governance.admin_site import admin_site
from automate_governance.models import AuditEntry
from tests.studio.addresses import MATRIX, run_urls
from tests.support.matrix import representatives
from tests.support.pages import HOSTILE, Page
from tests.support.workflows import BRANCHING

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_run_page_shows_the_tree_the_timeline_and_the_step(run, sign_in, owner):
    page = Page(sign_in(owner).get(run_urls(run)["page"]))
    assert page.status == 200
    states = {name: page.ids[f"card-{name}"]["data-st"] for name in ("first", "route", "route-inner", "route-refuse")}
    assert states == {"first": "succeeded", "route": "succeeded", "route-inner": "succeeded", "route-refuse": "skipped"}
    name = page.ids["card-first"]["aria-label"]
    assert name.startswith("First things, 1 · Data: Set values, ") and name.endswith(", succeeded")
    assert page.ids["card-route-inner"]["aria-level"] == "2"
    assert {"row-first", "row-route-inner", "run-state", "run-meta", "timeline", "flow", "inspector"} <= set(page.ids)
    assert run.trace_id in str(page.ids) + str(page.tags)
    assert "3 done, 1 skipped" in page.text
    assert '"go"' in page.text, "the first step's output is open"


def test_the_page_opens_at_the_step_that_failed(workflow, deliver, drain, sign_in, owner):
    workflow(BRANCHING)
    deliver({"title": "stay"})
    drain()
    run = ExecutionRun.objects.get()
    page = Page(sign_in(owner).get(run_urls(run)["page"]))
    assert run.status == "failed" and "Not today" in page.text
    assert page.all(data_inspected="route/refuse")


@pytest.mark.matrix
@pytest.mark.parametrize("step", ["first", "route/inner", "route"])
def test_a_steps_panel(run, sign_in, owner, step):
    page = Page(sign_in(owner).get(reverse("studio:run_step", args=[run.pk, step])))
    assert page.all(data_inspected=step)
    assert page.ids["tab-output"]["role"] == "tabpanel"


def test_a_step_that_is_not_there_is_404(run, sign_in, owner):
    assert sign_in(owner).get(reverse("studio:run_step", args=[run.pk, "nope"])).status_code == 404


def test_the_patch_holds_what_the_page_holds(run, sign_in, owner):
    client = sign_in(owner)
    urls = run_urls(run)
    patch = client.get(urls["patch"])
    assert (patch["X-Seq"], patch["X-Ended"]) == (str(run.seq), "1")
    ids = set(Page(patch).ids)
    assert {"run-state", "run-meta", "run-progress", "flow", "timeline", "card-first"} <= ids
    assert ids <= set(Page(client.get(urls["page"])).ids)
    assert client.get(urls["patch"], {"after": run.seq}).status_code == 204


def test_payloads_are_inert_text(workflow, deliver, drain, sign_in, owner):
    workflow(BRANCHING)
    deliver({"title": HOSTILE}, event="<i>x</i>")
    drain()
    run = ExecutionRun.objects.get()
    content = sign_in(owner).get(run_urls(run)["page"], {"step": "first"}).content.decode()
    assert "<script>window" not in content and "onerror=\\&quot;" in content
    assert "<i>x</i>" not in content and "\u202e" not in content and "\\u202e" in content
    shown = re.sub(r"^[^<>]*>|<[^>]*>|<[^>]*$", "", content.split("tab-output")[1][:2000])  # tags name the run
    assert "49" not in shown


def test_payloads_take_a_permission_of_their_own(run, sign_in, owner, colleague):
    assign_perm("view_workflow", colleague, run.workflow)
    urls = run_urls(run)
    client = sign_in(colleague)
    page = client.get(urls["page"]).content.decode()
    assert "You need the <i>View payloads</i> permission" in page
    assert "&quot;go&quot;" not in page and "Going go" not in page
    download = reverse("studio:run_download", args=[run.pk, "first"])
    assert client.post(download, {"part": "output", "attempt": 1}).status_code == 404
    assign_perm("view_payload_workflow", colleague, run.workflow)
    assert "&quot;go&quot;" in client.get(urls["step"]).content.decode()


def test_a_download_is_a_file_and_is_audited(run, sign_in, owner):
    answer = sign_in(owner).post(
        reverse("studio:run_download", args=[run.pk, "first"]), {"part": "output", "attempt": 1}
    )
    assert answer.json() == {"title": "go"}
    assert answer["Content-Disposition"].startswith("attachment") and answer["X-Content-Type-Options"] == "nosniff"
    entry = AuditEntry.objects.filter(verb="run.payload_downloaded").get()
    assert (entry.actor, entry.changes) == ("owner", {"part": "output", "step": "first"})


def test_large_values_are_cut_at_the_server(workflow, deliver, drain, sign_in, owner):
    workflow(BRANCHING)
    deliver({"title": "x" * 500_000})
    drain()
    content = sign_in(owner).get(run_urls(ExecutionRun.objects.get())["page"], {"step": "first"}).content
    assert len(content) < 250_000 and b"498000 more characters" in content


# --- who sees what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", representatives(range(3)))
def test_everybody_is_asked_at_every_door(run, urls, sign_in, owner, colleague, stranger, part):
    """The colleague may view the workflow and nothing else; what one may not know is 404."""
    assign_perm("view_workflow", colleague, run.workflow)
    assert urls.keys() == MATRIX.keys()
    answered = {}
    for name, (method, url) in list(urls.items())[part::3]:
        statuses = []
        with transaction.atomic():  # a workflow that somebody makes here gives rights at doors that come later
            for person in (owner, colleague, stranger, None):
                answer = getattr(sign_in(person), method)(url, {"part": "output", "attempt": 1})
                statuses.append(answer.status_code)
                assert not _tokenless(answer), name
                if person is None and answer.status_code == 302:
                    assert answer["Location"].startswith(("/admin/login/", "/admin/automate/sign-in/"))
            transaction.set_rollback(True)
        answered[name] = tuple(statuses)
    assert answered == {name: MATRIX[name] for name in answered}


def _tokenless(answer):
    """The forms of a page that the server would refuse: posted by the browser itself, without a token."""
    if answer.streaming or "html" not in answer.get("Content-Type", ""):
        return []
    forms = re.findall(r"(<form\b[^>]*>)(.*?)</form>", answer.content.decode(), re.S)
    return [tag for tag, inside in forms if 'method="post"' in tag and "hx-post" not in tag + inside.partition("<form")[0]
            and "csrfmiddlewaretoken" not in inside]  # fmt: skip


def test_no_url_of_ours_is_left_out_of_the_matrix(urls):
    from automate_studio.urls import urlpatterns

    asked = {re.sub(r"/[0-9a-f-]{36,}|/\d+", "", url) for _, url in urls.values()}
    found = list(_all(urlpatterns))
    assert {"builder", "run_step"} <= {name for name, _ in found}
    for name, converters in found:
        if name not in {"run_stream", "help_image"}:  # asked in tests/studio/test_live.py, and in MATRIX by a name
            url = reverse(f"studio:{name}", args=_arguments(converters))
            assert re.sub(r"/[0-9a-f-]{36,}|/\d+", "", url) in asked, name


def _all(patterns, around=()):
    """(name, converters of its address) of each, those that are included too."""
    for each in patterns:
        converters = (*around, *each.pattern.converters)
        if hasattr(each, "url_patterns"):
            yield from _all(each.url_patterns, converters)
        else:
            yield each.name, converters


def _arguments(converters):
    samples = {
        "run_id": uuid.uuid4(),
        "wait_id": uuid.uuid4(),
        "rule_id": 1,
        "call_id": 1,
        "notification_id": uuid.uuid4(),
        "pk": 1,
        "event_id": uuid.uuid4(),
        "erasure_id": uuid.uuid4(),
        "action_id": uuid.uuid4(),
        "path": "first",
        "kind": "workflow",
        "key": "webhook",
        "number": 1,
        "index": 0,
        "code": "shop",
        "language": "de",
        "reference": "0" * 48,
    }
    samples["slug"] = "expense-approval"
    samples["name"] = "audit"
    return [samples[name] for name in converters]


def test_lists_show_only_what_one_may_know(run, sign_in, owner, colleague, stranger):
    for url in ("admin:automate_core_workflow_changelist", "admin:automate_core_executionrun_changelist"):
        assert "Branching" in Page(sign_in(owner).get(reverse(url))).text
        stranger_sees = Page(sign_in(stranger).get(reverse(url))).text
        assert "Branching" not in stranger_sees and re.search("Get started|No runs yet", stranger_sees)
        assert "Branching" not in Page(sign_in(stranger).get(reverse(url), {"q": "Branching"})).text


def test_a_person_without_the_role_finds_no_list(sign_in, owner):
    owner.groups.clear()
    assert sign_in(owner).get(reverse("admin:automate_core_workflow_changelist")).status_code == 404


@pytest.mark.extended
def test_auditors_read_the_trail_and_see_every_webhook(sign_in, owner, stranger, run, endpoint, deliver):
    from django.contrib.auth.models import Group

    deliver({"told": "to nobody"}, event="nothing-takes-it")
    event = Event.objects.latest("id")
    pages = [
        reverse("admin:automate_core_event_change", args=[event.pk]),
        reverse("studio:event_value", args=[event.pk]),
        reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk]),
    ]
    client = sign_in(stranger)
    assert [client.get(page).status_code for page in pages[:2]] == [404, 404]
    stranger.groups.set(Group.objects.filter(name="Auditors"))
    client = sign_in(stranger)
    assert [client.get(page).status_code for page in pages] == [200, 200, 200]
    page = Page(client.get(reverse("admin:automate_governance_auditentry_changelist")))
    assert page.status == 200 and "workflow.published" in page.text
    assert "to nobody" in Page(client.get(pages[0])).text
    assert client.post(pages[2], {"slug": "mine"}).status_code == 403


# --- lists ------------------------------------------------------------------------------------------------------------


def _many_runs(workflow, count):
    runs = [
        ExecutionRun(
            workflow=workflow, version=workflow.published, trace_id=f"{n:032x}", cause="trigger", status="succeeded"
        )
        for n in range(count)
    ]
    ExecutionRun.objects.bulk_create(runs)
    StepRun.objects.bulk_create(
        StepRun(run=run, path="first", status="succeeded", idempotency_key="k", started_at="2026-01-01T00:00Z")
        for run in runs
    )


@pytest.mark.extended
def test_the_run_list_pages_by_key_in_few_queries(workflow, sign_in, owner, django_assert_max_num_queries):
    made = workflow(BRANCHING)
    _many_runs(made, 60)
    client, url = sign_in(owner), reverse("admin:automate_core_executionrun_changelist")
    with django_assert_max_num_queries(12) as captured:  # one is for the tasks in the sidebar
        first = Page(client.get(url))
    assert not any("COUNT(" in query["sql"].upper() for query in captured.captured_queries)
    seen = []
    page = first
    for _ in range(3):
        seen += [name for name in page.ids if name.startswith("run-") and len(name) == 40]
        following = [a["href"] for a in page.all(rel="next")]
        if not following:
            break
        page = Page(client.get(url + following[0]))
    assert len(seen) == len(set(seen)) == 60
    back = Page(client.get(url + page.all(rel="prev")[0]["href"]))
    assert [name for name in back.ids if name.startswith("run-") and len(name) == 40] == seen[25:50]


@pytest.mark.extended
def test_the_run_list_filters_and_searches(run, workflow, deliver, drain, sign_in, owner):
    deliver({"title": "stay"})
    drain()
    client, url = sign_in(owner), reverse("admin:automate_core_executionrun_changelist")
    failed = ExecutionRun.objects.get(status="failed")
    for query, found in (
        ({"show": "attention"}, {failed.pk}),
        ({"show": "succeeded"}, {run.pk}),
        ({"q": run.trace_id}, {run.pk}),
        ({"q": run.trace_id[:12]}, {run.pk}),
        ({"q": str(run.pk)}, {run.pk}),
        ({"q": str(run.pk)[-8:]}, {run.pk}),
        ({"q": "branch", "show": "attention"}, {failed.pk}),
        ({"q": "branch"}, {run.pk, failed.pk}),
        ({"workflow": "branching"}, {run.pk, failed.pk}),
        ({"workflow": "other"}, set()),
        ({"q": "'; DROP TABLE x; --"}, set()),
        ({"after": "nonsense"}, {run.pk, failed.pk}),
    ):
        page = Page(client.get(url, query))
        assert {uuid.UUID(name[4:]) for name in page.ids if name.startswith("run-") and len(name) == 40} == found, query
    assert "No runs match these filters" in Page(client.get(url, {"workflow": "other"})).text
    assert "Not today" in Page(client.get(url, {"show": "attention"})).text


def test_what_matches_in_two_ways_is_paged_once(workflow, sign_in, owner):
    made = workflow(BRANCHING.replace("name: Branching", "name: '0000 runs'"))
    _many_runs(made, 30)  # their trace ids begin with 0000 as well
    client, url = sign_in(owner), reverse("admin:automate_core_executionrun_changelist")
    first = Page(client.get(url, {"q": "0000"}))
    second = Page(client.get(url + first.all(rel="next")[0]["href"]))
    seen = [name for page in (first, second) for name in page.ids if name.startswith("run-") and len(name) == 40]
    assert len(seen) == len(set(seen)) == 30 and not second.all(rel="next")


def test_fragments_come_without_their_frame(run, sign_in, owner):
    for url in ("admin:automate_core_workflow_changelist", "admin:automate_core_executionrun_changelist"):
        content = sign_in(owner).get(reverse(url), headers={"HX-Request": "true"}).content.decode()
        assert content.strip().startswith("<section") and "<html" not in content


@pytest.mark.extended
def test_the_run_page_costs_few_queries(run, sign_in, owner, django_assert_max_num_queries):
    client = sign_in(owner)
    with django_assert_max_num_queries(23):  # four are for the entry that this person saw the payload, once an hour
        client.get(run_urls(run)["page"])
    with django_assert_max_num_queries(19):
        client.get(run_urls(run)["page"])
    with django_assert_max_num_queries(9):
        client.get(run_urls(run)["patch"])


def test_signing_in_again_in_the_middle_of_a_request(run, sign_in):
    here = f"http://testserver{run_urls(run)['page']}?step=first"
    answer = sign_in(None).get(run_urls(run)["step"], headers={"HX-Request": "true", "HX-Current-URL": here})
    assert answer.status_code == 401
    assert answer["HX-Redirect"].startswith("/admin/login/?next=%2Fadmin%2Fautomate_core%2Fexecutionrun%2F")


def test_the_workflow_page_shows_what_starts_it(run, sign_in, owner):
    page = Page(sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[run.workflow_id])))
    assert "http://127.0.0.1:8000/hooks/github/" in page.text and "GitHub" in page.text
    assert "Sends <b>things</b> along" in page.text
    assert {"card-trigger", "card-first", "card-route-inner"} <= set(page.ids)


def test_the_file_reads_back(run, sign_in, owner):
    from automate_authoring import workflows
    from automate_authoring.definitions import yaml_files

    answer = sign_in(owner).get(reverse("studio:workflow_file", args=[run.workflow_id]))
    assert answer["Content-Disposition"] == 'attachment; filename="branching.yaml"'
    assert yaml_files.read_workflow(answer.content.decode()) == workflows.load_definition(run.workflow)


@pytest.mark.extended
def test_no_page_of_the_admin_breaks_on_an_object_that_is_not_there(sign_in, admin, stranger):
    found = []
    for person in (admin, stranger):
        client = sign_in(person)
        client.raise_request_exception = False
        for model in admin_site()._registry:
            listed = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            for key in ("1", "no-key", "0199c0de-0000-7000-8000-000000000000"):
                for page in ("change", "history", "delete"):
                    address = f"{listed}{key}/{page}/"
                    found.append((client.get(address).status_code, address))
    assert len(found) > 200 and [each for each in found if each[0] >= 500] == []


def test_breadcrumbs_have_the_titles_of_the_sidebar(sign_in, admin):
    page = sign_in(admin).get("/admin/automate_connectors/connection/?q=none").content.decode()
    heading = re.sub(r"<[^>]*>", " ", page[page.index("<h1") : page.index("</h1>")])
    assert heading.split() == ["Connect", "chevron_right", "Connections"]
