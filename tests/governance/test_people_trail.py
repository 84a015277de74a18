"""What is done to people, groups and their rights, and who signs in: by whichever page or command."""

from __future__ import annotations

import sys

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from automate_governance import audit
from automate_governance.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {"last_login_0": "", "last_login_1": "", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}


def _told():
    return list(AuditEntry.objects.order_by("pk").values_list("actor", "verb", "object", "changes"))


def test_signing_in_failing_and_signing_out(owner):
    client, page = Client(REMOTE_ADDR="192.0.2.1"), reverse("admin:login")
    client.post(page, {"username": "owner", "password": "wrong"})
    client.post(page, {"username": "hunter2-typed-here", "password": "x"})
    client.post(page, {"username": "owner", "password": "password-of-tests"})
    client.post(reverse("studio:sign_out"))
    assert _told() == [
        ("nobody", "user.sign_in_failed", "owner", {}),
        ("nobody", "user.sign_in_failed", "site", {"name": "unknown"}),
        ("owner", "user.signed_in", "owner", {}),
        ("owner", "user.signed_out", "owner", {}),
    ]
    assert set(AuditEntry.objects.values_list("source", "address")) == {("browser", "192.0.2.1")}


def test_an_account_in_the_admin(admin, stranger, sign_in):
    client, page = sign_in(admin), reverse("admin:auth_user_change", args=[stranger.pk])
    auditors = Group.objects.get(name="Auditors")
    sent = {**FORM, "username": "stranger", "email": "new@example.com", "is_active": "on", "is_superuser": "on"}
    assert client.post(page, {**sent, "groups": [auditors.pk]}).status_code == 302
    password = {"password1": "a-Much-longer-one", "password2": "a-Much-longer-one", "usable_password": "true"}
    assert client.post(reverse("admin:auth_user_password_change", args=[stranger.pk]), password).status_code == 302
    assert _told() == [
        ("root", "user.changed", "stranger", {
            "email": {"from": "stranger@example.com", "to": "new@example.com"},
            "is_staff": {"from": True, "to": False},
            "is_superuser": {"from": False, "to": True},
        }),
        ("root", "user.groups_changed", "stranger", {"removed": ["Builders"]}),
        ("root", "user.groups_changed", "stranger", {"added": ["Auditors"]}),
        ("root", "user.changed", "stranger", {"password": "changed"}),
    ]  # fmt: skip
    assert client.post(reverse("admin:auth_user_delete", args=[stranger.pk]), {"post": "yes"}).status_code == 302
    assert ("root", "user.deleted", "stranger", {}) in _told()


def test_groups_and_their_permissions(admin, owner, sign_in):
    client = sign_in(admin)
    permission = Permission.objects.get(codename="audit_site")
    client.post(reverse("admin:auth_group_add"), {"name": "Curious", "permissions": [permission.pk]})
    group = Group.objects.get(name="Curious")
    client.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "Nosy", "permissions": []})
    group.refresh_from_db()
    group.user_set.add(owner)
    owner.groups.clear()
    owner.user_permissions.add(permission)
    assert _told() == [
        ("root", "group.created", "Curious", {"name": {"from": "", "to": "Curious"}}),
        ("root", "group.permissions_changed", "Curious", {"added": [str(permission)]}),
        ("root", "group.changed", "Nosy", {"name": {"from": "Curious", "to": "Nosy"}}),
        ("root", "group.permissions_changed", "Nosy", {"removed": [str(permission)]}),
        ("system", "group.members_changed", "Nosy", {"added": ["owner"]}),
        ("system", "user.groups_changed", "owner", {"removed": ["Builders", "Nosy"]}),
        ("system", "user.permissions_changed", "owner", {"added": [str(permission)]}),
    ]


@pytest.mark.extended
def test_a_groups_form_offers_roles_in_words(admin, sign_in):
    client, add = sign_in(admin), reverse("admin:auth_group_add")
    page = client.get(add).content.decode()
    assert "Operate: view all workflows" in page and "Single permissions" in page
    audit_site = Permission.objects.get(codename="audit_site")
    single = Permission.objects.get(codename="administer_site")
    client.post(add, {"name": "Watch", "roles": ["Operators", "Auditors"], "permissions": [single.pk]})
    group = Group.objects.get(name="Watch")
    shipped = {role: set(Group.objects.get(name=role).permissions.all()) for role in ("Operators", "Auditors")}
    assert set(group.permissions.all()) == {*shipped["Operators"], *shipped["Auditors"], single}
    change = reverse("admin:auth_group_change", args=[group.pk])
    assert client.get(change).content.decode().count("checked") >= 2
    held = list(group.permissions.values_list("pk", flat=True))
    client.post(change, {"name": "Watch", "roles": ["Operators"], "permissions": held})
    assert set(group.permissions.all()) == {*shipped["Operators"], single}, "what both roles have stays"
    assert audit_site not in group.permissions.all()


def test_commands_that_make_people(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "createsuperuser"])
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "from-the-environment")
    call_command("createsuperuser", username="boss", email="boss@example.com", interactive=False)
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.source, entry.changes["is_superuser"]) == (
        "user.created", "command", {"from": False, "to": True}
    )  # fmt: skip
    assert entry.who.startswith("system via Command line (") and entry.changes["password"] == "changed"
    assert list(audit.verify()) == []


def test_the_time_of_a_sign_in_alone_is_no_change(owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        owner.save(update_fields=["last_login"])
    assert _told() == [] and get_user_model().objects.filter(pk=owner.pk).exists()


def test_a_role_that_was_given_to_a_group_is_named(owner):
    from automate_governance import roles

    team = Group.objects.create(name="Team")
    team.permissions.add(*roles.permissions_of("Auditors"))
    entry = AuditEntry.objects.filter(verb="group.permissions_changed").latest("pk")
    assert entry.changes["roles"] == ["Auditors"] and len(entry.changes["added"]) > 3


def test_no_entry_holds_the_repr_of_an_object(db):
    """Of a new row, a database default counts as the value that it gives."""
    from django.apps import apps

    for model in apps.get_models():
        if model._meta.app_label.startswith("automate_"):
            other = model()
            other.__dict__.update({field.attname: "x" for field in model._meta.concrete_fields})
            said = str(audit.differences(model(), other))
            assert " at 0x" not in said and "DatabaseDefault" not in said, model
    assert audit.shown_value({"a": object()}) == '{"a": "changed"}'
