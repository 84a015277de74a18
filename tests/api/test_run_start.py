"""A run that is started by the API: known by one id from the first answer on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db(transaction=True)

MANUAL = """
name: Greet
slug: greet
triggers: [{kind: manual, key: by_hand, inputs: [{name: who, label: Who, kind: text, required: true}]}]
steps: [{kind: stop, key: done}]
"""


def test_a_started_run_is_found_at_once_and_after_it_has_ended(api, workflow, owner, drain):
    workflow(MANUAL)
    client = api(owner, "workflow:view", "workflow:run")
    started = client.post("workflows/greet/runs", {"inputs": {"who": "Ada"}})
    assert started.status_code == 202, started.content
    assert started.json()["status"] == "queued"
    queued = client.get(started.json()["url"])
    assert (queued.status_code, queued.json()["status"]) == (200, "queued")
    drain()
    ended = client.get(started.json()["url"]).json()
    assert (ended["id"], ended["status"], ended["workflow"]) == (started.json()["id"], "succeeded", "greet")


def test_a_repeated_start_is_replayed(api, workflow, owner, drain):
    made = workflow(MANUAL)
    client = api(owner)
    first = client.post("workflows/greet/runs", {"inputs": {"who": "Ada"}}, key="one")
    again = client.post("workflows/greet/runs", {"inputs": {"who": "Ada"}}, key="one")
    other = client.post("workflows/greet/runs", {"inputs": {"who": "Bob"}}, key="one")
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.json() == first.json()
    assert (again.headers.get("Idempotency-Replayed"), "Idempotency-Replayed" in first.headers) == ("true", False)
    drain()
    assert made.runs.count() == 1


def test_inputs_are_checked_and_kept_out_of_the_key(api, workflow, owner):
    workflow(MANUAL)
    client = api(owner)
    refused = client.post("workflows/greet/runs", {"inputs": {}}, key="one")
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["errors"] == [{"field": "inputs.who", "message": "who is required.", "code": "required"}]
    assert client.post("workflows/greet/runs", {"inputs": {"who": "Ada"}}, key="one").status_code == 202


def test_a_token_does_no_more_than_its_scopes(api, workflow, owner, admin):
    made = workflow(MANUAL)
    for person in (owner, admin):
        viewer = api(person, "workflow:view")
        refused = viewer.post("workflows/greet/runs", {"inputs": {"who": "Ada"}})
        assert (refused.status_code, refused.json()["missing_scope"]) == (403, "workflow:run")
        elsewhere = api(person, "workflow:view", "workflow:run", workflows=[])
        assert elsewhere.post("workflows/greet/runs", {"inputs": {"who": "Ada"}}).status_code == 404
        assert elsewhere.get("workflows").json()["items"] == []
        here = api(person, "workflow:view", workflows=[made])
        assert [each["slug"] for each in here.get("workflows").json()["items"]] == ["greet"]
        blind = api(person, "connection:view").get("workflows")
        assert (blind.status_code, blind.json()["missing_scope"]) == (403, "workflow:view")


@pytest.mark.parametrize("text", ["", "dat_x", "Bearer"])
def test_without_a_valid_token_nothing_is_answered(api, owner, text):
    client = api(owner)
    client.plain = text
    answer = client.get("workflows")
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_each_answer_says_how_many_requests_are_left(api, owner, stranger, settings):
    settings.AUTOMATE_API_RATE = 3
    client = api(owner)
    left = [client.get("workflows") for _ in range(3)]
    assert [each.headers["RateLimit"].partition(";r=")[2][0] for each in left] == ["2", "1", "0"]
    refused = client.get("workflows")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    other_token = api(owner).get("workflows")
    assert (other_token.status_code, "the tokens of this user" in other_token.json()["detail"]) == (429, True)
    assert api(stranger).get("workflows").status_code == 200
