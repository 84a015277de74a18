"""Approvals by the API: one's own, decided once by an approver, and delegated."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automate_core.models import Wait
from tests.support.people import make_person
from tests.support.workflows import ASKS_OWNER_AND_HELPER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def helper(db):
    return make_person("helper")


@pytest.fixture
def waits(helper, workflow, deliver, drain):
    """Three open approvals of the owner and the helper, the first with the earliest deadline."""
    workflow(ASKS_OWNER_AND_HELPER)
    for number in range(3):
        deliver({"number": number})
        drain()
    return list(Wait.objects.filter(kind="approval").order_by("due_at", "pk"))


def test_approvals_are_listed_by_deadline(api, owner, helper, stranger, waits):
    client = api(owner)
    first = client.get("approvals", {"limit": 2}).json()
    rest = client.get("approvals", {"limit": 2, "cursor": first["next"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [str(wait.pk) for wait in waits]
    shown = first["items"][0]
    assert (shown["workflow"], shown["name"], shown["outcomes"]) == (
        "refund",
        "Refund the order",
        ["approved", "rejected"],
    )
    assert shown["message"] == "Order 0, <b>please</b>"
    assert len(api(helper).get("approvals").json()["items"]) == 3, "approvers need no role"
    assert api(stranger).get("approvals").json()["items"] == []
    assert [each["message"][:7] for each in client.get("approvals", {"search": "order 1"}).json()["items"]] == [
        "Order 1"
    ]
    for query in ({"show": "theirs"}, {"cursor": "x"}, {"cursor": "eA"}, {"limit": 0}):
        assert client.get("approvals", query).status_code == 422, query
    assert api(owner, "approval:view", workflows=[]).get("approvals").json()["items"] == []


def test_a_list_costs_the_same_however_many_there_are(api, owner, waits):
    client, counts = api(owner), []
    client.get("approvals")
    for limit in (1, 3):
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get("approvals", {"limit": limit}).json()["items"]) == limit
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.extended
def test_an_approver_decides_once(api, owner, waits, drain):
    client, path = api(owner), f"approvals/{waits[0].pk}"
    read = client.get(path).json()
    assert (read["may_decide"], [each["name"] for each in read["form"]][:2]) == (True, ["note", "amount"])
    assert read["assignees"] == [{"user": "helper", "group": None}, {"user": "owner", "group": None}]
    missing = client.post(f"{path}/decide", {"outcome": "approved", "form": {"amount": "many"}})
    assert (missing.status_code, sorted(each["field"] for each in missing.json()["errors"])) == (
        422,
        ["form.amount", "form.note"],
    )
    assert {each["field"]: each["code"] for each in missing.json()["errors"]} == {
        "form.amount": "wrong_type", "form.note": "required"
    }  # fmt: skip
    unknown = client.post(f"{path}/decide", {"outcome": "perhaps"}).json()
    assert [(each["field"], each["code"]) for each in unknown["errors"]] == [("outcome", "not_a_choice")]
    for body in ({}, {"outcome": "perhaps"}, {"outcome": "approved", "form": []}, {"outcome": 1}):
        assert client.post(f"{path}/decide", body).status_code == 422, body
    answers = {"outcome": "approved", "form": {"note": "Fine", "amount": 3}}
    decided = client.post(f"{path}/decide", answers, key="one")
    assert (decided.status_code, decided.json()["status"], decided.json()["outcome"]) == (200, "resolved", "approved")
    assert client.post(f"{path}/decide", answers, key="one").json() == decided.json()
    assert client.post(f"{path}/decide", answers).status_code == 409
    drain()
    waits[0].run.refresh_from_db()
    assert waits[0].run.status == "succeeded"
    assert [each["id"] for each in client.get("approvals", {"show": "decided"}).json()["items"]] == [str(waits[0].pk)]
    assert len(client.get("approvals").json()["items"]) == 2


@pytest.mark.extended
def test_an_approval_is_delegated(api, owner, colleague, waits):
    path = f"approvals/{waits[0].pk}"
    assert api(colleague).get(path).status_code == 404
    client = api(owner)
    for name, status in (("nobody", 422), ("owner", 422), ("", 422)):
        assert client.post(f"{path}/delegate", {"to": name}).status_code == status
    assert client.post(f"{path}/delegate", {"to": "colleague"}).status_code == 200
    assert api(colleague).get(path).json()["may_decide"] is True
    assert api(colleague).post(f"{path}/decide", {"outcome": "rejected"}).status_code == 200


def test_tokens_need_their_scopes(api, owner, helper, waits):
    path = f"approvals/{waits[0].pk}"
    viewer = api(helper, "approval:view")
    assert viewer.get(path).json()["may_decide"] is False
    for action, body in (("decide", {"outcome": "rejected"}), ("delegate", {"to": "owner"})):
        refused = viewer.post(f"{path}/{action}", body)
        assert (refused.status_code, refused.json()["missing_scope"]) == (403, f"approval:{action}")
    blind = api(owner, "workflow:view", "workflow:run", "approval:decide")
    assert (blind.get("approvals").status_code, blind.get(path).status_code) == (403, 404)
    elsewhere = api(owner, "approval:view", "approval:decide", workflows=[])
    assert elsewhere.post(f"{path}/decide", {"outcome": "rejected"}).status_code == 404
