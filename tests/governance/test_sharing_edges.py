"""The edges of sharing: who may be named, what a grant gives whom, and how many are shown."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import Workflow
from automate_governance import sharing
from automate_governance.permissions import NotPermittedError
from automate_governance.sharing import SharingError
from tests.support.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def thing(owner):
    return Connection.objects.create(name="Thing", slug="thing", connector="http", owner=owner)


@pytest.fixture
def flow(owner):
    return Workflow.objects.create(name="Flow", slug="flow", owner=owner, run_as=owner)


def crowd(count):
    users = get_user_model()
    return users.objects.bulk_create(users(username=f"crowd{number:03d}", is_staff=True) for number in range(count))


# --- presets and verbs ------------------------------------------------------------------------------------------------


def test_presets_hold_what_the_person_may_grant_and_always_their_own_verb(thing, flow, owner, admin):
    def listed(by, obj):
        return {each.name: (each.verbs, each.may) for each in sharing.list_presets(by, obj)}

    assert listed(admin, flow) == {
        "viewer": (("view",), True),
        "user": (("view", "view_payload", "run"), True),
        "operator": (("view", "view_payload", "run", "operate"), True),
        "editor": (("view", "view_payload", "change", "run", "publish"), True),
    }
    assert list(listed(admin, thing)) == ["viewer", "user", "editor"]
    assert listed(owner, flow)["operator"] == (("view", "view_payload", "run", "operate"), False)
    clerk = make_person("clerk", "Viewers")
    sharing.grant(flow, clerk, ["view", "run"], by=owner)
    assert listed(clerk, flow)["user"] == (("view", "run"), True)
    assert listed(clerk, flow)["editor"] == (("view", "change", "run"), False)
    assert listed(make_person("nobody"), flow)["viewer"] == (("view",), False)


def test_owners_and_superusers_take_back_everything_and_others_what_they_hold(thing, owner, admin, colleague):
    assign_perm("view_connection", colleague, thing)
    every = sharing.verbs_of(Connection)
    assert "add" not in every and not any(verb.endswith("_any") for verb in every)
    owner.groups.clear()
    owner = get_user_model().objects.get(pk=owner.pk)
    assert sharing.revocable(owner, thing) == sharing.revocable(admin, thing) == every
    assert sharing.grantable(owner, thing) == [] and sharing.revocable(colleague, thing) == ["view"]


# --- grantees ---------------------------------------------------------------------------------------------------------


def test_a_grantee_is_a_person_or_a_group_and_never_both(owner):
    team = Group.objects.create(name="team")
    assert sharing.find_grantee("team") == team and sharing.find_grantee("owner") == owner
    Group.objects.create(name="owner")
    with pytest.raises(SharingError, match="is both a person and a group"):
        sharing.find_grantee("owner")
    owner.is_active = False
    owner.save()
    assert sharing.find_grantee("owner").name == "owner"
    with pytest.raises(SharingError, match=f"“{'x' * 100}”"):
        sharing.find_grantee("x" * 101)


def test_an_unknown_permission_is_named_in_fifty_characters(thing, owner, colleague):
    with pytest.raises(SharingError, match=f"“{'x' * 50}”"):
        sharing.grant(thing, colleague, ["view", "x" * 51], by=owner)
    with pytest.raises(SharingError, match="“one”"):
        sharing.grant(thing, colleague, ["one", "two"], by=owner)
    with pytest.raises(NotPermittedError, match="lack: operate"):
        flow = Workflow.objects.create(name="F", slug="f", owner=owner, run_as=owner)
        sharing.grant(flow, colleague, ["view", "operate", "view"], by=owner)


def test_sharing_locks_the_object_and_hinders_no_row_that_refers_to_it(thing, owner, colleague):
    with CaptureQueriesContext(connection) as asked:
        sharing.grant(thing, colleague, ["view"], by=owner)
    assert any('FOR NO KEY UPDATE OF "automate_connectors_connection"' in each["sql"] for each in asked)


def test_who_may_not_share_is_answered_with_the_name_of_the_object(thing, owner, colleague, stranger):
    sharing.grant(thing, colleague, ["view"], by=owner)
    for act in (sharing.grant, sharing.revoke):
        with pytest.raises(NotPermittedError, match="permission to share Thing"):
            act(thing, stranger, ["view"], by=colleague)


# --- the list of grants -----------------------------------------------------------------------------------------------


def test_grants_are_listed_people_first_each_by_name(thing, owner, colleague, stranger):
    one, two = Group.objects.create(name="a team"), Group.objects.create(name="b team")
    for grantee in (two, stranger, one, colleague):
        sharing.grant(thing, grantee, ["change", "view"], by=owner)
    grants = sharing.list_grants(thing)
    assert [(each.kind, each.name) for each in grants] == [
        ("user", "colleague"), ("user", "stranger"), ("group", "a team"), ("group", "b team"),
    ]  # fmt: skip
    assert {each.verbs for each in grants} == {("view", "change")}
    assert [each.label for each in grants] == ["colleague", "stranger", "a team", "b team"]
    for grantee in (make_person("Viewers"), Group.objects.get(name="Builders")):
        sharing.grant(thing, grantee, ["view"], by=owner)
    with translation.override("de"):
        labels = {each.name: each.label for each in sharing.list_grants(thing)}
    assert (labels["Builders"], labels["Viewers"]) == ("Ersteller", "Viewers"), "a role is translated, a person is not"


def test_a_person_gains_nothing_without_each_role_and_a_group_without_all(flow, owner, admin):
    viewer, both = make_person("viewer", "Viewers"), make_person("both", "Viewers", "Builders")
    sharing.grant(flow, viewer, ["view", "change"], by=admin)
    team = Group.objects.create(name="team")
    team.user_set.add(viewer, both, make_person("none"))
    sharing.grant(flow, team, ["view", "change"], by=admin)
    of_viewer, of_team = sharing.list_grants(flow)
    assert (of_viewer.idle, of_viewer.roleless, of_viewer.members) == (("change",), ("viewer",), ())
    assert (of_team.idle, of_team.roleless) == ((), ("none",))
    assert of_team.members == ("both", "none", "viewer")
    assert of_viewer.cure.roles == ("Builders",) and not of_viewer.cure.staff
    assert ([each.username for each in of_team.cure.people], of_team.cure.roles) == (["none"], ("Builders",))
    sharing.revoke(flow, team, ["view", "change"], by=admin)
    team.user_set.set([viewer])
    sharing.grant(flow, team, ["change", "view"], by=admin)
    [_, of_team] = sharing.list_grants(flow)
    assert (of_team.idle, of_team.roleless, of_team.cure) == (("change",), (), None)


def test_staff_status_alone_is_missing_or_nothing_at_all(flow, admin):
    outside, gone = make_person("outside", "Viewers", staff=False), make_person("gone", staff=False)
    gone.is_active = False
    gone.save()
    for person in (outside, gone, admin):
        sharing.grant(flow, person, ["view"], by=admin)
    of_gone, of_outside, of_root = sharing.list_grants(flow)
    assert (of_outside.idle, of_outside.roleless, of_outside.outside) == ((), (), ("outside",))
    assert (of_outside.cure.roles, of_outside.cure.staff) == ((), True)
    assert (of_gone.idle, of_gone.roleless, of_gone.outside, of_gone.cure) == (("view",), ("gone",), (), None)
    assert (of_root.idle, of_root.roleless, of_root.outside, of_root.cure) == ((), (), (), None)


# --- who may do what --------------------------------------------------------------------------------------------------


def test_the_owner_comes_first_then_by_name_and_no_more_than_are_shown(thing, owner, monkeypatch):
    for name in ("zoe", "abe", "max"):
        sharing.grant(thing, make_person(name, "Builders"), ["view"], by=owner)
    assert [each.person.username for each in sharing.list_access(thing)] == ["owner", "abe", "max", "zoe"]
    monkeypatch.setattr(sharing, "MAX_PEOPLE", 2)
    assert [each.person.username for each in sharing.list_access(thing)] == ["owner", "abe"]
    team = Group.objects.create(name="team")
    team.user_set.add(*get_user_model().objects.filter(username__in=["zoe", "abe", "max"]))
    sharing.grant(thing, team, ["view"], by=owner)
    assert sharing.list_grants(thing)[-1].members == ("abe", "max")


def test_each_reason_is_told_once(thing, owner, admin):
    team = Group.objects.create(name="team")
    person = make_person("abe", "Builders", "Connection admins")
    team.user_set.add(person)
    for grantee in (person, team):
        sharing.grant(thing, grantee, ["view", "use"], by=owner)
    why = {each.person.username: each for each in sharing.list_access(thing)}
    assert why["abe"].why == ["shared with this person", "shared with group team", "role Connection admins"]
    assert why["owner"].reasons["view"] == ["owner"] and "root" in why
    assert why["root"].reasons["delete"] == ["superuser"]


# --- who may be named -------------------------------------------------------------------------------------------------


def test_groups_are_known_to_their_members_and_to_those_who_view_groups(owner):
    mine, other = Group.objects.create(name="mine"), Group.objects.create(name="other")
    owner.groups.add(mine)
    assert {"mine"} <= set(sharing.known_groups(owner).values_list("name", flat=True)) and other not in (
        sharing.known_groups(owner)
    )
    owner.user_permissions.add(Permission.objects.get(codename="view_group"))
    assert other in sharing.known_groups(get_user_model().objects.get(pk=owner.pk))


def test_people_are_known_by_the_panel_to_those_who_share_and_by_their_teams(thing, owner, colleague, stranger):
    gone, mate = make_person("gone"), make_person("mate")
    gone.is_active = False
    gone.save()
    team = Group.objects.create(name="team")
    team.user_set.add(owner, mate, gone)
    sharing.grant(thing, stranger, ["view"], by=owner)
    sharing.grant(thing, team, ["view"], by=owner)

    def known(by, obj):
        return {each.username for each in sharing.known_people(by, obj)}

    assert {"owner", "mate"} <= known(owner, None) and not known(owner, None) & {"stranger", "gone"}
    assert {"owner", "mate", "stranger"} <= known(owner, thing) and "colleague" not in known(owner, thing)
    assert known(colleague, thing) == set(), "who may not share sees nobody by the panel"
    viewer = make_person("viewer")
    viewer.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert {"owner", "stranger", "colleague", "viewer"} <= known(viewer, None) and "gone" not in known(viewer, None)


def test_an_idle_grantee_is_known_and_a_group_of_the_same_number_is_not_taken_for_one(thing, owner):
    idle = make_person("idle")
    sharing.grant(thing, idle, ["view"], by=owner)
    other = make_person("other")
    team = Group.objects.create(pk=other.pk, name="team of that number")
    sharing.grant(thing, team, ["view"], by=owner)
    names = {each.username for each in sharing.known_people(owner, thing)}
    assert "idle" in names and "other" not in names


def test_twenty_of_each_are_suggested(admin, thing):
    crowd(21)
    Group.objects.bulk_create(Group(name=f"crowd of {number}") for number in range(21))
    assert len(sharing.suggest_people(admin, thing, "crowd")) == 20
    found = sharing.suggest_grantees(admin, thing, "CROWD")
    assert [kind for _, kind in found].count("Group") == 20 and len(found) == 40
    assert sharing.suggest_people(admin, None, "crowd020") == [("crowd020", "crowd020")]
    assert sharing.suggest_grantees(admin, None, "crowd of 20") == [("crowd of 20", "Group")]


def test_addresses_are_searched_by_those_who_may_see_them(owner, admin, colleague):
    team = Group.objects.create(name="team")
    team.user_set.add(owner, colleague)
    assert sharing.suggest_people(owner, None, "colleague@") == []
    assert [name for name, _ in sharing.suggest_people(admin, None, "colleague@")] == ["colleague"]
    colleague.last_name = "Lovelace"
    colleague.save()
    assert sharing.suggest_people(owner, None, "lovel") == [("colleague", "Lovelace")]
