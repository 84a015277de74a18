"""Who saw a payload, and on whose behalf a secret was used: an entry each, and not one for every time."""

from __future__ import annotations

import pytest
from django.urls import reverse

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun
from automate_governance.audit import payload_views
from automate_governance.models import AuditEntry, StoredSecret

pytestmark = pytest.mark.django_db(transaction=True)

CALLS = """
{name: Calls, slug: calls, triggers: [{endpoint: github}], steps: [
  {key: call, action: http.request, connection: shop, inputs: {method: GET, url: /}}]}
"""


@pytest.fixture
def ran(workflow, deliver, drain, owner):
    secret = StoredSecret(name="shop", owner=owner)
    secret.put("a-token-of-this-test")
    secret.save()
    config = {"base_url": "http://192.0.2.1", "auth": "bearer", "token": "database:shop"}
    Connection.objects.create(name="Shop", slug="shop", connector="http", owner=owner, config=config)
    workflow(CALLS)
    for _ in range(2):
        deliver({"title": "go"})
        drain()
    return ExecutionRun.objects.first()


def test_a_secret_names_who_used_it_once_a_day(ran):
    entry = AuditEntry.objects.get(verb="secret.used")
    assert (entry.actor, entry.object_type, entry.object) == ("owner", "automate_governance.storedsecret", "shop")
    assert entry.changes == {"reference": "database:shop", "connection": "Shop", "workflow": "calls"}


@pytest.mark.extended
def test_who_saw_a_payload_is_told_once_an_hour_by_whichever_process(ran, sign_in, owner, colleague):
    page = reverse("admin:automate_core_executionrun_change", args=[ran.pk]) + "?step=call"
    client = sign_in(owner)
    for _ in range(2):
        assert client.get(page).status_code == 200
        payload_views.clear_recent_entries()  # as in another process
    client.get(reverse("admin:automate_core_event_change", args=[ran.event_id]))
    seen = AuditEntry.objects.filter(verb__endswith="payload_viewed").order_by("pk")
    assert list(seen.values_list("actor", "verb", "object_id", "changes")) == [
        ("owner", "run.payload_viewed", str(ran.pk), {"step": "call"}),
        ("owner", "event.payload_viewed", str(ran.event_id), {}),
    ]


def test_who_may_not_see_payloads_leaves_no_such_entry(ran, sign_in, colleague):
    from guardian.shortcuts import assign_perm

    assign_perm("view_workflow", colleague, ran.workflow)
    page = reverse("admin:automate_core_executionrun_change", args=[ran.pk])
    assert sign_in(colleague).get(page).status_code == 200
    assert not AuditEntry.objects.filter(verb="run.payload_viewed").exists()
