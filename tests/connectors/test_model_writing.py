"""Many rows of the host's models written at once, rows updated or created, and many-to-many relations."""

from __future__ import annotations

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models.signals import m2m_changed, post_save
from guardian.shortcuts import assign_perm

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models.writing import MAX_ROWS
from tests.support.locks import somebody_waits
from tests.support.model_calls import CONSTRAINTS, call, grant, refused
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db

MODELS = {
    "auth.User": {"read": ["username", "email", "groups"], "write": ["username", "email", "is_active", "groups"]},
    "auth.Group": {"read": ["name"], "write": ["name", "user"]},
    "auth.Permission": {"read": ["name", "codename", "content_type"], "write": ["name", "codename", "content_type"]},
    "contenttypes.ContentType": {"read": ["app_label", "model"]},
    "admin.LogEntry": {"read": ["user", "object_repr"], "write": ["user", "object_repr", "action_flag"]},
}


@pytest.fixture(autouse=True)
def people(settings, db):
    settings.AUTOMATE_MODELS = MODELS
    for name in ("ada", "bo"):
        User.objects.create(username=name, email=f"{name}@example.com")


def names():
    return set(Group.objects.exclude(name__in=["Builders"]).values_list("name", flat=True))


# --- many rows --------------------------------------------------------------------------------------------------------


def test_rows_are_created_together(admin):
    saved = []
    receiver = lambda sender, instance, **more: saved.append(instance.name)  # noqa: E731 - disconnected below
    post_save.connect(receiver, sender=Group)
    before = names()
    try:
        made = call("create_many", admin, model="auth.Group", rows=[{"name": f"g{n}"} for n in range(3)])
    finally:
        post_save.disconnect(receiver, sender=Group)
    assert names() - before == {"g0", "g1", "g2"} and saved == ["g0", "g1", "g2"], "signals are sent"
    assert made == {"count": 3, "pks": [Group.objects.get(name=f"g{n}").pk for n in range(3)]}
    assert call("create_many", admin, model="auth.Group", rows=[]) == {"count": 0, "pks": []}


def test_an_invalid_row_leaves_none_and_each_is_named(admin):
    rows = [{"name": "new"}, {"name": "x" * 151}, "no row", {"name": "new"}, {}, {"name": "other"}]
    before = names()
    error = refused("create_many", admin, model="auth.Group", rows=rows)
    assert names() == before and error.code == "invalid_input" and not error.retryable
    assert [(row["index"], list(row["fields"])) for row in error.details["rows"]] == [
        (1, ["name"]), (2, ["__all__"]), (3, ["name"]), (4, ["name"]),
    ]  # fmt: skip
    assert "Row 2: name: " in error.message and "Row 4: name: Group with this Name already exists." in error.message
    wrong = refused("create_many", admin, model="auth.Group", rows=[{"name": "x" * 151}] * 9)
    assert "9 rows are invalid." in wrong.message and len(wrong.details["rows"]) == 9
    for given in ({"name": "x"}, "x", [{"name": f"n{n}"} for n in range(MAX_ROWS + 1)]):
        assert refused("create_many", admin, model="auth.Group", rows=given).code == "invalid_input"
    assert (
        refused("create_many", admin, model="auth.Group", rows=[{"name": "y"}, {"permissions": 1}]).code
        == "not_exposed"
    )
    assert names() == before


def test_relations_are_set_by_key_or_by_look_up(admin, django_assert_num_queries):
    ada = User.objects.get(username="ada")
    rows = [
        {"user": ada.pk, "object_repr": "by key", "action_flag": 1},
        {"user": {"email": "ada@example.com"}, "object_repr": "by lookup", "action_flag": 1},
        {"user__username": "ada", "user__email": "ada@example.com", "object_repr": "by names", "action_flag": 1},
        {"user__username": "ada", "user__email": "ada@example.com", "object_repr": "again", "action_flag": 1},
    ]
    with django_assert_num_queries(
        CONSTRAINTS + 2 + 2 + 4 * 2
    ):  # a savepoint, two lookups, for each row the key's check and the row
        call("create_many", admin, model="admin.LogEntry", rows=rows)
    assert set(LogEntry.objects.values_list("user", flat=True)) == {ada.pk} and LogEntry.objects.count() == 4
    User.objects.create(username="ada2", email="ada@example.com")
    rest = {"object_repr": "x", "action_flag": 1}
    for lookup, reason in (({"email": "ada@example.com"}, "More than one"), ({"email": "no"}, "No auth.user that root can view"),
                           ({}, "Enter a value"), ([1], "Enter a single value")):  # fmt: skip
        error = refused("create", admin, model="admin.LogEntry", values={"user": lookup, **rest})
        assert list(error.details["fields"]) == ["user"] and reason in error.message, lookup
    assert (
        "both a key and a lookup"
        in refused("create", admin, model="admin.LogEntry", values={"user": 1, "user__email": "x"}).message
    )
    rows = [{"object_repr": title, "action_flag": 2} for title in ("again", "by key")]
    with django_assert_num_queries(CONSTRAINTS + 2 + 2 + 2):  # which rows, the rows locked; a savepoint; each row
        call("update_many", admin, model="admin.LogEntry", rows=rows, key="object_repr")
    assert LogEntry.objects.filter(action_flag=2).count() == 2
    call("update", admin, model="admin.LogEntry", where={"object_repr": "again"}, values={"user__username": "bo"})
    assert LogEntry.objects.get(object_repr="again").user.username == "bo"


def test_each_row_is_updated_with_its_own_values(admin, owner):
    ada, bo = User.objects.get(username="ada"), User.objects.get(username="bo")
    rows = [
        {"username": "bo", "email": "b@example.com"},
        {"username": "ada", "email": "a@example.com", "is_active": "false"},
    ]
    done = call("update_many", admin, model="auth.User", rows=rows, key="username")
    assert done == {"count": 2, "pks": [bo.pk, ada.pk]}
    assert set(User.objects.filter(pk__in=[ada.pk, bo.pk]).values_list("email", "is_active")) == {
        ("a@example.com", False), ("b@example.com", True),
    }  # fmt: skip
    wrong = [
        {"pk": ada.pk, "email": "new@example.com"}, {"pk": bo.pk, "email": "nope"}, {"pk": 0, "email": ""}, {"email": ""},
        {"pk": "x", "email": ""}, {"pk": [1], "email": ""},
    ]  # fmt: skip
    error = refused("update_many", admin, model="auth.User", rows=wrong)
    assert [(row["index"], list(row["fields"])) for row in error.details["rows"]] == [
        (1, ["email"]), (2, ["pk"]), (3, ["pk"]), (4, ["pk"]), (5, ["pk"]),
    ]  # fmt: skip
    assert User.objects.get(username="ada").email == "a@example.com"
    User.objects.filter(username="bo").update(email="a@example.com")
    error = refused(
        "update_many", admin, model="auth.User", rows=[{"email": "a@example.com", "is_active": True}], key="email"
    )
    assert "More than one auth.user matches" in error.message
    User.objects.bulk_create(User(username=f"u{at}", email="c@example.com") for at in range(501))
    rows_by_email = [{"email": each, "is_active": True} for each in ("b@example.com", "c@example.com")]
    error = refused("update_many", admin, model="auth.User", rows=rows_by_email, key="email")
    assert error.code == "several_found", "what is cut off could have matched as well"
    assert refused("update_many", admin, model="auth.User", rows=[{"pk": ada.pk}]).code == "invalid_input"
    assert refused("update_many", admin, model="auth.User", rows=rows, key="password").code == "not_exposed"
    assign_perm("auth.change_user", owner, ada)
    error = refused(
        "update_many", owner, model="auth.User", rows=[{"pk": ada.pk, "email": ""}, {"pk": bo.pk, "email": ""}]
    )
    assert [row["index"] for row in error.details["rows"]] == [1] and User.objects.get(pk=ada.pk).email


# --- updated or created -----------------------------------------------------------------------------------------------


def test_a_row_is_updated_or_created_by_unique_fields(admin, owner):
    kind = ContentType.objects.get_for_model(Group)
    match = {"codename": "audit_group", "content_type__model": "group", "content_type__app_label": "auth"}
    made = call("update_or_create", admin, model="auth.Permission", match=match, values={"name": "Audit"})
    audit = Permission.objects.get(codename="audit_group", content_type=kind)
    assert made == {"created": True, "pk": audit.pk}
    again = call("update_or_create", admin, model="auth.Permission", match=match, values={"name": "Audit groups"})
    audit.refresh_from_db()
    assert again == {"created": False, "pk": audit.pk} and audit.name == "Audit groups"
    assert call("update_or_create", admin, model="auth.Group", match={"name": "New"}, values={})["created"]
    assert not call("update_or_create", admin, model="auth.Group", match={"name": "New"}, values={})["created"]
    wrong = [
        ("auth.Permission", {"codename": "x"}, {}, "can be the same in several rows"),
        ("auth.User", {"email": "x@example.com"}, {}, "can be the same in several rows"),
        ("auth.Group", {}, {}, "can be the same in several rows"),
        ("auth.Group", {"name": None}, {}, "Enter a value"),
        ("auth.Group", {"name": "New"}, {"name": "Other"}, "both in match and in values"),
        ("auth.Group", {"name": "x" * 151}, {}, "150 characters"),
        ("auth.User", {"username": "ada"}, {"email": "nope"}, "valid email"),
    ]
    assert [
        given
        for *given, reason in wrong
        if reason not in refused("update_or_create", admin, model=given[0], match=given[1], values=given[2]).message
    ] == []
    assert (
        "auth.add_group"
        in refused("update_or_create", owner, model="auth.Group", match={"name": "Mine"}, values={}).message
    )
    owner = grant(owner, "add_group")
    assert call("update_or_create", owner, model="auth.Group", match={"name": "Mine"}, values={})["created"]
    mine, new = Group.objects.get(name="Mine"), Group.objects.get(name="New")
    assign_perm("auth.change_group", owner, mine)
    assert (
        refused("update_or_create", owner, model="auth.Group", match={"name": new.name}, values={}).code == "forbidden"
    )
    assert not call("update_or_create", owner, model="auth.Group", match={"name": mine.name}, values={})["created"]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_row(admin):
    first, second = {}, {}

    def create_too():
        try:
            with transaction.atomic():
                second.update(call("update_or_create", admin, model="auth.Group", match={"name": "One"}, values={}))
        finally:
            connection.close()

    thread = threading.Thread(target=create_too)
    with transaction.atomic():
        first.update(call("update_or_create", admin, model="auth.Group", match={"name": "One"}, values={}))
        thread.start()
        wait_for(somebody_waits)
    thread.join(60)
    assert (first["created"], second["created"]) == (True, False) and first["pk"] == second["pk"]


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_all_or_nothing_too(admin):
    before = names()
    with pytest.raises(ConnectorError):
        call("create_many", admin, model="auth.Group", rows=[{"name": "a"}, {"name": "a"}])
    assert names() == before


# --- many to many -----------------------------------------------------------------------------------------------------


def test_related_rows_are_added_and_removed(admin, django_assert_num_queries):
    ada, bo = User.objects.get(username="ada"), User.objects.get(username="bo")
    one, two = Group.objects.create(name="one"), Group.objects.create(name="two")
    heard = []
    receiver = lambda sender, action, **more: heard.append(action)  # noqa: E731 - disconnected below
    m2m_changed.connect(receiver, sender=User.groups.through)
    given = {"model": "auth.User", "where": {"username": "ada"}, "relation": "groups"}
    try:
        added = call("add_related", admin, **given, related=[one.pk, {"name": "two"}, str(one.pk)])
    finally:
        m2m_changed.disconnect(receiver, sender=User.groups.through)
    assert added == {"count": 1, "pks": [ada.pk], "related": [one.pk, two.pk], "changed": 2}
    assert heard == ["pre_add", "post_add"] and set(ada.groups.all()) == {one, two}
    with django_assert_num_queries(
        CONSTRAINTS + 4
    ):  # which rows, the rows locked, the related rows, which are linked already
        assert call("add_related", admin, **given, related=[one.pk, two.pk])["changed"] == 0
    removed = call("remove_related", admin, **given, related={"name": "one"})
    assert (removed["changed"], set(ada.groups.all())) == (1, {two}) and Group.objects.filter(name="one").exists()
    other_way = {"model": "auth.Group", "where": {"name": "two"}, "relation": "user"}
    assert call("add_related", admin, **other_way, related=[bo.pk, ada.pk])["changed"] == 1
    assert call("add_related", admin, **{**given, "where": {"username": "nobody"}}, related=one.pk)["count"] == 0
    assert refused("add_related", admin, **{**given, "where": []}, related=one.pk).code == "too_many"
    for related, code in ((0, "not_found"), ({"name": "no"}, "invalid_input"), (None, "invalid_input"), ("x", "invalid_input"),
                          ([one.pk, 0], "not_found"), ([1] * 501, "invalid_input"), ({"permissions": 1}, "not_exposed")):  # fmt: skip
        assert refused("add_related", admin, **given, related=related).code == code, related
    assert refused("add_related", admin, **{**given, "relation": "user_permissions"}, related=1).code == "not_exposed"


def test_related_rows_have_to_be_visible_and_the_row_changeable(owner):
    ada, one = User.objects.get(username="ada"), Group.objects.create(name="one")
    given = {"model": "auth.User", "where": {"username": "ada"}, "relation": "groups", "related": one.pk}
    assert "auth.view_group" in refused("add_related", owner, **given).message
    owner = grant(owner, "view_group")
    assert "auth.change_user" in refused("add_related", owner, **given).message
    assign_perm("auth.change_user", owner, ada)
    assert call("add_related", owner, **given)["changed"] == 1
    other = Group.objects.create(name="other")
    owner.user_permissions.clear()
    owner = User.objects.get(pk=owner.pk)
    assign_perm("auth.view_group", owner, one)
    assert refused("add_related", owner, **{**given, "related": other.pk}).code == "not_found"
    assert refused("add_related", owner, **{**given, "related": {"name": "other"}}).code == "invalid_input"
    assert set(ada.groups.all()) == {one}
