"""Connections by the API: what may be known of them, and a real test."""

from __future__ import annotations

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from automate_connectors.models import Connection
from automate_governance.models import AuditEntry
from automate_governance.secrets import storing

pytestmark = pytest.mark.django_db

VALUE = "value-of-the-connection-tests"


@pytest.fixture
def hub(owner, sink):
    storing.create_secret("hub", VALUE, by=owner)
    config = {"base_url": sink.url, "token": "database:hub"}
    return Connection.objects.create(name="Hub", slug="hub", connector="http", owner=owner, config=config)


@pytest.mark.extended
def test_neither_configuration_nor_secrets_are_shown(api, owner, hub, sink):
    client = api(owner)
    listed = client.get("connections")
    read = client.get("connections/hub")
    assert listed.json()["items"] == [read.json()]
    assert read.json()["connector"] == "http" and read.json()["owner"] == "owner"
    for answer in (listed, read):
        assert not any(text in answer.content.decode() for text in (VALUE, "database:hub", sink.url))


def test_a_test_makes_a_real_call_once(api, owner, hub, sink):
    client = api(owner)
    tested = client.post("connections/hub/test", key="once")
    assert tested.status_code == 200 and tested.json()["works"] is True, tested.content
    again = client.post("connections/hub/test", key="once")
    assert again.json() == tested.json() and again.headers["Idempotency-Replayed"] == "true"
    assert len(sink.calls) == 1
    assert client.get("connections/hub").json()["health"] == "working"
    assert AuditEntry.objects.filter(verb="connection.tested", credential__startswith="test dat_").count() == 1


def test_a_failed_test_says_why(api, owner, hub, sink):
    sink.answer = lambda number, path: (401, {"error": "no"}, {})
    tested = api(owner).post("connections/hub/test").json()
    assert tested["works"] is False and tested["code"] and tested["message"]
    assert api(owner).get("connections/hub").json()["health_message"] == tested["message"]


def test_the_list_is_filtered_and_paged(api, owner, hub):
    Connection.objects.bulk_create(
        Connection(name=f"C{n}", slug=f"c{n}", connector="slack" if n % 2 else "http", owner=owner) for n in range(6)
    )
    client = api(owner)
    first = client.get("connections", {"connector": "slack", "limit": 2}).json()
    second = client.get("connections", {"connector": "slack", "limit": 2, "cursor": first["next"]}).json()
    assert [each["slug"] for each in first["items"] + second["items"]] == ["c1", "c3", "c5"]
    assert second["next"] is None
    assert client.get("connections", {"health": "nonsense"}).status_code == 422
    counts = []
    for limit in (1, 7):
        with CaptureQueriesContext(database) as queries:
            assert len(client.get("connections", {"limit": limit}).json()["items"]) == limit
        counts.append(len(queries))
    assert counts[0] == counts[1]
