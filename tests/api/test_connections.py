"""Connections by the API: what may be known of them, and a real test."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from automate_connectors.models import Connection
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets import storing
from automate_governance.secrets.resolver import resolve

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


NEW = {"slug": "hub", "name": "Hub", "connector": "github", "config": {}}


def test_a_connection_is_created_with_a_new_secret_changed_and_deleted(api, owner):
    client = api(owner)
    made = client.post("connections", NEW | {"secrets": {"token": f" {VALUE} "}})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/connections/hub"), made.content
    hub = Connection.objects.get()
    assert (hub.owner, hub.config["token"]) == (owner, "database:hub-token")
    assert resolve("database:hub-token").reveal() == VALUE
    assert VALUE not in made.content.decode()
    taken = client.post("connections", NEW | {"secrets": {"token": VALUE}})
    assert (taken.status_code, taken.json()["code"], StoredSecret.objects.count()) == (409, "taken", 1)
    changed = client.patch("connections/hub", {"name": "GitHub", "limit_requests": 5, "limit_seconds": 60})
    assert changed.json()["name"] == "GitHub"
    hub.refresh_from_db()
    assert (hub.config["token"], hub.limit_requests) == ("database:hub-token", 5), "what was not sent stays"
    assert client.patch("connections/hub", {"limit_requests": None, "limit_seconds": None}).status_code == 200
    rotated = client.patch("connections/hub", {"secrets": {"token": "another-value"}})
    assert rotated.status_code == 200, rotated.content
    hub.refresh_from_db()
    assert (resolve(hub.config["token"]).reveal(), hub.limit_requests) == ("another-value", None)
    assert client.delete("connections/hub").status_code == 204
    verbs = list(AuditEntry.objects.filter(object_type__endswith="connection").values_list("verb", flat=True))
    assert verbs.count("connection.changed") == 3 and {"connection.created", "connection.deleted"} <= set(verbs)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"connector": "none"}, "connector"),
        ({"connector": "none", "secrets": {"token": "x"}}, "connector"),
        ({"connector": "", "secrets": {"token": "x"}}, "connector"),
        ({"config": {"token": "plain-text-of-a-secret"}}, "config"),
        ({"config": {"token": "database:none"}}, "config"),
        ({"secrets": {"nothing": "x"}}, "secrets"),
        ({"secrets": {"token": "x"}, "oauth": {"nothing": "x"}}, "oauth"),
        ({"secrets": {"token": "x"}, "runs_on": "none"}, "runs_on"),
        ({"secrets": {"token": "x"}, "slug": "no slug"}, "slug"),
        ({"secrets": {"token": "x"}, "limit_requests": 5}, "limit_seconds"),
    ],
)
def test_what_is_wrong_with_a_connection_is_named(api, owner, body, field):
    refused = api(owner).post("connections", NEW | body)
    assert refused.status_code == 422, refused.content
    assert [each["field"] for each in refused.json()["errors"]] == [field]
    assert not Connection.objects.exists() and not StoredSecret.objects.exists()


def test_a_connection_that_a_workflow_uses_is_not_deleted(api, owner, hub, workflow):
    workflow(
        "name: A\nslug: a\ntriggers: [{kind: manual, key: m}]\n"
        "steps: [{key: get, action: http.request, connection: hub, inputs: {method: GET, url: /x}}]"
    )
    refused = api(owner).delete("connections/hub")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")


def test_the_secret_of_another_person_cannot_be_bound(api, owner, colleague, hub):
    storing.create_secret("theirs", VALUE, by=colleague)
    refused = api(owner).patch("connections/hub", {"config": {"token": "database:theirs"}})
    assert refused.status_code == 422 and "theirs" in refused.json()["errors"][0]["message"]
    narrow = api(owner, "connection:view", "connection:change").patch(
        "connections/hub", {"config": {"base_url": "https://x.example"}}
    )
    assert (narrow.status_code, narrow.json()["missing_scope"]) == (403, "storedsecret:use")


def test_objects_are_shared_and_unshared(api, owner, colleague, hub, workflow):
    made = workflow("name: A\nslug: a\ntriggers: [{kind: manual, key: m}]\nsteps: [{kind: stop, key: done}]")
    client = api(owner)
    for path in ("connections/hub", f"workflows/{made.slug}"):
        assert client.get(f"{path}/grants").json() == {"items": []}
        assert api(colleague).get(path).status_code == 404
        shared = client.post(f"{path}/share", {"to": "colleague", "verbs": ["view"]})
        [grant] = shared.json()["items"]
        assert (grant["kind"], grant["name"], grant["verbs"]) == ("user", "colleague", ["view"])
        assert api(colleague).get(path).status_code == 200
        assert api(colleague).get(f"{path}/grants").status_code == 403
        assert client.post(f"{path}/share", {"to": "nobody-here", "verbs": ["view"]}).status_code == 422
        assert client.post(f"{path}/share", {"to": "colleague", "verbs": ["fly"]}).status_code == 422
        assert client.post(f"{path}/unshare", {"name": "colleague"}).json() == {"items": []}
        assert api(colleague).get(path).status_code == 404


def test_the_next_start_of_a_schedule_is_read(api, owner, workflow):
    workflow(
        "name: A\nslug: a\ntriggers: [{kind: schedule, key: daily, cron: '0 8 * * *'}, {kind: manual, key: m}]\n"
        "steps: [{kind: stop, key: done}]"
    )
    found = {each["key"]: each for each in api(owner).get("triggers", {"workflow": "a"}).json()["items"]}
    assert found["daily"]["next_at"].endswith("Z") and found["daily"]["config"]["cron"] == "0 8 * * *"
    assert found["m"]["next_at"] is None and found["m"]["workflow_status"] == "active"


def test_the_server_names_its_version_and_operators_read_its_health(api, owner, admin):
    assert api(owner).get("server").json() == {"version": version("django-automate"), "api": "1"}
    assert api(owner).get("server/health").status_code == 403
    state = api(admin, "site:operate").get("server/health").json()
    assert (state["status"], state["worker"], state["backlog"]) == ("failing", "missing", 0)
