"""Events by the API: sent, listed, read, replayed, and why one started what it did."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from automate_core.models import Event, ExecutionRun
from automate_governance.models import AuditEntry
from tests.support.event_pages import INBOX, EventPage
from tests.support.events import came_to

pytestmark = pytest.mark.django_db(transaction=True)

LISTENS = """
name: {name}
slug: {slug}
triggers: [{{kind: event, key: paid, event: order.paid, filter: {{'>': [{{var: event.payload.total}}, 100]}}}}]
steps: [{{key: keep, action: data.set, inputs: {{total: '{{{{ event.payload.total }}}}'}}}}]
"""
OPENED = """
name: Issues
slug: issues
triggers: [{endpoint: github, event: issues}]
steps: [{key: keep, action: data.set, inputs: {n: '{{ event.payload.number }}'}}]
"""


@pytest.fixture
def orders(workflow):
    return workflow(LISTENS.format(name="Orders", slug="orders"))


def _send(client, total=500, **values):
    return client.post("events", {"type": "order.paid", "payload": {"total": total}}, **values)


def test_a_sent_event_starts_what_the_sender_may_run(api, owner, colleague, orders, drain):
    client = api(owner)
    sent = _send(client, key="one")
    assert sent.status_code == 201, sent.content
    assert (sent.json()["source"], sent.json()["type"]) == ("api", "order.paid")
    assert _send(client, key="one").json() == sent.json()
    drain()
    run = orders.runs.get()
    assert (sent.json()["runs"], run.status, run.origin) == ([str(run.pk)], "succeeded", "api")
    entry = AuditEntry.objects.get(verb="event.sent")
    assert (entry.changes["type"], entry.changes["sender"]) == ("order.paid", str(client.token))
    assert client.token.prefix in entry.changes["sender"] and client.token.prefix in entry.credential
    assert _send(client, total=5).json()["runs"] == [], "the filter of the trigger decides"
    assert _send(api(colleague)).json()["runs"] == [], "they may not run it"
    assert _send(api(owner, "event:send", "workflow:run", workflows=[])).json()["runs"] == []
    assert orders.runs.count() == 1
    for scopes, missing in ((("workflow:run",), "event:send"), (("event:send",), "workflow:run")):
        refused = _send(api(owner, *scopes))
        assert (refused.status_code, refused.json()["missing_scope"]) == (403, missing)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": ""},
        {"type": "x" * 201},
        {"type": "order.lost"},
        {"type": 7},
        {"type": "order.paid", "payload": []},
        {"type": "order.paid", "payload": {"a": "\0"}},
        '{"type": "order.paid", "payload": {"a": 1e999}}',
        '{"type": "order.paid", "payload": {"a": NaN}}',
    ],
)
def test_bad_events_are_refused(api, owner, orders, body):
    answer = api(owner).post("events", body)
    assert answer.status_code in {400, 422}, answer.content
    assert not Event.objects.exists()


@pytest.mark.extended
def test_events_are_paged_and_filtered(api, owner, endpoint):
    made = [came_to("github", type="push" if number % 2 else "issues", payload={"n": number}) for number in range(5)]
    client, found, cursor = api(owner), [], None
    while True:
        page = client.get("events", {"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [each["id"] for each in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == [str(event.pk) for event in reversed(made)]
    for query, wanted in (
        ({"type": "push"}, [3, 1]),
        ({"source": "webhook:github", "since": "1h"}, [4, 3, 2, 1, 0]),
        ({"source": "app"}, []),
        ({"payload": '{"n": 3}'}, [3]),
        ({"show": "started"}, []),
        ({"search": str(made[2].pk)}, [2]),
        ({"until": "2001-01-01T00:00:00Z"}, []),
    ):
        shown = client.get("events", query).json()["items"]
        assert [each["id"] for each in shown] == [str(made[number].pk) for number in wanted], query
    for query in (
        {"show": "all"},
        {"since": "1y"},
        {"until": "soon"},
        {"limit": 101},
        {"cursor": "x"},
        {"type": "x" * 201},
    ):
        assert client.get("events", query).status_code == 422, query


def test_a_page_costs_the_same_however_many_rows_it_has(api, owner, endpoint):
    for number in range(12):
        came_to("github", payload={"n": number})
    client, counts = api(owner), []
    client.get("events")
    for limit in (2, 12):
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get("events", {"limit": limit}).json()["items"]) == limit
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_payloads_need_the_permission_to_view_them(api, owner, colleague, stranger, endpoint):
    event = came_to("github", payload={"n": 1}, subject="One")
    read = api(owner).get(f"events/{event.pk}").json()
    assert (read["payload"], read["subject"]) == ({"n": 1}, "One")
    assert AuditEntry.objects.filter(verb="event.payload_viewed", object_id=str(event.pk)).count() == 1
    assert api(stranger).get(f"events/{event.pk}").status_code == 404
    assign_perm("view_webhookendpoint", colleague, endpoint)
    hidden = api(colleague).get(f"events/{event.pk}").json()
    assert (hidden["payload"], hidden["subject"]) == (None, None)
    assert api(owner, "webhookendpoint:view").get(f"events/{event.pk}").json()["payload"] is None
    assert [each["subject"] for each in api(colleague).get("events").json()["items"]] == [None]


@pytest.mark.extended
def test_an_event_is_replayed(api, owner, colleague, workflow, deliver, drain):
    made = workflow(OPENED)
    deliver()
    drain()
    event = Event.objects.get()
    client = api(owner)
    again = client.post(f"events/{event.pk}/replay", key="one")
    assert (again.status_code, again.json()["replay_of"]) == (201, str(event.pk)), again.content
    assert client.post(f"events/{event.pk}/replay", key="one").json() == again.json()
    assert client.post(f"events/{event.pk}/replay", {"workflows": ["issues"]}).status_code == 201
    drain()
    assert made.runs.filter(status="succeeded").count() == 3
    unknown = client.post(f"events/{event.pk}/replay", {"workflows": ["other"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "workflows")
    assert client.post(f"events/{event.pk}/replay", {"workflows": []}).status_code == 409
    assert client.post(f"events/{event.pk}/replay", {"workflows": "issues"}).status_code == 422
    assign_perm("view_workflow", colleague, made)
    assert api(colleague).post(f"events/{event.pk}/replay").status_code == 403
    scopes = ["workflow:view", "workflow:view_payload", "webhookendpoint:view", "webhookendpoint:view_payload"]
    assert api(owner, *scopes).post(f"events/{event.pk}/replay", {"workflows": ["issues"]}).status_code == 403
    other = Event.objects.create(source="call:issues", payload={}, trace_id="1" * 32)
    assert client.post(f"events/{other.pk}/replay").status_code == 409


def test_a_match_is_explained(api, owner, colleague, orders, workflow):
    workflow(LISTENS.format(name="Others", slug="others"))
    event = Event.objects.create(source="app", type="order.paid", payload={"total": 5}, trace_id="1" * 32)
    client = api(owner)
    found = client.get(f"events/{event.pk}/match").json()
    assert [(each["workflow"], each["outcome"]) for each in found["triggers"]] == [
        ("orders", "refused"),
        ("others", "refused"),
    ]
    condition = found["triggers"][0]["condition"]
    assert (condition["operator"], condition["passed"], condition["values"]) == (">", False, [5, 100])
    one = client.get(f"events/{event.pk}/match", {"workflow": "others"}).json()
    assert [each["workflow"] for each in one["triggers"]] == ["others"]
    assert client.get(f"events/{event.pk}/match", {"workflow": "unknown"}).status_code == 404
    assert api(colleague).get(f"events/{event.pk}/match").json()["triggers"] == []
    assert not ExecutionRun.objects.exists()


def test_a_token_reaches_no_more_events_than_its_scopes_and_workflows(api, admin, orders, endpoint):
    of_code = Event.objects.create(source="app", type="order.paid", payload={"total": 5}, trace_id="1" * 32)
    of_host = Event.objects.create(source="model:auth.Group", payload={}, trace_id="1" * 32)
    delivery, manual = came_to("github"), Event.objects.create(source="manual:orders", payload={}, trace_id="1" * 32)

    def shown(*scopes, **limits):
        return {each["id"] for each in api(admin, *scopes, **limits).get("events").json()["items"]}

    assert shown() >= {str(event.pk) for event in (of_code, delivery, manual)}
    assert shown("webhookendpoint:view") == {str(delivery.pk)}
    assert shown("workflow:view", workflows=[orders]) == {str(manual.pk)}
    assert api(admin, "site:audit").get(f"events/{of_host.pk}").status_code == 404
    assert api(admin, "workflow:view").get(f"events/{of_code.pk}").json()["payload"] is None


@pytest.mark.extended
def test_sent_events_and_those_of_code_are_told_apart(api, owner, admin, orders, drain, sign_in):
    """Both start the same workflows, and the lists show which is which; events from before keep their source."""
    client = api(owner)
    old = Event.objects.create(source="app", type="order.paid", payload={"total": 5}, trace_id="1" * 32)
    sent = _send(client).json()
    drain()
    for source, wanted in (("api", [sent["id"]]), ("app", [str(old.pk)])):
        assert [each["id"] for each in client.get("events", {"source": source}).json()["items"]] == wanted
    assert [each["id"] for each in client.get("runs", {"origin": "api"}).json()["items"]] == sent["runs"]
    [match] = client.get(f"events/{sent['id']}/match").json()["triggers"]
    assert (match["workflow"], match["outcome"]) == ("orders", "started")
    again = client.post(f"events/{sent['id']}/replay")
    assert (again.status_code, again.json()["source"]) == (201, "api"), again.content
    assert api(admin, "workflow:view").get(f"events/{sent['id']}").status_code == 200
    page = EventPage(sign_in(owner).get(INBOX))
    assert page.events == [again.json()["id"], sent["id"], str(old.pk)]
    assert "Event from the API" in page.text and "Event from code" in page.text
    assert EventPage(sign_in(owner).get(INBOX, {"source": "api"})).events == page.events[:2]


def test_sent_events_are_samples_of_the_trigger(api, owner, orders):
    from automate_authoring.test_runs.samples import newest_event
    from automate_authoring.workflows import load_definition

    sent = _send(api(owner)).json()
    found = newest_event(orders, load_definition(orders), owner)
    assert found is not None and str(found.pk) == sent["id"]
