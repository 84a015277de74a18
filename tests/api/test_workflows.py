"""Workflows by the API: create, read, replace, validate, publish, move and delete them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from automate_authoring import workflows
from automate_authoring.publishing.review import build_review
from automate_connectors.models import Connection
from automate_core.api import start
from automate_core.models import Event, HeldEvent, Workflow
from automate_core.triggers.forms import accept_answer, find_form
from automate_governance.models import AuditEntry
from automate_governance.texts import translated

pytestmark = pytest.mark.django_db

DOCUMENT = {
    "name": "Greet",
    "slug": "greet",
    "triggers": [{"kind": "manual", "key": "by_hand"}],
    "steps": [{"kind": "stop", "key": "done"}],
}
FORM = {"kind": "form", "slug": "greeting", "inputs": [{"name": "name", "required": True}]}
WRITE = ("workflow:view", "workflow:add", "workflow:change", "workflow:publish", "workflow:delete")


def make(client, document=DOCUMENT):
    answer = client.post("workflows", {"document": document})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_document_becomes_a_published_workflow(api, owner):
    client = api(owner, *WRITE)
    assert make(client)["status"] == "draft"
    read = client.get("workflows/greet/draft")
    never = {"message": "This draft was never tested. Run a test before you publish.", "step": "", "trigger": ""}
    validated = {"is_valid": True, "problems": [], "warnings": [never | {"field": "tests"}]}
    assert client.post("workflows/greet/draft/validate").json() == validated
    published = client.post("workflows/greet/publish", {"message": "First", "rev": read.json()["rev"]})
    assert published.status_code == 200 and published.json()["version"] == 1
    assert client.get("workflows/greet").json()["status"] == "active"
    assert [each["version"] for each in client.get("workflows/greet/versions").json()["items"]] == [1]
    assert client.get("workflows/greet/versions/1").json()["document"]["name"] == "Greet"
    verbs = AuditEntry.objects.filter(object="Greet").values_list("verb", flat=True)
    assert {"workflow.created", "workflow.published"} <= set(verbs)


POLLED = {
    **DOCUMENT,
    "triggers": [
        {
            "kind": "poll",
            "key": "bugs",
            "poll": "github.new_issue",
            "connection": "hub",
            "inputs": {"repository": "o/r"},
        }
    ],
}


def test_a_publish_warns_as_the_review_does(api, owner):
    config = {"token": "env:A"}
    hub = Connection.objects.create(name="Hub", slug="hub", connector="github", config=config, owner=owner)
    client = api(owner, *WRITE, "connection:use")
    make(client, POLLED)

    def warned(answer):
        return [(each["trigger"], each["field"], each["message"]) for each in answer.json()["warnings"]]

    reviewed = [
        (each.trigger, each.field, translated(each.reason))
        for each in build_review(Workflow.objects.get(), by=owner).problems
        if each.level == "warning"
    ]
    assert [each[:2] for each in reviewed] == [("", "tests"), ("bugs", "connection"), ("bugs", "poll")]
    assert warned(client.post("workflows/greet/draft/validate")) == reviewed
    assert warned(client.post("workflows/greet/publish")) == reviewed
    Connection.objects.filter(pk=hub.pk).update(health="failing")
    failing = warned(client.post("workflows/greet/publish"))
    assert ("bugs", "connection", "The connection Hub is failing. Fix it and test it.") in failing


def test_a_publish_names_every_problem_and_a_stale_revision(api, owner):
    client = api(owner, *WRITE, "connection:use")
    broken = DOCUMENT | {
        "steps": [{"key": "call", "action": "http.request", "connection": "nowhere", "inputs": {"url": "/x"}}]
    }
    rev = make(client, broken)["rev"]
    found = client.post("workflows/greet/draft/validate").json()
    assert not found["is_valid"] and any("nowhere" in each["message"] for each in found["problems"])
    refused = client.post("workflows/greet/publish")
    assert refused.status_code == 422 and len(refused.json()["errors"]) == len(found["problems"])
    assert client.post("workflows/greet/publish", {"rev": rev + 1}).status_code == 409
    assert Workflow.objects.get().published is None
    sent = client.post("workflows/greet/draft/validate", {"yaml": "{name: A, slug: a, steps: []}"}).json()
    assert sent["yaml"].startswith("schema: ") and "slug: a" in sent["yaml"]
    elsewhere = client.post("workflows/greet/draft/validate", {"document": {"name": 1}}).json()
    assert not elsewhere["is_valid"] and elsewhere["problems"]


def test_the_place_of_a_problem_is_the_same_everywhere(api, owner):
    client = api(owner, *WRITE, "connection:use", "workflow:view_payload")
    call = {"key": "call", "action": "http.request", "connection": "nowhere", "inputs": {"url": "/x"}}
    gate = {
        "key": "gate",
        "kind": "branch",
        "arms": [{"key": "always", "name": "Always", "when": True, "steps": [call]}],
    }
    make(client, DOCUMENT | {"steps": [{"key": "begin", "action": "data.set"}, gate]})
    path, pointer = "steps[1].arms[0].steps[0].connection", "/steps/1/arms/0/steps/0/connection"
    [validated] = client.post("workflows/greet/draft/validate").json()["problems"]
    [tested] = client.post("workflows/greet/draft/test").json()["errors"]
    [published] = client.post("workflows/greet/publish").json()["errors"]
    [read] = client.get("workflows/greet/draft").json()["problems"]
    assert (validated["path"], tested["field"], published["field"], read["path"]) == (path,) * 4
    assert {each["pointer"] for each in (validated, tested, published, read)} == {pointer}


def test_a_workflow_is_paused_resumed_archived_restored_and_deleted(api, owner):
    client = api(owner, *WRITE)
    make(client)
    client.post("workflows/greet/publish")
    for verb, status in (("pause", "paused"), ("resume", "active"), ("archive", "archived"), ("restore", "paused")):
        answer = client.post(f"workflows/greet/{verb}")
        assert answer.status_code == 200 and answer.json()["status"] == status
    again = client.post("workflows/greet/pause")
    assert again.status_code == 409 and "Cannot pause" in again.json()["detail"]
    assert client.delete("workflows/greet").status_code == 204 and not Workflow.objects.exists()
    assert client.delete("workflows/greet").status_code == 404
    assert AuditEntry.objects.filter(verb="workflow.deleted").count() == 1


def test_a_workflow_that_another_calls_is_not_deleted(api, owner):
    client = api(owner, *WRITE, "workflow:run")
    make(client)
    client.post("workflows/greet/publish")
    make(
        client, {"name": "Caller", "slug": "caller", "steps": [{"kind": "workflow", "key": "sub", "workflow": "greet"}]}
    )
    published = client.post("workflows/caller/publish")
    assert published.status_code == 200, published.content
    answer = client.delete("workflows/greet")
    assert answer.status_code == 409 and "Caller" in answer.json()["detail"]


def test_a_version_is_restored_into_the_draft(api, owner):
    client = api(owner, *WRITE)
    make(client)
    client.post("workflows/greet/publish")
    client.put("workflows/greet/draft", {"document": DOCUMENT | {"name": "Welcome"}}, **{"If-Match": "*"})
    rev = client.get("workflows/greet").json()["rev"]
    assert client.post("workflows/greet/versions/1/restore", {"rev": rev - 1}).status_code == 409
    restored = client.post("workflows/greet/versions/1/restore", {"rev": rev})
    assert restored.status_code == 200 and restored.json()["name"] == "Greet"
    assert client.post("workflows/greet/versions/9/restore").status_code == 404


@pytest.mark.parametrize(
    "document",
    [{}, {"name": "x"}, {"name": "x", "slug": "A b"}, {"name": "x", "slug": "x", "steps": [{"kind": "no"}]}, {"a": 1}],
)
def test_a_bad_document_is_rejected_at_its_fields(api, owner, document):
    answer = api(owner, *WRITE).post("workflows", {"document": document})
    assert answer.status_code == 422 and answer.json()["errors"] and not Workflow.objects.exists()


def test_a_taken_slug_is_a_conflict(api, owner):
    client = api(owner, *WRITE)
    make(client)
    assert client.post("workflows", {"document": DOCUMENT}).status_code == 409


def test_one_key_creates_one_workflow(api, owner):
    client = api(owner, *WRITE)
    first, second = (client.post("workflows", {"document": DOCUMENT}, key="k1") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201) and first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true" and Workflow.objects.count() == 1


@pytest.mark.extended
def test_versions_come_in_pages(api, owner):
    client = api(owner, *WRITE)
    make(client)
    for name in ("One", "Two", "Three"):
        client.put("workflows/greet/draft", {"document": DOCUMENT | {"name": name}}, **{"If-Match": "*"})
        client.post("workflows/greet/publish")
    first = client.get("workflows/greet/versions", {"limit": 2}).json()
    second = client.get("workflows/greet/versions", {"limit": 2, "cursor": first["next"]}).json()
    numbers = [each["version"] for each in first["items"] + second["items"]]
    assert numbers == [3, 2, 1] and second["next"] is None


def test_a_workflow_with_runs_is_archived_instead(api, owner):
    client = api(owner, *WRITE, "workflow:run")
    make(client)
    client.post("workflows/greet/publish")
    workflow = Workflow.objects.get()
    workflow.runs.create(version=workflow.published, origin="manual", trace_id="1" * 32)
    answer = client.delete("workflows/greet")
    assert answer.status_code == 409 and "Archive it instead" in answer.json()["detail"] and workflow.runs.exists()


@pytest.mark.django_db(transaction=True)
def test_a_workflow_with_an_accepted_start_is_archived_instead(api, owner, drain):
    client = api(owner, *WRITE, "workflow:run")
    make(client)
    client.post("workflows/greet/publish")
    started = client.post("workflows/greet/runs", {})
    assert started.status_code == 202
    answer = client.delete("workflows/greet")
    assert answer.status_code == 409 and answer.json()["code"] == "has_runs"
    assert "1 accepted start that no worker has processed yet" in answer.json()["detail"]
    drain()
    assert client.get(f"runs/{started.json()['id']}").json()["status"] == "succeeded"
    assert "has runs" in client.delete("workflows/greet").json()["detail"]


def test_a_workflow_with_a_held_event_is_archived_instead(api, owner):
    client = api(owner, *WRITE)
    make(client)
    client.post("workflows/greet/publish")
    event = Event.objects.create(source="app", type="order.paid", payload={})
    HeldEvent.objects.create(workflow=Workflow.objects.get(), event=event, source="app")
    assert client.delete("workflows/greet").json()["code"] == "has_runs" and HeldEvent.objects.exists()


def start_by_form(owner):
    accept_answer(find_form("greeting"), {"name": "Anna"}, key="1" * 32, by=owner)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("accept", [lambda owner: start("greet", by=owner), start_by_form], ids=["start", "form"])
def test_a_deletion_waits_for_a_start_that_is_being_accepted(api, owner, accept):
    client = api(owner, *WRITE)
    make(client, DOCUMENT | {"triggers": [{"kind": "manual"}, FORM]})
    client.post("workflows/greet/publish")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            accept(owner)
            deletion = pool.submit(answered, lambda: client.delete("workflows/greet"))
            with pytest.raises(TimeoutError):
                deletion.result(timeout=0.5)
        assert deletion.result(timeout=20) == 409


@pytest.mark.django_db(transaction=True)
def test_a_start_waits_for_a_deletion_and_is_refused(api, owner):
    client = api(owner, *WRITE, "workflow:run")
    make(client)
    client.post("workflows/greet/publish")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            workflows.delete(Workflow.objects.get(), by=owner)
            started = pool.submit(answered, lambda: client.post("workflows/greet/runs", {}))
            with pytest.raises(TimeoutError):
                started.result(timeout=0.5)
        assert started.result(timeout=20) == 409 and not Event.objects.exists()


def answered(send):
    """The status of an answer to a request of another thread."""
    try:
        return send().status_code
    finally:
        connection.close()
