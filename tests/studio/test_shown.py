"""What the screens keep from those who may not see it, and what they make of what they are sent."""

from __future__ import annotations

import re
import uuid

import pytest
from django.urls import reverse
from django.utils.translation import override
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.models import Connection
from automate_core.definition.step_names import shown_name
from automate_core.models import ExecutionRun, WebhookEndpoint
from automate_governance.models import StoredSecret
from tests.support.matrix import representatives
from tests.support.pages import Page
from tests.support.workflows import BRANCHING

pytestmark = pytest.mark.django_db(transaction=True)
RUNS = "admin:automate_core_executionrun_changelist"
WORKFLOWS = "admin:automate_core_workflow_changelist"

TELLING = """
name: Telling
slug: telling
triggers: [{endpoint: github}]
steps:
  - {key: before, action: data.set, inputs: {a: 1}}
  - {key: say, kind: stop, outcome: failed, message: 'The PIN is {{ event.payload.pin }}'}
  - {key: after, action: data.set, inputs: {a: 1}}
"""


@pytest.fixture
def failed(workflow, deliver, drain):
    workflow(TELLING)
    deliver({"pin": "4711-0815"})
    drain()
    return ExecutionRun.objects.get()


def _run_page(run):
    return reverse("admin:automate_core_executionrun_change", args=[run.pk])


@pytest.mark.extended
def test_reasons_are_payloads_too(failed, sign_in, owner, colleague):
    """A template writes payload into a message; who may not see payloads sees that it failed, and where."""
    assign_perm("view_workflow", colleague, failed.workflow)
    doors = [
        reverse(RUNS),
        reverse("admin:automate_core_workflow_change", args=[failed.workflow_id]),
        _run_page(failed),
        reverse("studio:run_step", args=[failed.pk, "say"]),
        reverse("studio:run_patch", args=[failed.pk]),
    ]
    seen = {url: sign_in(colleague).get(url).content.decode() for url in doors}
    assert not [url for url, content in seen.items() if "4711-0815" in content]
    assert "View payloads permission required" in seen[doors[0]]
    shown = [url for url in doors[:4] if "4711-0815" in sign_in(owner).get(url).content.decode()]
    assert shown == doors[:4], "the owner sees them"


def test_a_run_is_found_by_the_end_of_its_id(failed, sign_in, owner):
    end = str(failed.pk)[-8:]
    assert end in Page(sign_in(owner).get(reverse(RUNS))).text
    assert f"run-{failed.pk}" in Page(sign_in(owner).get(reverse(RUNS), {"q": end})).ids
    assert f"run-{failed.pk}" not in Page(sign_in(owner).get(reverse(RUNS), {"q": "0" * 8})).ids


def test_steps_that_were_not_reached_are_shown_as_such(failed, sign_in, owner):
    content = sign_in(owner).get(reverse(RUNS)).content.decode()
    assert "2 of 3 steps reached" in content and 'data-st="none"' in content


HUGE = "9" * 400


@pytest.mark.parametrize(
    ("where", "query"),
    representatives(
        [
            (WORKFLOWS, {"page": HUGE}),
            (WORKFLOWS, {"page": "²"}),
            (WORKFLOWS, {"page": "-1"}),
            (WORKFLOWS, {"page": "999999999"}),
            (WORKFLOWS, {"q": "\0"}),
            (RUNS, {"q": "\0"}),
            (RUNS, {"q": "x" * 9_000}),
            (RUNS, {"workflow": "\0"}),
            (RUNS, {"show": "\0", "after": "\0", "before": "²"}),
            (RUNS, {"q": "٣٣٣٣٣٣٣٣"}),
        ],
        every=4,
    ),
)
def test_lists_make_sense_of_nonsense(failed, sign_in, owner, where, query):
    assert sign_in(owner).get(reverse(where), query).status_code == 200


@pytest.mark.extended
@pytest.mark.parametrize("attempt", ["²", HUGE, "\0", "-1", "", "1.5"])
def test_run_doors_make_sense_of_nonsense(failed, sign_in, owner, attempt):
    client = sign_in(owner)
    step = reverse("studio:run_step", args=[failed.pk, "say"])
    assert client.get(step, {"attempt": attempt}).status_code == 200
    assert client.get(reverse("studio:run_patch", args=[failed.pk]), {"after": attempt}).status_code == 200
    assert client.get(_run_page(failed), {"step": attempt}).status_code == 200
    download = reverse("studio:run_download", args=[failed.pk, "say"])
    assert client.post(download, {"attempt": attempt, "part": "output"}).status_code == 404
    assert client.post(download.replace("/say/", "/s%00y/"), {"attempt": "1", "part": "output"}).status_code == 404


def test_deep_answers_are_shown(workflow, deliver, drain, sign_in, owner):
    deep = {"title": "go"}
    for _ in range(80):
        deep = {"title": "go", "x": deep}
    workflow(BRANCHING.replace("{title: '{{ event.payload.title }}'}", "{title: go, all: '{{ event.payload.x }}'}"))
    assert deliver(deep).status_code in {202, 400}
    drain()
    for run in ExecutionRun.objects.all():
        assert sign_in(owner).get(_run_page(run)).status_code == 200


@pytest.mark.extended
def test_a_draft_that_differs_is_marked_and_can_be_looked_at(failed, owner, sign_in):
    workflow = failed.workflow
    changed = yaml_files.read_workflow(
        TELLING.replace("slug: telling", "slug: telling\ndescription: d").replace("say", "tell")
    )
    workflows.save_definition(changed, owner=owner)
    client, url = sign_in(owner), reverse("admin:automate_core_workflow_change", args=[workflow.pk])
    assert "Changed" in Page(client.get(reverse(WORKFLOWS))).text
    published = Page(client.get(url))
    assert "card-say" in published.ids and "card-tell" not in published.ids and "?show=draft" in str(published.tags)
    draft = Page(client.get(url, {"show": "draft"}))
    assert "card-tell" in draft.ids and "card-say" not in draft.ids
    workflows.publish(workflow, author=owner)
    assert "Changed" not in Page(client.get(reverse(WORKFLOWS))).text
    assert "card-tell" in Page(client.get(url)).ids


def test_an_endpoints_address_takes_the_right_to_view_it(failed, sign_in, owner, colleague, endpoint):
    assign_perm("view_workflow", colleague, failed.workflow)
    url = reverse("admin:automate_core_workflow_change", args=[failed.workflow_id])
    assert "/hooks/github/" in Page(sign_in(owner).get(url)).text
    assert "/hooks/github/" not in Page(sign_in(colleague).get(url)).text
    assign_perm("view_webhookendpoint", colleague, endpoint)
    assert "/hooks/github/" in Page(sign_in(colleague).get(url)).text


@pytest.mark.extended
def test_what_is_in_use_is_not_deleted(failed, sign_in, owner, endpoint):
    """The endpoint starts a workflow, its secret signs, the connection is called by a step."""
    secret = StoredSecret.objects.get()
    connection = Connection.objects.create(name="Conn", slug="conn", connector="http", owner=owner)
    calling = (
        "name: Calling\nslug: calling\nsteps: [{key: a, action: http.request, connection: conn, inputs: {url: /x}}]"
    )
    workflows.save_definition(yaml_files.read_workflow(calling), owner=owner)
    for model, name, user in (
        (WebhookEndpoint, "automate_core_webhookendpoint", "Telling"),
        (StoredSecret, "automate_governance_storedsecret", "github"),
        (Connection, "automate_connectors_connection", "Calling"),
    ):
        used = {WebhookEndpoint: endpoint, StoredSecret: secret, Connection: connection}[model]
        url = reverse(f"admin:{name}_delete", args=[used.pk])
        page = Page(sign_in(owner).get(url))
        assert user in page.text and "in use and cannot be deleted" in page.text, page.text
        sign_in(owner).post(url, {"post": "yes"})
        assert model.objects.filter(pk=used.pk).exists()


@pytest.mark.parametrize("path", ["/nowhere/", f"/admin/automate/runs/{uuid.UUID(int=0)}/patch/"])
def test_missing_pages_are_ours(settings, sign_in, owner, path):
    settings.DEBUG = False
    answer = sign_in(owner).get(path)
    assert answer.status_code == 404
    page = answer.content.decode()
    assert "error.css" in page and re.findall(r"<script(?! src=.)", page) == []  # no script in the page itself


def test_names_that_people_typed_are_not_translated():
    with override("de"):
        assert [shown_name(name) for name in ("Rejected", "Send request", "Approval", "Reject")] == [
            "Rejected",
            "Send request",
            "Genehmigung",
            "Ablehnen",
        ]
