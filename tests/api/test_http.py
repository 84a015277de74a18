"""What clients expect of HTTP: request IDs, codes of errors, HEAD, OPTIONS, locations, conditional requests."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from automate_api.v1.error_codes import BY_STATUS, CODES, FIELD_CODES
from automate_api.v1.locations import LOCATIONS
from automate_core.models import Event, Workflow, WorkflowVersion
from tests.conftest import ROOT
from tests.support.api_operations import MANUAL
from tests.support.people import choose_zone_of_noon
from tests.support.runs import run_of_age

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(api, workflow, owner):
    workflow(MANUAL)
    return api(owner)


# --- request IDs ------------------------------------------------------------------------------------------------------


def test_a_request_id_is_taken_and_said(client):
    found = client.get("workflows/none", X_Request_Id="nightly-4711")
    assert found.headers["X-Request-Id"] == found.json()["request_id"] == "nightly-4711"
    assert client.get("workflows").headers["X-Request-Id"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 101, "<script>", "é"])
def test_another_request_id_is_replaced(client, given):
    made = client.get("workflows", X_Request_Id=given).headers["X-Request-Id"]
    assert made != given and len(made) == 32


def test_an_answer_without_a_token_and_one_about_no_path_have_a_request_id(api):
    assert api(None).get("workflows").json()["request_id"]
    assert api(None).get("nothing").json()["request_id"]


def test_the_log_of_an_error_names_the_request(client, monkeypatch, caplog):
    monkeypatch.setattr("automate_api.v1.resources.workflows.get_workflow", lambda *args: 1 / 0)
    found = client.get("workflows/greet", X_Request_Id="nightly-4711")
    assert found.status_code == 500 and found.json()["code"] == "server_error"
    assert "nightly-4711" in caplog.text


# --- codes of errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("get", "workflows/none", None, "not_found"),
        ("delete", "workflows", None, "method_not_allowed"),
        ("post", "workflows/greet/runs", "{", "invalid_json"),
        ("post", "workflows/greet/runs", {"inputs": {"other": 1}}, "invalid_inputs"),
        ("post", "workflows/greet/runs", {"trigger": "none"}, "not_startable"),
        ("post", "workflows", {"document": {"name": "x", "slug": "greet", "steps": []}}, "taken"),
        ("post", "workflows", {"document": {"steps": 5}}, "invalid_definition"),
        ("post", "workflows/greet/resume", {}, "wrong_workflow_state"),
        ("post", "workflows/greet/runs", {"nothing": 1}, "invalid_fields"),
    ],
)
def test_errors_have_codes(client, method, path, body, code):
    answer = getattr(client, method)(path, *([body] if body is not None else []))
    assert answer.json()["code"] == code, answer.json()


@pytest.mark.parametrize(
    ("path", "field", "code"),
    [
        ("workflows?limit=0", "limit", "out_of_range"),
        ("workflows?limit=x", "limit", "wrong_type"),
        ("workflows?status=wild", "status", "not_a_choice"),
        ("workflows?none=1", "none", "unknown"),
        ("audit-entries?since=tomorrow", "since", "bad_format"),
        (f"approvals?search={'x' * 101}", "search", "too_long"),
    ],
)
def test_fields_have_codes_and_translated_sentences(client, path, field, code):
    [english] = client.get(path).json()["errors"]
    assert (english["field"], english["code"]) == (field, code)
    assert english["message"].endswith(".")


def test_a_missing_scope_has_a_code(api, owner):
    assert api(owner, "workflow:view").get("audit-entries").json()["code"] == "missing_scope"


def test_the_codes_are_listed():
    listed = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert {code for code in {*CODES, *FIELD_CODES} if f"`{code}`" not in listed} == set()
    assert len(set(BY_STATUS.values())) == len(BY_STATUS)


# --- methods ----------------------------------------------------------------------------------------------------------


def test_head_is_there_where_get_is(client):
    sent = {"Authorization": f"Bearer {client.plain}"}
    found, head = client.get("workflows/greet"), Client().head("/api/v1/workflows/greet", headers=sent)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(found.content))
    assert head.headers["Content-Type"] == found.headers["Content-Type"]
    assert Client().head("/api/v1/workflows/none", headers=sent).status_code == 404
    assert Client().head("/api/v1/workflows/greet/runs", headers=sent).status_code == 405


def test_head_of_a_stream_holds_nothing_open(client):
    run = client.post("workflows/greet/runs", {}).json()["id"]
    sent = {"Authorization": f"Bearer {client.plain}"}
    head = Client().head(f"/api/v1/runs/{run}/stream", headers=sent)
    assert (head.status_code, head.content, head.headers["Content-Type"]) == (200, b"", "text/event-stream")


def test_options_says_what_a_path_takes(client):
    sent = {"Authorization": f"Bearer {client.plain}"}
    found = Client().options("/api/v1/workflows", headers=sent)
    assert (found.status_code, found.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert client.delete("workflows").headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert Client().options("/api/v1/workflows").status_code == 401


# --- media types ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("application/vnd.own+json", 202),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_a_body_is_json(client, kind, status):
    sent = {"Authorization": f"Bearer {client.plain}"}
    path = "/api/v1/workflows/greet/runs"
    found = Client().generic("POST", path, b'{"inputs": {}}', content_type=kind, headers=sent)
    assert found.status_code == status, found.content
    assert Event.objects.count() == (status == 202)


# --- locations and conditional requests -------------------------------------------------------------------------------


def test_what_was_created_is_named(client):
    started = client.post("workflows/greet/runs", {}, key="once")
    assert started.headers["Location"] == started.json()["url"]
    assert client.get(started.headers["Location"]).json()["id"] == started.json()["id"]
    again = client.post("workflows/greet/runs", {}, key="once")
    assert again.headers["Location"] == started.headers["Location"] and again.headers["Idempotency-Replayed"]
    copied = client.post("workflows/greet/copy", {})
    assert client.get(copied.headers["Location"]).json()["slug"] == copied.json()["slug"]


def test_each_operation_that_creates_names_what_it_created():
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    creating = {each["operationId"] for each in operations if {"201", "202"} & each["responses"].keys()}
    assert creating - LOCATIONS.keys() == {"issue_token"}, "which no operation reads"


def test_a_draft_that_is_known_is_not_sent_again(client):
    tag = client.get("workflows/greet/draft").headers["ETag"]
    same = client.get("workflows/greet/draft", If_None_Match=tag)
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert client.get("workflows/greet/draft", If_None_Match='"99"').status_code == 200


def test_a_weak_tag_replaces_no_draft(client):
    document = client.get("workflows/greet/draft").json()["document"]
    refused = client.put("workflows/greet/draft", {"document": document}, If_Match='W/"1"')
    assert (refused.status_code, refused.json()["code"]) == (412, "weak_etag")


# --- filters ----------------------------------------------------------------------------------------------------------


def test_workflows_are_narrowed(client, workflow):
    workflow(MANUAL.replace("greet", "bye").replace("Greet", "Say bye") + "tags: [sales]\n")
    later = "2100-01-01T00:00:00Z"
    for query, found in {
        "search=bye": ["bye"],
        "tag=sales": ["bye"],
        "owner=owner": ["greet", "bye"],
        "owner=nobody": [],
        f"until={later}": ["greet", "bye"],
        f"since={later}": [],
    }.items():
        assert [each["slug"] for each in client.get(f"workflows?{query}").json()["items"]] == found, query


def test_stopped_workflows_are_listed(client, workflow, colleague):
    made = workflow(MANUAL.replace("greet", "bye").replace("Greet", "Say bye"))
    WorkflowVersion.objects.filter(workflow=made).update(run_as=colleague)
    type(colleague).objects.filter(pk=colleague.pk).update(is_active=False)
    for query, found in {"stopped=true": ["bye"], "stopped=false": ["greet"], "stopped=true&search=greet": []}.items():
        assert [each["slug"] for each in client.get(f"workflows?{query}").json()["items"]] == found, query


def test_runs_and_usage_take_since_and_until(client, api, admin):
    client.post("workflows/greet/runs", {})
    for path in ("runs?since=2100-01-01T00:00:00Z", "runs?until=2000-01-01T00:00:00Z", "runs?origin=mail"):
        found = client.get(path)
        assert (found.status_code, found.json().get("items")) == (200, []), path
    assert client.get("runs?since=24h").status_code == 200
    usage = api(admin).get("usage?since=2026-01-01&until=2026-01-31").json()
    assert (usage["first"], usage["last"]) == ("2026-01-01", "2026-01-31")


@pytest.mark.parametrize("path", ["workflows", "runs", "events", "audit-entries"])
def test_since_is_a_period_or_a_time_in_every_list(client, api, admin, path):
    client.post("workflows/greet/runs", {})
    run_of_age(Workflow.objects.get(), 1, status="succeeded")
    choose_zone_of_noon(admin)
    ask = api(admin).get
    for query, is_found in {
        "since=1h": True,
        "since=today": True,
        "since=yesterday": False,
        "since=yesterday&until=2100-01-01T00:00:00Z": False,
        "since=2026-01-01T00:00:00": True,
        "since=2100-01-01T00:00:00Z": False,
        "since=30d&until=2000-01-01T00:00:00Z": False,
    }.items():
        answer = ask(f"{path}?{query}")
        assert answer.status_code == 200 and bool(answer.json()["items"]) is is_found, query
    [error] = ask(f"{path}?since=lately").json()["errors"]
    assert (error["field"], error["code"]) == ("since", "bad_format")


def test_an_approval_is_found_by_its_run(api, workflow, owner):
    from tests.support.api_operations import World

    made = api(owner)
    world = World(owner, owner, workflow, made.token)
    approval = world.approval_id
    [wait] = made.get(f"runs/{world.run_id}").json()["waits"]
    assert wait["approval"] == approval
    for query, found in {
        f"run={world.run_id}": [approval],
        f"run={approval}": [],
        "workflow=greet": [approval],
        "workflow=other": [],
    }.items():
        assert [each["id"] for each in made.get(f"approvals?{query}").json()["items"]] == found, query


def test_a_time_on_the_second_has_its_milliseconds(api, owner, workflow):
    workflow("{name: T, slug: t, triggers: [{kind: schedule, cron: '0 4 * * *'}], steps: [{kind: stop, key: done}]}")
    trigger = next(each for each in api(owner).get("triggers").json()["items"] if each["next_at"])
    assert re.fullmatch(r"[\d-]{10}T\d\d:00:00\.000Z", trigger["next_at"]), trigger
