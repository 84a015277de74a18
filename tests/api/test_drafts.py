"""Drafts by the API: files in, files out, and no edit of another person lost."""

from __future__ import annotations

import pytest

from automate_authoring.definitions import yaml_files
from automate_core.models import Workflow
from automate_governance.models import AuditEntry

pytestmark = pytest.mark.django_db

GREET = """
name: Greet
slug: greet
triggers: [{kind: manual, key: go}]
steps: [{kind: stop, key: done}]
"""


@pytest.fixture
def client(api, workflow, owner):
    workflow(GREET)
    return api(owner)


@pytest.mark.extended
def test_an_export_can_be_sent_back(client):
    exported = client.get("workflows/greet/export")
    assert (exported.status_code, exported.headers["Content-Type"]) == (200, "application/yaml")
    text = exported.content.decode()
    assert yaml_files.read_workflow(text).slug == "greet"
    kept = client.put("workflows/greet/draft", {"yaml": text}, **{"If-Match": exported.headers["ETag"]})
    assert kept.status_code == 200 and kept.headers["ETag"] == exported.headers["ETag"]
    changed = client.put("workflows/greet/draft", {"yaml": text.replace("Greet", "Salute")}, **{"If-Match": "*"})
    assert changed.headers["ETag"] != exported.headers["ETag"]
    assert "Salute" in client.get("workflows/greet/export").content.decode()
    assert client.get("workflows/greet/export", {"version": "published"}).content.decode() == text
    assert client.get("workflows/greet/export", {"version": "1"}).content.decode() == text
    assert client.get("workflows/greet/export", {"version": "2"}).status_code == 404
    assert AuditEntry.objects.filter(verb="workflow.exported").exists()


def test_an_outdated_revision_changes_nothing(client):
    draft = client.get("workflows/greet/draft")
    body = {"document": draft.json()["document"] | {"name": "First"}}
    first = client.put("workflows/greet/draft", body, **{"If-Match": draft.headers["ETag"]})
    assert first.status_code == 200, first.content
    late = client.put("workflows/greet/draft", body | {}, **{"If-Match": draft.headers["ETag"]})
    assert late.status_code == 412 and f"revision {first.json()['rev']} now" in late.json()["detail"]
    assert client.put("workflows/greet/draft", body).status_code == 428
    for tag in ("x", '"-1"', "9" * 30, ""):
        assert client.put("workflows/greet/draft", body, **{"If-Match": tag}).status_code == 400
    assert client.get("workflows/greet/draft").json()["rev"] == first.json()["rev"]


def test_only_the_reviewed_revision_is_published(client):
    draft = client.get("workflows/greet/draft").json()
    changed = client.put(
        "workflows/greet/draft", {"document": draft["document"] | {"name": "Salute"}}, **{"If-Match": "*"}
    ).json()
    assert client.post("workflows/greet/publish", {"rev": draft["rev"]}).status_code == 409
    published = client.post("workflows/greet/publish", {"rev": changed["rev"], "message": "New name"}).json()
    assert (published["version"], published["has_unpublished_changes"]) == (2, False)


def test_errors_of_a_file_name_the_lines(client):
    text = "name: Greet\nslug: greet\nsteps:\n  - {kind: stop, key: Done!}\n"
    refused = client.put("workflows/greet/draft", {"yaml": text}, **{"If-Match": "*"})
    assert refused.status_code == 422
    assert any(each["message"].startswith("Line 4: ") for each in refused.json()["errors"]), refused.json()
    for body in ({}, {"yaml": text, "document": {}}, {"yaml": "a: [", "document": None}, {"document": {"slug": 1}}):
        assert client.put("workflows/greet/draft", body, **{"If-Match": "*"}).status_code == 422, body
    other = GREET.replace("greet", "other")
    assert client.put("workflows/greet/draft", {"yaml": other}, **{"If-Match": "*"}).status_code == 422


def test_a_workflow_is_created_once(client, owner):
    made = client.post("workflows", {"yaml": GREET.replace("greet", "made")})
    assert made.status_code == 201 and made.json()["status"] == "draft"
    assert Workflow.objects.get(slug="made").owner == owner
    taken = client.post("workflows", {"yaml": GREET.replace("greet", "made")})
    assert taken.status_code == 409 and taken.json()["errors"][0]["field"] == "slug"


def test_a_draft_and_its_validation_name_the_same_problems(client):
    call = {"key": "call", "action": "http.request", "connection": "nope", "inputs": {"url": "/", "method": "GET"}}
    for steps in ([], [call]):
        sent = {"document": {"name": "Greet", "slug": "greet", "steps": steps}}
        put = client.put("workflows/greet/draft", sent, **{"If-Match": "*"}).json()
        read = client.get("workflows/greet/draft").json()
        found = client.post("workflows/greet/draft/validate").json()
        assert found["problems"] and put["problems"] == read["problems"] == found["problems"], steps


def test_an_incomplete_draft_says_what_is_missing(client):
    document = client.get("workflows/greet/draft").json()
    assert document["problems"] == []
    Workflow.objects.get(slug="greet").steps.update(settings={"outcome": "nonsense"})
    found = client.get("workflows/greet/draft").json()
    assert found["problems"] and found["document"]["slug"] == "greet"
    assert client.get("workflows/greet/export").status_code == 409


@pytest.mark.matrix
@pytest.mark.parametrize(
    "part",
    [
        "priority: 1000000000000000000000000000000",
        "priority: .inf",
        "retention: {succeeded: 100000000000000000000}",
        "timezone: 'Europe/\\u0001'",
        'name: "\\uD800"',
        'name: "a\\0b"',
        "tags: [[[[1]]]]",
        "steps: 5",
        "steps: [{kind: wait, key: a, duration: 99999999999999999999999}]",
        "steps: [{kind: action, key: a, action: http.request, inputs: {url: 1e400}}]",
        "triggers: {a: b}",
        "vars: {1: 2, ? [x] : y}",
        "slug: '../x'",
        "concurrency: {limit: 9223372036854775808}",
    ],
)
def test_wild_files_are_refused(client, part):
    kept = [line for line in GREET.strip().splitlines() if line.partition(":")[0] != part.partition(":")[0]]
    answer = client.put("workflows/greet/draft", {"yaml": "\n".join([*kept, part])}, **{"If-Match": "*"})
    assert answer.status_code == 422, answer.content
