"""Events belong to the endpoint that took them: whoever makes one again at its address gets none of the old ones."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.models import Event, ExecutionRun, OutboxJob, WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_governance.models import AuditEntry
from tests.conftest import SECRET
from tests.support.event_pages import INBOX, EventPage, event_address
from tests.support.events import came_to
from tests.support.pages import WEBHOOK_LIST, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

SOURCE = {"source": "webhook:github"}
DRAFT = "{name: Mine, slug: mine, triggers: [{endpoint: github}], steps: [{key: s, action: data.log, inputs: {message: x}}]}"


def _inbox(client, **asked):
    return EventPage(client.get(INBOX, asked, headers={"HX-Request": "true"})).events


@pytest.fixture
def old(endpoint, deliver, sign_in, owner):
    """An event of an endpoint that was deleted since."""
    assert deliver({"card": "4111 of Ada"}, delivery="d-1").status_code == 202
    old, delete = Event.objects.get(), reverse("admin:automate_core_webhookendpoint_delete", args=[endpoint.pk])
    assert sign_in(owner).get(event_address(old.pk)).status_code == 200
    asked = EventPage(sign_in(owner).get(delete))
    assert (
        "Its events stay until retention deletes them. Only people who may view all webhooks can see them."
        in asked.text
    )
    assert sign_in(owner).post(delete, {"post": "yes"}).status_code == 302
    assert not WebhookEndpoint.objects.exists()
    return old


def _made_again(by):
    return endpoints.save_endpoint("github", scheme="github", config={}, secret=SECRET, actor=by, new=True)[0]


@pytest.mark.extended
def test_an_address_made_again_shows_no_old_events(old, deliver, sign_in, stranger):
    _made_again(stranger)
    answer = deliver({"n": 2}, delivery="d-1")
    new = Event.objects.exclude(pk=old.pk).get()
    assert answer.json()["event_id"] == str(new.pk), "a delivery that the old endpoint has seen is new to this one"
    again = deliver({"n": 2}, delivery="d-1")
    assert again.json()["event_id"] == str(new.pk) and Event.objects.count() == 2
    client = sign_in(stranger)
    for asked in ({}, SOURCE, {"held": "n"}, {"show": "nothing"}, {"q": "d-1"}):
        assert _inbox(client, **asked) == [str(new.pk)], asked
    assert _inbox(client, held="4111") == _inbox(client, q=old.trace_id) == []
    assert client.get(event_address(old.pk)).status_code == 404
    for door in ("download", "replay", "sample"):
        assert client.post(reverse(f"studio:event_{door}", args=[old.pk])).status_code == 404, door
    assert event_address(old.pk) not in client.get(reverse("admin:search"), {"s": old.trace_id}).content.decode()
    [row] = rows_of(client, WEBHOOK_LIST)
    assert "1 0 Not used" in row, "one delivery was accepted"


def test_nor_are_they_samples_of_what_is_built_on_it(old, sign_in, stranger):
    _made_again(stranger)
    made = workflows.save_definition(yaml_files.read_workflow(DRAFT), owner=stranger)
    client = sign_in(stranger)

    def door(name, *args):
        return reverse(f"studio:builder_{name}", args=[made.pk, *args])

    came_to("github", payload={"card": "5500 of Bob"})
    shown = client.get(door("sample")).content.decode()
    assert "5500" in shown and "4111" not in shown
    assert client.post(door("sample"), {"choose": f"event:{old.pk}"}).status_code == 422
    assert client.post(door("trigger_event", "webhook"), {"event": old.pk}).status_code == 404
    assert client.post(door("test"), {"key": "s", "event": old.pk}).status_code == 422
    Event.objects.exclude(pk=old.pk).delete()
    assert "4111" not in client.get(door("sample")).content.decode()


def test_what_the_old_endpoint_took_starts_nothing_of_the_new_one(old, deliver, drain, sign_in, stranger, admin):
    """No worker had looked at it before the endpoint was deleted."""
    _made_again(stranger)
    made = workflows.save_definition(yaml_files.read_workflow(DRAFT), owner=stranger)
    workflows.publish(made, author=stranger)
    assert deliver({"n": 2}).status_code == 202
    drain()
    assert ExecutionRun.objects.get().event_id != old.pk and not OutboxJob.objects.exclude(status="completed").exists()
    replay = reverse("studio:event_replay", args=[old.pk])
    assert sign_in(admin).post(replay, {"workflow": made.pk}).status_code == 303
    assert ExecutionRun.objects.count() == 1


@pytest.mark.extended
def test_what_is_left_is_for_those_who_may_view_all(old, sign_in, owner, colleague, stranger, admin):
    _made_again(colleague)
    came_to("github")
    old_one, download = event_address(old.pk), reverse("studio:event_download", args=[old.pk])
    assert sign_in(owner).get(old_one).status_code == 404, "it had the endpoint, which is gone"
    stranger.groups.set(Group.objects.filter(name="Operators"))
    assert sign_in(stranger).get(old_one).status_code == 200 and str(old.pk) in _inbox(sign_in(stranger), **SOURCE)
    assert sign_in(stranger).post(download).status_code == 403
    stranger.groups.set(Group.objects.filter(name="Auditors"))
    assert _inbox(sign_in(stranger)) == _inbox(sign_in(stranger), **SOURCE)
    assert str(old.pk) in _inbox(sign_in(stranger), held="4111")
    assert sign_in(stranger).post(download).status_code == 200 == sign_in(admin).post(download).status_code
    assert AuditEntry.objects.filter(verb="event.payload_downloaded").count() == 2


def test_events_follow_an_endpoint_to_another_address(endpoint, deliver, sign_in, owner, colleague):
    assert deliver().status_code == 202
    event = Event.objects.get()
    WebhookEndpoint.objects.update(slug="hub")
    assign_perm("view_webhookendpoint", colleague, endpoint)
    for person in (owner, colleague):
        assert _inbox(sign_in(person)) == _inbox(sign_in(person), source="webhook:hub") == [str(event.pk)]
