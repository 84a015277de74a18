"""Usage, statistics and the audit trail by the API."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_governance.models import AuditEntry
from automate_llm.models import LLMUsage
from tests.support.runs import ended_runs, published_workflows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def orders(owner):
    [made] = published_workflows(owner, "Orders")
    ended_runs(made, 3)
    ended_runs(made, 1, status="failed")
    return made


def test_statistics_are_of_the_workflows_that_one_may_view(api, owner, colleague, stranger, admin, orders):
    found = api(owner).get("statistics").json()
    assert found["total"] == {"succeeded": 3, "failed": 1, "cancelled": 0}
    assert [(each["workflow"], each["succeeded"]) for each in found["workflows"]] == [("orders", 3)]
    assert (len(found["bars"]), found["queue"]) == (24, None)
    assert 1 < found["p95_seconds"] < 4
    assert len(api(owner).get("statistics", {"period": "30d"}).json()["bars"]) == 30
    assert api(owner).get("statistics", {"period": "1y"}).status_code == 422
    assert api(stranger).get("statistics").json()["workflows"] == []
    assign_perm("view_workflow", colleague, orders)
    assert api(colleague).get("statistics").json()["total"]["failed"] == 1
    assert api(owner, "workflow:view", workflows=[]).get("statistics").json()["workflows"] == []
    assert api(admin).get("statistics").json()["queue"]["dead_jobs"] == 0
    assert api(owner, "site:audit").get("statistics").json()["missing_scope"] == "workflow:view"


def test_usage_is_added_up_by_day_model_and_workflow(api, owner, admin):
    today = timezone.localdate()
    for number in range(3):
        LLMUsage.objects.create(
            workflow="orders", path=f"a{number}", at=timezone.now(), day=today - dt.timedelta(days=number), provider="p",
            model="m", status="answered", tokens_in=10, tokens_out=5, cost=Decimal("0.5"),
        )  # fmt: skip
    found = api(admin).get("usage").json()
    assert (found["total"]["calls"], Decimal(found["total"]["cost"])) == (3, Decimal("1.5"))
    assert (len(found["by_day"]), found["by_model"][0]["model"], found["by_workflow"][0]["workflow"]) == (
        3,
        "m",
        "orders",
    )
    assert api(admin).get("usage", {"first": str(today), "last": str(today)}).json()["total"]["calls"] == 1
    assert api(admin).get("usage", {"workflow": "other"}).json()["total"]["calls"] == 0
    for query in (
        {"first": "soon"},
        {"first": "2026-02-02", "last": "2026-01-01"},
        {"first": "0001-01-01"},
        {"last": "0001-01-01"},
    ):
        assert api(admin).get("usage", query).status_code == 422, query
    refused = api(owner).get("usage")
    assert refused.status_code == 403
    owner.user_permissions.add(Permission.objects.get(codename="view_llmusage"))
    assert api(owner, "llmusage:view").get("usage").status_code == 200
    assert api(owner, "workflow:view").get("usage").json()["missing_scope"] == "llmusage:view"


def test_the_audit_trail_is_for_auditors(api, owner, admin, orders):
    api(owner).get("workflows")
    client, found, cursor = api(admin), [], None
    while True:
        page = client.get("audit-entries", {"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert [each["id"] for each in found] == list(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True))
    entry = found[-1]
    assert client.get(f"audit-entries/{entry['id']}").json() == entry
    tokens = client.get("audit-entries", {"verb": "token.", "search": "owner"}).json()["items"]
    assert {each["verb"] for each in tokens} == {"token.created"}
    about = {"object_type": entry["object_type"], "object_id": entry["object_id"]}
    assert entry["id"] in [each["id"] for each in client.get("audit-entries", about).json()["items"]]
    for query, many in (
        ({"who": "nobody at all"}, 0),
        ({"until": "2001-01-01T00:00:00"}, 0),
        ({"source": "worker"}, 0),
    ):
        assert len(client.get("audit-entries", query).json()["items"]) == many, query
    for query in ({"object_id": "1"}, {"source": "moon"}, {"since": "soon"}, {"cursor": "x"}, {"limit": "x"}):
        assert client.get("audit-entries", query).status_code == 422, query
    assert client.get("audit-entries/99999999999999999999").status_code == 404
    for refused in (api(owner), api(admin, "workflow:view")):
        assert refused.get("audit-entries").status_code == 403
        assert refused.get(f"audit-entries/{entry['id']}").status_code == 403


def test_pages_cost_the_same_however_many_rows_they_have(api, admin, owner):
    published_workflows(owner, *"ABCDEFGH")
    client = api(admin)
    for _ in range(8):
        api(owner)
    asked = {
        "audit-entries": ({"limit": 1}, {"limit": 8}),
        "statistics": ({"period": "24h"}, {"period": "30d"}),
    }
    for path, few_and_many in asked.items():
        counts = []
        client.get(path)
        for query in few_and_many:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path, query).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1], path
