"""Cursor pages: every row once, whatever is added meanwhile, in as many queries for many rows as for few."""

from __future__ import annotations

from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint, Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(owner):
    return [
        Workflow.objects.create(name=f"W{n}", slug=f"w{n}", owner=owner, run_as=owner, status=status)
        for n in range(12)
        for status in [Workflow.Status.PAUSED if n % 3 else Workflow.Status.DRAFT]
    ]


def _walk(client, path, **query):
    cursor, found = None, []
    while True:
        page = client.get(path, query | ({"cursor": cursor} if cursor else {})).json()
        found.append([item["slug"] for item in page["items"]])
        cursor = page["next"]
        if cursor is None:
            return found


def test_pages_hold_every_row_once(api, owner, many):
    client = api(owner)
    pages = _walk(client, "workflows", limit=5)
    assert [len(page) for page in pages] == [5, 5, 2]
    assert list(chain(*pages)) == [each.slug for each in many]
    assert [len(page) for page in _walk(client, "workflows", limit=12)] == [12]
    assert list(chain(*_walk(client, "workflows", limit=1, status="draft"))) == ["w0", "w3", "w6", "w9"]


@pytest.mark.parametrize("objects", ["workflows", "connections", "webhooks"])
def test_objects_are_listed_in_the_order_that_is_asked_for(api, owner, admin, objects):
    for slug in ("m", "z", "a"):
        match objects:
            case "workflows":
                Workflow.objects.create(name=slug, slug=slug, owner=owner, run_as=owner)
            case "connections":
                Connection.objects.create(name=slug, slug=slug, connector="http", owner=owner)
            case "webhooks":
                WebhookEndpoint.objects.create(slug=slug, owner=owner)
    client = api(admin)
    for order, found in {"created": "mza", "-created": "azm", "slug": "amz", "-slug": "zma"}.items():
        assert "".join(chain(*_walk(client, objects, limit=1, order=order))) == found, order
    refused = client.get(objects, {"order": "size"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "order")


def test_new_and_deleted_rows_move_nothing(api, owner, many):
    client = api(owner)
    first = client.get("workflows", {"limit": 5}).json()
    many[4].delete()  # the one that the cursor names
    Workflow.objects.create(name="New", slug="new", owner=owner, run_as=owner)
    second = client.get("workflows", {"limit": 5, "cursor": first["next"]}).json()
    assert [item["slug"] for item in second["items"]] == ["w5", "w6", "w7", "w8", "w9"]


def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(api, owner, many):
    client = api(owner)
    client.get("workflows", {"limit": 1})
    counts = []
    for limit in (1, 12):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(client.get("workflows", {"limit": limit}).json()["items"]) == limit
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 5
