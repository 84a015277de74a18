"""Secrets by the API: values go in and never come out."""

from __future__ import annotations

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from automate_api.models import IdempotentAnswer
from automate_core.models import WebhookEndpoint
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.keyring import generate_key
from tests.support.people import make_person

pytestmark = pytest.mark.django_db

VALUE = "a-value-of-the-api-tests-7c1e"


def test_a_secret_is_created_replaced_and_deleted(api, owner):
    client = api(owner)
    made = client.post("secrets", {"name": "hub", "value": f" {VALUE}\n"}, key="one")
    assert made.status_code == 201
    assert made.json() | {"created_at": "", "replaced_at": ""} == {
        "name": "hub",
        "reference": "database:hub",
        "owner": "owner",
        "version": 1,
        "created_at": "",
        "replaced_at": "",
        "last_used_at": None,
    }
    assert StoredSecret.objects.get().reveal() == VALUE
    assert client.post("secrets", {"name": "hub", "value": f" {VALUE}\n"}, key="one").json() == made.json()
    replaced = client.put("secrets/hub", {"value": "another-value-entirely"})
    assert replaced.json()["version"] == 2
    assert StoredSecret.objects.get().reveal() == "another-value-entirely"
    answers = [made, replaced, client.get("secrets"), client.get("secrets/hub")]
    assert not any(value in each.content.decode() for each in answers for value in (VALUE, "another-value"))
    gone = client.delete("secrets/hub")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get("secrets/hub").status_code == 404
    entries = AuditEntry.objects.filter(verb__startswith="secret.").order_by("id")
    assert [each.verb for each in entries] == ["secret.created", "secret.changed", "secret.deleted"]
    assert all(VALUE not in each.canonical for each in entries)


def test_nothing_kept_for_a_repeated_request_tells_a_value(api, owner):
    import hashlib

    body = b'{"name": "pin", "value": "1234"}'
    assert api(owner).post("secrets", body, key="one").status_code == 201
    kept = IdempotentAnswer.objects.get()
    guess = hashlib.sha256(b"POST /api/v1/secrets\n" + body).hexdigest()
    assert kept.fingerprint != guess and "1234" not in kept.body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"value": VALUE}, "name"),
        ({"name": "hub"}, "value"),
        ({"name": "hub", "value": " \n"}, "value"),
        ({"name": "hub", "value": 7}, "value"),
        ({"name": "no spaces", "value": VALUE}, "name"),
        ({"name": "", "value": VALUE}, "name"),
        ({"name": "x" * 101, "value": VALUE}, "name"),
    ],
)
def test_a_bad_secret_is_not_stored(api, owner, body, field):
    refused = api(owner).post("secrets", body)
    assert refused.status_code == 422 and VALUE not in refused.content.decode()
    assert [each["field"] for each in refused.json()["errors"]] == [field]
    assert not StoredSecret.objects.exists()


def test_a_name_is_taken_once(api, owner, colleague):
    assert api(owner).post("secrets", {"name": "hub", "value": VALUE}).status_code == 201
    taken = api(colleague).post("secrets", {"name": "hub", "value": "theirs-and-longer"}, key="k")
    assert taken.status_code == 409 and taken.json()["errors"][0]["field"] == "name"
    assert api(colleague).put("secrets/hub", {"value": "theirs-and-longer"}).status_code == 404
    assert StoredSecret.objects.get().reveal() == VALUE


def test_a_secret_in_use_stays(api, owner):
    client = api(owner)
    client.post("secrets", {"name": "hub", "value": VALUE})
    WebhookEndpoint.objects.create(slug="paid", scheme="github", secret="database:hub", owner=owner)
    refused = client.delete("secrets/hub")
    assert refused.status_code == 409 and "paid" in refused.json()["detail"]
    assert StoredSecret.objects.filter(name="hub").exists()


def test_auditors_see_all_and_change_none(api, owner):
    api(owner).post("secrets", {"name": "hub", "value": VALUE})
    auditor = api(make_person("auditor", "Auditors"))
    assert [each["name"] for each in auditor.get("secrets").json()["items"]] == ["hub"]
    assert auditor.put("secrets/hub", {"value": "changed-by-them"}).status_code == 403
    assert auditor.delete("secrets/hub").status_code == 403


def test_without_a_key_nothing_is_stored(api, owner, settings):
    settings.AUTOMATE_SECRETS_KEYS = ()
    refused = api(owner).post("secrets", {"name": "hub", "value": VALUE})
    assert refused.status_code == 503 and refused.json()["detail"]
    settings.AUTOMATE_SECRETS_KEYS = (generate_key(),)
    assert api(owner).post("secrets", {"name": "hub", "value": VALUE}).status_code == 201


def test_the_list_has_pages(api, owner):
    client = api(owner)
    for number in range(5):
        client.post("secrets", {"name": f"s{number}", "value": VALUE})
    first = client.get("secrets", {"limit": 3}).json()
    second = client.get("secrets", {"limit": 3, "cursor": first["next"]}).json()
    assert [each["name"] for each in first["items"] + second["items"]] == ["s0", "s1", "s2", "s3", "s4"]
    assert second["next"] is None
    counts = []
    for limit in (1, 5):
        with CaptureQueriesContext(database) as queries:
            client.get("secrets", {"limit": limit})
        counts.append(len(queries))
    assert counts[0] == counts[1]
