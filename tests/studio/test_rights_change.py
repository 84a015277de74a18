"""Taking permissions that published workflows need is asked about first, and changes nothing until it is confirmed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

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
    assert "Orders There is no webhook endpoint 'github' whose payloads owner can view." in asked.text
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


def test_only_who_may_change_accounts_is_asked(workflow, owner, colleague, sign_in):
    workflow(FLOW)
    assert sign_in(colleague).post(page_of(owner), SENT | {"username": "owner"}).status_code in {302, 403}
    assert owner.groups.exists()
