"""The rule: a role for any object, or a role within reach and reach itself. One query each way."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection
from django.db.models import Count
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, WebhookEndpoint, Workflow
from automate_governance import permissions
from automate_governance.models import StoredSecret
from automate_governance.permissions import SITE, can, permitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def thing(owner):
    return Workflow.objects.create(name="Thing", slug="thing", owner=owner, run_as=owner)


def test_reach_is_ownership_or_a_grant_to_the_person_or_a_group(thing, owner, colleague, stranger):
    assert can(owner, "publish", thing)
    assert not can(colleague, "publish", thing) and not can(stranger, "view", thing)
    assign_perm("view_workflow", colleague, thing)
    assert can(colleague, "view", thing) and not can(colleague, "run", thing)
    team = Group.objects.create(name="team")
    stranger.groups.add(team)
    assign_perm("run_workflow", team, thing)
    assert can(stranger, "run", thing) and not can(stranger, "view", thing)


def test_a_grant_without_the_role_gives_nothing(thing, stranger):
    """Both are needed: the role says what kind of thing a person does, reach says on which."""
    stranger.groups.clear()
    assign_perm("view_workflow", stranger, thing)
    assert not can(stranger, "view", thing)
    stranger.user_permissions.add(Permission.objects.get(codename="view_workflow"))
    assert can(stranger, "view", thing)


def test_owning_without_the_role_gives_nothing(thing, owner):
    owner.groups.clear()
    assert not can(owner, "view", thing)


def test_a_role_for_any_needs_no_reach(thing, stranger):
    stranger.groups.set(Group.objects.filter(name="Operators"))
    assert can(stranger, "view", thing) and can(stranger, "run", thing)
    assert not can(stranger, "change", thing) and not can(stranger, "publish", thing)
    assert can(stranger, "operate", SITE) and not can(stranger, "audit", SITE)


def test_nobody_and_the_inactive_may_do_nothing(thing, owner):
    assert not can(AnonymousUser(), "view", thing)
    owner.is_active = False
    assert not can(owner, "view", thing) and not permitted(owner, "view", Workflow.objects.all()).exists()


def test_superusers_may_do_all(thing, admin):
    assert can(admin, "delete", thing) and can(admin, "audit", SITE)


def test_runs_inherit_from_their_workflow(thing, owner, colleague, stranger):
    run = ExecutionRun.objects.create(workflow=thing, version_id=1, trace_id="0" * 32)
    assign_perm("view_workflow", colleague, thing)
    assert can(owner, "view_payload", run) and can(colleague, "view", run)
    assert not can(colleague, "view_payload", run) and not can(stranger, "view", run)
    assert list(permitted(colleague, "view", ExecutionRun.objects.all())) == [run]
    assert not permitted(stranger, "view", ExecutionRun.objects.all()).exists()


def test_a_user_model_may_have_tables_with_any_name(thing, colleague, monkeypatch):
    team = Group.objects.create(name="team")
    assign_perm("view_workflow", team, thing)
    colleague.groups.add(team)
    members = User.groups.through
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE auth_user_groups RENAME TO "Staff groups"')
    monkeypatch.setattr(members._meta, "db_table", "Staff groups")
    permissions._split_rule.cache_clear()
    try:
        assert can(colleague, "view", thing) and not can(colleague, "run", thing)
    finally:
        permissions._split_rule.cache_clear()


def test_the_rule_stays_the_same_in_updates_deletes_and_combined_queries(thing, owner, stranger):
    run = ExecutionRun.objects.create(workflow=thing, version_id=1, trace_id="0" * 32)
    runs, found = ExecutionRun.objects.all(), Workflow.objects.all()
    assert permitted(stranger, "view", runs).update(trace_id="1" * 32) == 0
    assert permitted(owner, "view", runs).update(trace_id="1" * 32) == 1
    assert not permitted(stranger, "view", found) | permitted(stranger, "run", found)
    assert list(permitted(stranger, "view", found) | permitted(owner, "run", found)) == [thing]
    assert not permitted(owner, "view", found) & permitted(stranger, "view", found)
    assert not found.exclude(pk__in=permitted(owner, "view", found)).exists()
    assert list(permitted(owner, "view", runs).values("workflow").annotate(n=Count("pk"))) == [
        {"workflow": thing.pk, "n": 1}
    ]
    assert permitted(stranger, "delete", runs).delete()[0] == 0
    assert permitted(owner, "delete", runs).delete()[0] and not ExecutionRun.objects.filter(pk=run.pk).exists()


def test_each_question_is_one_query(thing, colleague, django_assert_num_queries):
    run = ExecutionRun.objects.create(workflow=thing, version_id=1, trace_id="0" * 32)
    for question in (
        lambda: can(colleague, "view", thing),
        lambda: can(colleague, "view", run),
        lambda: list(permitted(colleague, "view", Workflow.objects.all())),
        lambda: list(permitted(colleague, "view", ExecutionRun.objects.all())),
    ):
        with django_assert_num_queries(1):
            question()


def test_what_is_asked_of_a_class_is_read_once(colleague, django_assert_num_queries):
    with django_assert_num_queries(2):  # Django's own: the person's and the groups' permissions
        answers = [can(colleague, "add", Workflow), can(colleague, "add", Connection), can(colleague, "operate", SITE)]
    assert answers == [True, True, False]


ROLES = {
    "Builders": {
        Workflow: {"add", "view", "view_payload", "change", "run", "publish", "share", "delete"},
        Connection: {"add", "view", "use", "change", "share", "delete"},
        StoredSecret: {"add", "use", "replace", "delete"},
        WebhookEndpoint: {"add", "view", "view_payload", "change", "share", "delete"},
    },
    "Viewers": {
        Workflow: {"view", "view_payload", "run", "operate"},
        Connection: {"view"},
        WebhookEndpoint: {"view", "view_payload"},
    },
    "Operators": {
        Workflow: {"view_any", "view_payload_any", "run_any", "operate_any"},
        Connection: {"view_any"},
        WebhookEndpoint: {"view_any"},
    },
    "Connection admins": {
        Connection: {"add", "view_any", "use_any", "change_any", "share_any", "delete_any"},
        StoredSecret: {"add", "use_any", "replace_any", "delete_any"},
    },
    "Auditors": {
        Workflow: {"view_any", "view_payload_any"},
        Connection: {"view_any"},
        WebhookEndpoint: {"view_any", "view_payload_any"},
    },
}


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_hold_what_the_table_says(role):
    group = Group.objects.get(name=role)
    for model in (Workflow, Connection, StoredSecret, WebhookEndpoint):
        held = group.permissions.filter(content_type__model=model._meta.model_name).values_list("codename", flat=True)
        suffix = f"_{model._meta.model_name}"
        assert {codename.removesuffix(suffix) for codename in held} == ROLES[role].get(model, set())


def test_what_an_administrator_took_away_stays_away(django_db_blocker):
    from django.apps import apps

    from automate_governance import roles

    group = Group.objects.get(name="Builders")
    group.permissions.remove(Permission.objects.get(codename="delete_workflow"))
    roles.seed(apps.get_app_config("automate_core"), None)
    assert not group.permissions.filter(codename="delete_workflow").exists()


def test_deleting_an_object_deletes_its_grants(thing, colleague, owner):
    from automate_core.models import WorkflowUserPermission

    assign_perm("view_workflow", colleague, thing)
    thing.delete()
    assert not WorkflowUserPermission.objects.exists()
