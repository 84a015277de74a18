"""Webhooks whose deliveries only say that there are changes: channels of Google Drive and Google Calendar."""

from __future__ import annotations

import datetime as dt

import pytest

from automate_authoring import pausing
from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.models import Event, ServiceWebhook
from automate_core.webhooks.registration import upkeep
from tests.support.google import Google

pytestmark = pytest.mark.django_db(transaction=True)

CHANGED = """
name: Changed
slug: changed
triggers: [{{kind: service, key: change, webhook: {webhook}, connection: g, inputs: {inputs}}}]
steps: [{{key: note, action: data.set, inputs: {{id: '{{{{ event.payload }}}}'}}}}]
"""
SERVICES = {
    "google_drive": ("folder: in", "/drive/v3/changes/watch", "fileId"),
    "google_calendar": ("calendar: team", "/calendars/team/events/watch", "id"),
}


@pytest.fixture
def google(settings, monkeypatch):
    made = Google()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    settings.AUTOMATE_ENDPOINT_CACHE_SECONDS = 0
    monkeypatch.setenv("AUTOMATE_SECRET_G", "ya29.of-a-test")
    yield made
    made.close()


@pytest.fixture
def publish(workflow, owner, google):
    def make(code):
        config = {"token": "env:G", "base_url": google.url}
        Connection.objects.create(name="G", slug="g", connector=code, config=config, owner=owner)
        return workflow(CHANGED.format(webhook=f"{code}.change", inputs=f"{{{SERVICES[code][0]}}}"))

    return make


@pytest.fixture
def work(drain):
    def make(**changes):
        ServiceWebhook.objects.filter(lease_until=None).update(**changes)
        drain()
        return ServiceWebhook.objects.first()

    return make


def change(number, folder="in"):
    at = f"2026-11-28T08:00:0{number}.000Z"
    file = {"id": f"f{number}", "name": f"{number}.pdf", "parents": [folder]}
    return {"id": f"e{number}", "updated": at, "fileId": f"f{number}", "time": at, "removed": False, "file": file}


@pytest.mark.matrix
@pytest.mark.parametrize("code", SERVICES)
def test_an_announcement_has_the_changes_read_and_each_starts_a_run_once(publish, google, work, code):
    _, path, identifier = SERVICES[code]
    google.changes = [change(1)]  # before there was a channel
    made = publish(code)
    webhook = work()
    [channel] = google.channels
    assert (channel["path"], webhook.registration_id, webhook.state) == (path, channel["id"], "registered")
    assert channel["token"] not in str(webhook.data) and webhook.expires_at - now() > dt.timedelta(days=6)
    asked = len(google.asked)
    assert google.notify(channel, "sync").json() == {"ignored": True}
    assert google.notify(channel, token="x" * 64).status_code == 401
    work()
    assert len(google.asked) == asked, "the first message and a forged one have nothing read"
    google.changes += [change(2), change(3), change(4)]
    answer = google.notify(channel)
    assert (answer.status_code, answer.json()) == (200, {"announced": True})
    work()
    found = list(Event.objects.order_by("pk").values_list(f"payload__{identifier}", flat=True))
    assert [each[1:] for each in found] == ["2", "3", "4"], "of two pages, and none that was there before"
    google.notify(channel)
    webhook = work()
    assert Event.objects.count() == 3 and webhook.announced_at is None and webhook.failures == 0
    event = Event.objects.order_by("pk").first()
    assert (event.source, event.type, event.headers["item-time"]) == (
        "service:changed",
        "change",
        "2026-11-28T08:00:02+00:00",
    )
    assert made.runs.filter(status="succeeded").count() == 3


def test_changes_of_other_folders_start_nothing(publish, google, work):
    publish("google_drive")
    work()
    google.changes = [change(1, "other"), {"fileId": "f2", "time": "2026-11-28T08:00:02Z", "removed": True}, change(3)]
    google.notify(google.channels[0])
    work()
    assert [each.payload["fileId"] for each in Event.objects.all()] == ["f3"]


@pytest.mark.matrix
@pytest.mark.parametrize("code", SERVICES)
def test_a_channel_is_renewed_before_it_ends_and_goes_on_where_it_was(publish, google, work, code, owner):
    made = publish(code)
    first = work()
    google.changes = [change(1)]
    renewed = work(renew_at=now(), next_at=now())
    [channel] = google.channels
    assert (
        channel["id"] == renewed.registration_id != first.registration_id
        and renewed.data["cursor"] == first.data["cursor"]
    )
    google.notify(channel)
    work()
    assert Event.objects.count() == 1, "what came before the renewal was announced"
    late = work(expires_at=now(), next_at=now())
    assert late.registration_id != renewed.registration_id and late.data["cursor"] != first.data["cursor"]
    pausing.pause(made, owner)
    assert work() is None and google.channels == [], "the channel is ended with a pause"


def test_a_failed_call_is_repeated_and_what_is_announced_meanwhile_is_read(publish, google, work):
    publish("google_drive")
    work()
    [channel] = google.channels
    google.changes = [change(1)]
    google.answer = lambda method, path: 503 if path.endswith("/changes") else 0
    google.notify(channel)
    webhook = work()
    assert webhook.failures == 1 and webhook.announced_at
    google.answer = lambda method, path: 0
    ServiceWebhook.objects.update(next_at=now())
    [lease] = upkeep.lease_due(1)
    found = upkeep._call_service(lease)
    google.changes.append(change(2))
    google.notify(channel)  # while the changes before it are read
    with upkeep.redactor_context() as redactor:
        upkeep._store_changes(lease, found, redactor)
        upkeep._store_changes(lease, found, redactor)
    assert ServiceWebhook.objects.get().next_at <= now(), "it is due again at once"
    work()
    assert sorted(each.payload["fileId"] for each in Event.objects.all()) == ["f1", "f2"]
    google.changes.append(change(3))
    work(next_at=now())
    assert Event.objects.count() == 3, "the daily call finds what no message announced"


def test_a_calendar_whose_sync_token_is_too_old_goes_on_from_now(publish, google, work):
    publish("google_calendar")
    work()
    google.changes, google.oldest = [change(1), change(2)], 2
    google.notify(google.channels[0])
    webhook = work()
    assert webhook.failures == 0 and webhook.data["cursor"]["sync"] == "s2" and not Event.objects.exists()
