"""Objects in use: whoever deletes one is told of its users, as far as they may view these, by the API and the admin."""

from __future__ import annotations

import pytest
from django.urls import reverse

from automate_core.models import NotificationRule, WebhookEndpoint, Workflow
from automate_governance.admin_site import admin_site
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

LISTENS = """
name: {name}
slug: {slug}
triggers: [{{endpoint: github}}]
steps: [{{kind: stop, key: done}}]
"""
NAMES = ("Triage", "Labels", "Mirror")


@pytest.fixture
def listening(workflow, stranger):
    """Three workflows that listen to an endpoint; two of them are a stranger's."""
    for name in NAMES:
        workflow(LISTENS.format(name=name, slug=name.lower()))
    Workflow.objects.exclude(name="Triage").update(owner=stranger)


def test_the_api_counts_what_the_token_may_not_view(api, owner, admin, listening):
    for client, words in (
        (api(owner), "github is used by workflow Triage and 2 more that you cannot view."),
        (api(owner, "webhookendpoint:view", "webhookendpoint:delete"), "is used by 3 objects that you cannot view."),
        (api(admin), "github is used by workflow Labels, workflow Mirror, workflow Triage."),
    ):
        refused = client.delete("webhooks/github")
        assert (refused.status_code, words in refused.json()["detail"]) == (409, True), refused.json()
    assert WebhookEndpoint.objects.exists()


def test_the_admin_counts_them_as_well(owner, admin, listening, sign_in, rf):
    endpoint = WebhookEndpoint.objects.get()
    url = reverse("admin:automate_core_webhookendpoint_delete", args=[endpoint.pk])
    page = Page(sign_in(owner).get(url)).text
    assert "Workflow Triage 2 more that you cannot view" in page and "Labels" not in page
    assert "Mirror" in Page(sign_in(admin).get(url)).text
    request = rf.get(url)
    request.user = owner
    *_, protected = admin_site()._registry[WebhookEndpoint].get_deleted_objects([endpoint], request)
    assert protected == [
        "github is used by workflow Triage",
        "github is used by 2 objects that you cannot view",
    ], "what Django's own pages say"


def test_a_rule_of_the_site_is_for_administrators(api, owner, admin):
    made = api(owner).post("secrets", {"name": "hub", "value": "value-of-the-hub"}).json()
    NotificationRule.objects.create(
        kind="failures", channel="webhook", url="https://x.example", secret=made["reference"], author=admin
    )
    refused = api(owner).delete("secrets/hub")
    assert refused.json()["detail"] == "hub is used by 1 object that you cannot view."
    assert "notification rule" in api(admin).delete("secrets/hub").json()["detail"]
