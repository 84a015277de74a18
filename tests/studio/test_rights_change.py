"""Taking permissions that published workflows need is asked about first, and changes nothing until it is confirmed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_api.tokens.service_accounts import create_account
from automate_authoring import workflows
from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint, Workflow
from automate_governance.models import AuditEntry
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps: [{key: keep, action: data.set, inputs: {seen: 1}}]
"""
ASKS = """
name: Claims
slug: claims
triggers: [{kind: event, event: go}]
steps: [{kind: approval, key: ask, groups: [clerks], timeout: 1h}]
"""
STEPS = """
name: Groups
slug: groups
steps:
  - {key: find, action: models.find, inputs: {model: auth.Group}}
  - {key: rename, action: models.update, inputs: {model: auth.Group, where: {pk: 1}, values: {name: x}}}
  - {key: call, action: http.request, connection: svc, inputs: {method: GET, url: /}}
"""
CALLS = """
name: Calls
slug: calls
steps: [{key: call, action: http.request, connection: svc, inputs: {method: GET, url: /}}]
"""
SENT = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_staff": "on", "is_active": "on"}


def page_of(obj):
    return reverse(f"admin:auth_{obj._meta.model_name}_change", args=[obj.pk])


def test_taking_a_role_from_a_run_as_user_is_asked_about(workflow, owner, admin, sign_in):
    workflow(FLOW)
    client, kept = sign_in(admin), [group.pk for group in owner.groups.all()]
    entries = AuditEntry.objects.count()
    sent = SENT | {"username": "owner"}
    asked = Page(client.post(page_of(owner), sent))
    assert "Take permissions from owner?" in asked.text and "Workflows that stop working" in asked.text
    assert "Orders owner needs the permission to view payloads of the webhook github." in asked.text
    assert [group.pk for group in owner.groups.all()] == kept and AuditEntry.objects.count() == entries
    assert client.post(page_of(owner), {**sent, "_permissions": "1"}).status_code == 302
    assert not owner.groups.exists()


def test_a_change_that_stops_nothing_is_saved_at_once(workflow, owner, colleague, admin, sign_in):
    workflow(FLOW)
    client = sign_in(admin)
    kept = {"groups": [group.pk for group in owner.groups.all()]}
    assert client.post(page_of(owner), SENT | kept | {"username": "owner", "last_name": "Y"}).status_code == 302
    assert client.post(page_of(colleague), SENT | {"username": "colleague"}).status_code == 302


def test_taking_superuser_is_asked_about(workflow, owner, admin, sign_in):
    workflow(FLOW)
    owner.groups.clear()
    User.objects.filter(pk=owner.pk).update(is_superuser=True)
    asked = Page(sign_in(admin).post(page_of(owner), SENT | {"username": "owner"}))
    assert "Take permissions from owner?" in asked.text
    owner.refresh_from_db()
    assert owner.is_superuser


def test_taking_permissions_from_a_group_is_asked_about(workflow, owner, admin, sign_in):
    workflow(FLOW)
    [group] = owner.groups.all()
    client = sign_in(admin)
    asked = Page(client.post(page_of(group), {"name": group.name}))
    assert f"Take permissions from {group.name}?" in asked.text and "Orders" in asked.text
    assert group.permissions.exists()
    assert client.post(page_of(group), {"name": group.name, "_permissions": "1"}).status_code == 302
    assert not group.permissions.exists()


def test_taking_the_last_approver_out_of_a_group_is_asked_about(workflow, stranger, admin, sign_in):
    clerks = Group.objects.create(name="clerks")
    stranger.groups.add(clerks)
    workflow(ASKS)
    asked = Page(sign_in(admin).post(page_of(stranger), SENT | {"username": "stranger"}))
    assert "Approvals without an approver" in asked.text and "Claims" in asked.text
    assert clerks.user_set.exists()


def test_deleting_a_group_that_a_run_as_user_needs_is_asked_about(workflow, owner, admin, sign_in):
    workflow(FLOW)
    [group] = owner.groups.all()
    client, url = sign_in(admin), reverse("admin:auth_group_delete", args=[group.pk])
    asked = Page(client.get(url))
    assert f"Delete {group.name}?" in asked.text and "view payloads of the webhook github" in asked.text
    assert "Delete anyway" in asked.text and owner.groups.exists()
    assert "Delete anyway" in Page(client.post(url, {"post": "yes"})).text and owner.groups.exists()
    sent = {each["name"]: each["value"] for each in asked.all(type="hidden") if each["name"] == "post"}
    assert client.post(url, {**sent, "_permissions": "1"}).status_code == 302
    assert not owner.groups.exists()


def test_deleting_groups_in_the_list_is_asked_about(workflow, owner, stranger, admin, sign_in):
    workflow(FLOW)
    [group], other = owner.groups.all(), Group.objects.create(name="other")
    client, url = sign_in(admin), reverse("admin:auth_group_changelist")
    sent = {"action": "delete_selected", "_selected_action": [group.pk, other.pk]}
    assert "Are you sure" in Page(client.post(url, {**sent, "_selected_action": [other.pk]})).text
    assert "Are you sure" in Page(client.post(url, {**sent, "select_across": "1"})).text, "it names those of all pages"
    assert "Delete anyway" in Page(client.post(url, {**sent, "select_across": "1", "post": "yes"})).text
    asked = Page(client.post(url, sent))
    assert [each["value"] for each in asked.all(name="post")] == ["yes"]
    assert "Delete anyway" in asked.text and "Orders" in asked.text and owner.groups.exists()
    only = {**sent, "_selected_action": [other.pk], "post": "yes"}
    assert client.post(url, only).status_code == 302 and not Group.objects.filter(pk=other.pk).exists()
    assert client.post(url, {**sent, "post": "yes", "_permissions": "1"}).status_code == 302
    assert not owner.groups.exists()


def test_deleting_the_last_approver_of_a_group_is_asked_about(workflow, admin, sign_in):
    clerk = User.objects.create_user("clerk")
    clerk.groups.add(Group.objects.create(name="clerks"))
    workflow(ASKS)
    client, url = sign_in(admin), reverse("admin:auth_user_delete", args=[clerk.pk])
    asked = Page(client.post(url, {"post": "yes"}))
    assert "Delete clerk?" in asked.text and "Claims" in asked.text
    assert client.post(url, {"post": "yes", "_permissions": "1"}).status_code == 302
    assert not User.objects.filter(pk=clerk.pk).exists()


def test_models_and_connections_of_steps_are_asked_about(workflow, owner, admin, sign_in):
    owner.user_permissions.set(Permission.objects.filter(codename__in=["view_group", "change_group"]))
    Connection.objects.create(slug="svc", name="Service", connector="http", owner=owner, config={})
    workflow(STEPS)
    client, groups = sign_in(admin), [group.pk for group in owner.groups.all()]
    sent = SENT | {"username": "owner", "groups": groups}
    asked = Page(client.post(page_of(owner), sent)).text
    assert "owner needs the permission auth.view_group." in asked
    assert "owner needs the permission auth.change_group." in asked and "connection svc" not in asked
    kept = [permission.pk for permission in owner.user_permissions.all()]
    asked = Page(client.post(page_of(owner), SENT | {"username": "owner", "user_permissions": kept})).text
    assert "owner needs the permission to use the connection svc." in asked and "view_group" not in asked


def test_revoking_a_grant_that_a_run_as_user_needs_is_asked_about(workflow, owner, colleague, admin, sign_in):
    made = Connection.objects.create(slug="svc", name="Service", connector="http", owner=colleague, config={})
    assign_perm("use_connection", owner, made)
    workflow(CALLS)
    url = reverse("studio:share", args=["connection", made.pk])
    sent = {"revoke": f"user:{owner.pk}", "verb": "use"}
    client = sign_in(admin)
    asked = Page(client.post(url, sent, headers={"HX-Request": "true"})).text
    assert "Calls owner needs the permission to use the connection svc." in asked and "Revoke anyway" in asked
    assert owner.has_perm("use_connection", made)
    asked = Page(sign_in(colleague).post(url, sent)).text
    assert "1 workflow that you may not view" in asked and "Calls" not in asked
    assert client.post(url, {**sent, "confirmed": "1"}).status_code == 303
    assert not User.objects.get(pk=owner.pk).has_perm("use_connection", made)


def test_taking_a_group_from_a_service_account_is_asked_about(workflow, admin, sign_in):
    account = create_account("ci", by=admin, groups=Group.objects.filter(name="Builders"))
    made = workflow(FLOW, publish=False)
    WebhookEndpoint.objects.update(owner=account)
    Workflow.objects.update(run_as=account)
    workflows.publish(Workflow.objects.get(pk=made.pk), author=admin)
    client, url = sign_in(admin), reverse("api_screens:account", args=[account.pk])
    asked = Page(client.post(url, {}))
    assert "Take permissions from ci?" in asked.text and "view payloads of the webhook github" in asked.text
    assert account.groups.exists()
    assert client.post(url, {"_permissions": "1"}).status_code == 303 and not account.groups.exists()


def test_only_who_may_change_accounts_is_asked(workflow, owner, colleague, sign_in):
    workflow(FLOW)
    assert sign_in(colleague).post(page_of(owner), SENT | {"username": "owner"}).status_code in {302, 403}
    assert owner.groups.exists()
