"""Answers to tokens that lack a scope: they name it, and never blame a person or send to somebody else."""

from __future__ import annotations

import pytest

from automate_connectors.models import Connection

pytestmark = pytest.mark.django_db

CALLS = """
name: Calls
slug: calls
triggers: [{endpoint: github}]
steps:
  - {key: call, action: http.request, connection: shop, inputs: {method: GET, url: /, headers: {}}}
  - {key: other, kind: workflow, workflow: called}
"""
CALLED = "{name: Called, slug: called, steps: [{key: log, action: data.log, inputs: {message: x}}]}"
ALL = ("workflow:view", "workflow:add", "workflow:change", "workflow:publish", "workflow:run")
USED = ("connection:use", "webhookendpoint:view_payload")


@pytest.fixture
def calls(workflow, owner):
    Connection.objects.create(name="Shop", slug="shop", connector="http", owner=owner, config={"base_url": "http://a"})
    workflow(CALLED)
    return workflow(CALLS, publish=False)


def test_publishing_names_each_scope_that_is_missing(calls, api, owner):
    for lacking in ("connection:use", "webhookendpoint:view_payload", "workflow:run"):
        scopes = {*ALL, *USED} - {lacking}
        answer = api(owner, *scopes).post("workflows/calls/publish")
        said = answer.content.decode()
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["missing_scope"]) == (403, "missing_scope", lacking), said
        assert problem["errors"] and f"the token needs the scope {lacking}." in said, said
        assert "ask" not in said and "There is no" not in said
    assert api(owner, *ALL, *USED).post("workflows/calls/publish").status_code == 200


def test_what_is_not_there_for_a_token_names_the_scope_whether_or_not_it_exists(calls, api, owner):
    client = api(owner, "site:audit")
    there, missing = (client.get(f"workflows/{slug}", X_Request_Id="same") for slug in ("calls", "none"))
    assert (there.status_code, missing.status_code) == (404, 404)
    assert there.content.replace(b"'calls'", b"'none'") == missing.content
    assert there.json()["missing_scope"] == "workflow:view"
    assert "missing_scope" not in api(owner, "workflow:view").get("workflows/none").json()


def test_a_person_without_a_token_is_told_as_before(calls, colleague):
    from automate_authoring import workflows

    reasons = " ".join(map(str, workflows.publishing_problems(calls, colleague)))
    assert "no connection 'shop' that" in reasons and "scope" not in reasons
