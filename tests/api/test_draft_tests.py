"""A draft is tested by the API: on a payload, with outputs and outcomes that are given, and without effects outside."""

from __future__ import annotations

import pytest

from automate_authoring.test_runs import samples
from automate_core.models import ExecutionRun, StepSample, Workflow

CALLS = """
name: Calls
slug: calls
triggers: [{kind: manual, inputs: [{name: order, kind: number, required: true}]}]
steps:
  - {key: fetch, action: http.request, inputs: {method: GET, url: 'https://127.0.0.1/x'}}
  - {key: ask, kind: approval, assignees: [owner], timeout: 2d, outcomes: [{key: approved, name: Yes}, {key: rejected, name: No}]}
  - {key: say, action: data.set, inputs: {text: '{{ event.payload.order }}: {{ steps.fetch.output.body.total }}', did: '{{ steps.ask.output.outcome }}'}}
"""
TEST = "workflows/calls/draft/test"
SCOPES = ("workflow:view", "workflow:change", "workflow:view_payload")


@pytest.mark.django_db(transaction=True)
def test_a_draft_is_tested_on_what_is_given(api, workflow, owner, drain):
    workflow(CALLS, publish=False)
    client = api(owner, *SCOPES)
    body = {"payload": {"order": 7}, "mocks": {"fetch": {"body": {"total": 5}}}, "outcomes": {"ask": "rejected"}}
    started = client.post(TEST, body)
    assert (started.status_code, started.headers["Location"]) == (201, started.json()["url"]), started.content
    drain()
    run = client.get(started.json()["url"]).json()
    assert (run["status"], run["workflow"], run["version"]) == ("succeeded", "calls", 0)
    outputs = client.get(f"{run['url']}/outputs").json()["outputs"]
    assert outputs["say"] == {"text": "7: 5", "did": "rejected"}
    assert ExecutionRun.objects.get().cause == "test"


@pytest.mark.django_db(transaction=True)
def test_a_step_says_what_it_would_do(api, workflow, owner, drain):
    workflow(CALLS, publish=False)
    client = api(owner, *SCOPES)
    run = client.post(TEST, {"mocks": {"say": None}}).json()
    drain()
    steps = {each["key"]: each for each in client.get(f"{run['url']}/steps").json()["items"]}
    [effect] = client.get(f"{run['url']}/steps/{steps['fetch']['id']}").json()["foreseen_effects"]
    assert effect["kind"] == "call" and "127.0.0.1" in effect["summary"]
    assert client.get(f"{run['url']}/outputs").json()["outputs"]["ask"]["outcome"] == "approved"


@pytest.mark.django_db(transaction=True)
def test_a_test_remembers_nothing(api, workflow, owner, drain):
    """Neither what an earlier test was given, nor what the builder keeps, nor what came in a run."""
    made = workflow(CALLS, publish=False)
    client = api(owner, *SCOPES)
    for kind in StepSample.Kind.values:
        samples.keep_sample(made, "fetch", kind, {"body": {"total": 1}}, by=owner)
        samples.keep_sample(made, "ask", kind, {"outcome": "rejected"}, by=owner)
    mocks = {"fetch": {"body": {"total": 5}}}
    outputs = []
    for body in ({}, {"mocks": mocks, "outcomes": {"ask": "rejected"}}, {}, {"mocks": mocks}):
        run = client.post(TEST, {"payload": {"order": 7}, **body}).json()
        drain()
        outputs.append(client.get(f"{run['url']}/outputs").json()["outputs"])
    assert [each.get("fetch") for each in outputs] == [None, mocks["fetch"], None, mocks["fetch"]]
    assert [each["ask"]["outcome"] for each in outputs] == ["approved", "rejected", "approved", "approved"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"mocks": {"nobody": 1}}, "nobody"),
        ({"outcomes": {"fetch": "approved"}}, "fetch"),
        ({"outcomes": {"ask": "perhaps"}}, "perhaps"),
        ({"payload": "x" * 1_000_001}, "1000000"),
    ],
)
def test_what_does_not_fit_the_draft_is_told(api, workflow, owner, body, told):
    workflow(CALLS, publish=False)
    refused = api(owner).post(TEST, body)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_testable")
    assert told in refused.json()["detail"].replace(",", "") and not ExecutionRun.objects.exists()


@pytest.mark.django_db
def test_fields_of_the_body_are_checked(api, workflow, owner):
    workflow(CALLS, publish=False)
    for body in ({"outcomes": {"ask": 1}}, {"mocks": []}, {"mode": "real"}):
        assert api(owner).post(TEST, body).json()["code"] == "invalid_fields", body


@pytest.mark.django_db
def test_a_draft_with_errors_is_not_tested(api, workflow, owner):
    workflow(CALLS, publish=False)
    Workflow.objects.get().steps.filter(key="say").update(action="nobody.none")
    refused = api(owner).post(TEST)
    assert (refused.status_code, refused.json()["code"]) == (409, "draft_incomplete")
    assert refused.json()["errors"][0]["field"] == "steps[2].action"


@pytest.mark.django_db
def test_who_may_not_run_as_the_user_of_the_workflow_tests_nothing(api, workflow, owner, colleague, admin):
    from guardian.shortcuts import assign_perm

    made = workflow(CALLS, publish=False)
    for verb in ("view", "change", "view_payload"):
        assign_perm(f"{verb}_workflow", colleague, made)
    refused = api(colleague).post(TEST)
    assert refused.status_code == 403 and "runs as owner" in refused.json()["detail"]
    assert api(admin).post(TEST).status_code == 201
