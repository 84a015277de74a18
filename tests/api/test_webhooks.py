"""Webhook endpoints by the API, and deliveries to them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automate_core.models import Event, WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.registry import scheme_for
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets import storing

pytestmark = pytest.mark.django_db

SECRET = "a-secret-of-the-api-tests-41b7"


def _deliver(slug, secret, scheme="hmac"):
    headers = scheme_for(scheme, {}).sign(secret, b"{}", event_type="", delivery="")
    return Client().post(f"/hooks/{slug}/", b"{}", content_type="application/json", headers=headers).status_code


def _create(client, **body):
    return client.post("webhooks", {"slug": "orders", "scheme": "hmac"} | body)


def test_a_generated_secret_is_shown_once(api, owner):
    client = api(owner)
    made = client.post("webhooks", {"slug": "orders", "scheme": "hmac"}, key="one")
    assert made.status_code == 201, made.content
    secret = made.json()["secret"]
    assert made.json()["url"].endswith("/hooks/orders/") and made.json()["enabled"] is True
    assert _deliver("orders", secret) == 202
    assert Event.objects.count() == 1
    again = client.post("webhooks", {"slug": "orders", "scheme": "hmac"}, key="one")
    assert again.status_code == 409 and WebhookEndpoint.objects.filter(slug="orders").count() == 1
    read = client.get("webhooks/orders")
    assert read.json()["secret_reference"] == "database:hook-orders"
    assert secret not in read.content.decode() + client.get("webhooks").content.decode() + again.content.decode()
    assert all(secret not in each.canonical for each in AuditEntry.objects.all())


def test_the_sender_s_own_secret_is_not_shown(api, owner):
    made = _create(api(owner), scheme="github", secret=SECRET, reply_seconds=5)
    assert made.status_code == 201 and made.json()["secret"] is None and SECRET not in made.content.decode()
    assert made.json()["reply_seconds"] == 5
    assert _deliver("orders", SECRET, "github") == 202


def test_a_stored_secret_can_be_chosen(api, owner, colleague):
    storing.create_secret("mine", SECRET, by=owner)
    storing.create_secret("theirs", SECRET, by=colleague)
    client = api(owner)
    for reference in ("database:theirs", "database:none", "env:HOME", "plain-text", "nonsense:key"):
        refused = _create(client, secret_reference=reference)
        assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "secret_reference", reference
    assert _create(client, secret_reference="database:mine").status_code == 201
    assert _deliver("orders", SECRET) == 202
    assert StoredSecret.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"slug": "Orders"}, "slug"),
        ({"slug": "a--b"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "x" * 101}, "slug"),
        ({"scheme": "nonsense"}, "scheme"),
        ({"config": {"nonsense": 1}}, "config"),
        ({"config": {"dedupe_seconds": -1}}, "config"),
        ({"config": []}, "config"),
        ({"secret": "short"}, "secret"),
        ({"scheme": "stripe"}, "secret"),
        ({"reply_seconds": 31}, "reply_seconds"),
    ],
)
def test_a_bad_webhook_is_not_created(api, owner, body, field):
    refused = _create(api(owner), **body)
    assert refused.status_code == 422, refused.content
    assert [each["field"] for each in refused.json()["errors"]] == [field]
    assert not WebhookEndpoint.objects.exists() and not StoredSecret.objects.exists()


def test_a_name_is_taken_once(api, owner, colleague):
    assert _create(api(owner)).status_code == 201
    taken = _create(api(colleague))
    assert taken.status_code == 409 and taken.json()["errors"][0]["field"] == "slug"
    assert StoredSecret.objects.count() == 1


def test_a_change_keeps_what_it_leaves_out(api, owner):
    client = api(owner)
    secret = _create(client, config={"event_header": "X-Kind"}).json()["secret"]
    off = client.patch("webhooks/orders", {"enabled": False}).json()
    assert off["enabled"] is False and off["secret"] is None and off["config"] == {"event_header": "X-Kind"}
    assert _deliver("orders", secret) == 401
    on = client.patch("webhooks/orders", {"enabled": True, "config": {}, "reply_seconds": 3}).json()
    assert (on["enabled"], on["config"], on["reply_seconds"]) == (True, {}, 3)
    assert _deliver("orders", secret) == 202
    unsigned = client.patch("webhooks/orders", {"scheme": "unsigned"}).json()
    assert unsigned["secret_reference"] == ""
    signed = client.patch("webhooks/orders", {"scheme": "hmac"}).json()
    assert signed["secret"] and _deliver("orders", signed["secret"]) == 202
    for body in ({"scheme": "nonsense"}, {"config": {"x": 1}}, {"secret": "short"}, {"reply_seconds": -1}):
        assert client.patch("webhooks/orders", body).status_code == 422, body
    kept = client.get("webhooks/orders").json()
    assert (kept["scheme"], kept["reply_seconds"]) == ("hmac", 3)


def test_a_rotated_secret_is_accepted_beside_the_new_one(api, owner):
    client = api(owner)
    old = _create(client).json()["secret"]
    rotated = client.post("webhooks/orders/rotate-secret", {"overlap_hours": 2}, key="one")
    new = rotated.json()["secret"]
    until = dt.datetime.fromisoformat(rotated.json()["old_secret_until"])
    assert dt.timedelta(hours=1) < until - timezone.now() < dt.timedelta(hours=2)
    assert client.post("webhooks/orders/rotate-secret", {"overlap_hours": 2}, key="one").status_code == 409
    assert (_deliver("orders", old), _deliver("orders", new)) == (202, 202)
    assert client.post("webhooks/orders/end-overlap").json()["old_secret_until"] is None
    assert (_deliver("orders", old), _deliver("orders", new)) == (401, 202)
    given = client.post("webhooks/orders/rotate-secret", {"secret": SECRET, "overlap_hours": 0}).json()
    assert given["secret"] is None and given["old_secret_until"] is None
    assert (_deliver("orders", new), _deliver("orders", SECRET)) == (401, 202)
    for body in ({"secret": "short"}, {"overlap_hours": 721}, {"overlap_hours": -1}):
        assert client.post("webhooks/orders/rotate-secret", body).status_code == 422
    client.patch("webhooks/orders", {"scheme": "unsigned"})
    assert client.post("webhooks/orders/rotate-secret").status_code == 422


def test_without_the_permission_to_change_it_the_configuration_is_not_shown(api, owner, colleague):
    from guardian.shortcuts import assign_perm

    _create(api(owner), config={"header": "X-Sign"})
    assign_perm("view_webhookendpoint", colleague, WebhookEndpoint.objects.get())
    assert api(colleague).get("webhooks/orders").json()["config"] is None
    assert api(owner).get("webhooks/orders").json()["config"] == {"header": "X-Sign"}


def test_the_scope_that_is_missing_is_named(api, owner):
    narrow = api(owner, "webhookendpoint:view", "webhookendpoint:add")
    refused = _create(narrow)
    assert (refused.status_code, refused.json()["missing_scope"]) == (403, "storedsecret:add")
    assert _create(narrow, scheme="unsigned").status_code == 201


def test_a_webhook_that_starts_a_workflow_is_not_deleted(api, owner, workflow):
    workflow(
        "{name: N, slug: n, triggers: [{kind: webhook, key: w, endpoint: github}], steps: [{kind: stop, key: done}]}"
    )
    client = api(owner)
    refused = client.delete("webhooks/github")
    assert refused.status_code == 409, refused.content
    _create(client)
    assert client.delete("webhooks/orders").status_code == 204
    assert client.get("webhooks/orders").status_code == 404
    assert AuditEntry.objects.filter(verb="webhook.deleted").count() == 1


def test_the_list_is_filtered_and_paged(api, owner):
    for number in range(5):
        endpoints.save_endpoint(
            f"h{number}", scheme="unsigned", config={}, secret=None, actor=owner, enabled=bool(number)
        )
    client = api(owner)
    first = client.get("webhooks", {"enabled": "true", "limit": 3}).json()
    second = client.get("webhooks", {"enabled": "true", "limit": 3, "cursor": first["next"]}).json()
    assert [each["slug"] for each in first["items"] + second["items"]] == ["h1", "h2", "h3", "h4"]
    assert client.get("webhooks", {"scheme": "github"}).json() == {"items": [], "next": None}
    counts = []
    for limit in (1, 5):
        with CaptureQueriesContext(database) as queries:
            client.get("webhooks", {"limit": limit})
        counts.append(len(queries))
    assert counts[0] == counts[1]
