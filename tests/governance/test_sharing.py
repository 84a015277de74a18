"""Sharing: who may grant what to whom, who then may do it and why, by the panel of each kind of object."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import Workflow
from automate_governance import audit, sharing
from automate_governance.models import AuditEntry
from automate_governance.permissions import can
from tests.support.locks import somebody_waits
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def thing(owner):
    return Connection.objects.create(name="Thing", slug="thing", connector="http", owner=owner)


@pytest.fixture
def made(owner, thing, endpoint):
    """One object of each kind."""
    workflow = Workflow.objects.create(name="Flow", slug="flow", owner=owner, run_as=owner)
    return {"connection": thing, "webhook": endpoint, "workflow": workflow}


def url(kind, obj):
    return reverse("studio:share", args=[kind, obj.pk])


KINDS = ("connection", "webhook", "workflow")


@pytest.mark.matrix
@pytest.mark.parametrize("kind", KINDS)
def test_the_panel_is_reached_from_the_page_and_shares(kind, made, sign_in, owner, colleague):
    obj, client = made[kind], sign_in(owner)
    page = client.get(reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk]))
    assert url(kind, obj) in page.content.decode()
    assert not can(colleague, "view", obj)
    answer = client.post(url(kind, obj), {"name": "colleague", "verb": ["view", "change"]})
    assert answer.status_code == 303
    assert can(colleague, "view", obj) and can(colleague, "change", obj) and not can(colleague, "delete", obj)
    entry = AuditEntry.objects.get(verb=f"{audit.kind_of(type(obj))}.shared")
    assert (entry.actor, entry.changes) == ("owner", {"with": "user colleague", "verbs": ["view", "change"]})
    taken = {"revoke": f"user:{colleague.pk}", "verb": "change"}
    panel = client.post(url(kind, obj), taken, headers={"HX-Request": "true"})
    assert panel.status_code == 200 and b"<html" not in panel.content and b'id="share"' in panel.content
    assert not can(colleague, "change", obj) and can(colleague, "view", obj)
    assert AuditEntry.objects.filter(verb=f"{audit.kind_of(type(obj))}.unshared").count() == 1


def test_a_group_is_shared_with_as_a_person_is(thing, sign_in, owner, stranger):
    team = Group.objects.create(name="team")
    stranger.groups.add(team)
    sign_in(owner).post(url("connection", thing), {"name": "team", "verb": "use"})
    assert can(stranger, "use", thing)
    page = sign_in(owner).get(url("connection", thing)).content.decode()
    assert "shared with group team" in page


def test_nobody_grants_a_verb_that_they_lack(thing, sign_in, owner, colleague, stranger):
    for verb in ("view", "use", "share"):
        assign_perm(f"{verb}_connection", colleague, thing)
    client = sign_in(colleague)
    assert client.post(url("connection", thing), {"name": "stranger", "verb": ["use", "delete"]}).status_code == 403
    assert not can(stranger, "use", thing), "all or nothing"
    assert client.post(url("connection", thing), {"name": "stranger", "verb": "use"}).status_code == 303
    assert can(stranger, "use", thing)
    page = client.get(url("connection", thing)).content.decode()
    assert "you do not have this permission" in page
    assert not AuditEntry.objects.filter(changes__verbs__contains="delete").exists()


def test_nor_to_themselves(thing, sign_in, colleague):
    for verb in ("view", "share"):
        assign_perm(f"{verb}_connection", colleague, thing)
    answer = sign_in(colleague).post(url("connection", thing), {"name": "colleague", "verb": "use"})
    assert answer.status_code == 403 and not can(colleague, "use", thing)


def test_sharing_takes_the_verb_share(thing, sign_in, colleague, stranger):
    assign_perm("view_connection", colleague, thing)
    for method, data in (("get", {}), ("post", {"name": "stranger", "verb": "view"})):
        assert getattr(sign_in(colleague), method)(url("connection", thing), data).status_code == 403
        assert getattr(sign_in(stranger), method)(url("connection", thing), data).status_code == 404
    assert sharing.list_grants(thing)[0].name == "colleague"


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "nobody-of-that-name", "verb": "view"}, "No active person or group"),
        ({"name": "colleague"}, "Select at least one permission"),
        ({"name": "colleague", "verb": "fly"}, "Unknown permission “fly”"),
        ({"name": "colleague", "verb": "add"}, "Unknown permission “add”"),
        ({"name": "colleague", "verb": "view_any"}, "Unknown permission “view_any”"),
        ({"revoke": "user:99999", "verb": "view"}, "This grant no longer exists"),
        ({"revoke": "\0", "verb": "\0"}, "This grant no longer exists"),
        ({}, "No active person or group"),
    ],
)
def test_what_cannot_be_done_is_said(thing, sign_in, owner, colleague, data, words):
    answer = sign_in(owner).post(url("connection", thing), data)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert not sharing.list_grants(thing)


def test_an_unknown_kind_is_404(thing, sign_in, owner):
    assert sign_in(owner).get(reverse("studio:share", args=["secret", thing.pk])).status_code == 404


def test_a_grant_without_the_role_is_said_to_have_no_effect(thing, stranger, owner):
    stranger.groups.clear()
    sharing.grant(thing, stranger, ["view", "use"], by=owner)
    [grant] = sharing.list_grants(thing)
    assert grant.verbs == ("view", "use") and set(grant.idle) == {"view", "use"}
    assert stranger.pk not in {each.person.pk for each in sharing.list_access(thing)}


def test_who_may_do_what_is_what_the_rule_says(thing, owner, colleague, stranger, admin):
    """Every person of the site, by every verb: the panel and the rule agree."""
    from django.contrib.auth import get_user_model

    keeper, reader, gone = (
        get_user_model().objects.create_user(name, password="password-of-tests")
        for name in ("keeper", "reader", "gone")
    )
    keeper.groups.set(Group.objects.filter(name="Connection admins"))
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_any_connection", "use_connection"]))
    gone.groups.set(Group.objects.filter(name="Connection admins"))
    gone.is_active = False
    gone.save()
    team = Group.objects.create(name="team")
    stranger.groups.add(team)
    reader.groups.add(team)
    sharing.grant(thing, colleague, ["view"], by=owner)
    sharing.grant(thing, team, ["use", "change"], by=owner)
    shown = {(each.person.pk, verb) for each in sharing.list_access(thing) for verb in each.reasons}
    everybody = get_user_model().objects.all()
    ruled = {
        (person.pk, verb)
        for person, verb in itertools.product(everybody, sharing.verbs_of(Connection))
        if can(person, verb, thing)
    }
    assert shown == ruled
    why = {each.person.username: each.why for each in sharing.list_access(thing)}
    assert why["owner"] == ["owner"] and why["colleague"] == ["shared with this person"]
    assert why["stranger"] == ["shared with group team"] and why["keeper"] == ["role Connection admins"]
    assert "own permission" in why["reader"] and why["root"] == ["superuser"]


def test_nobody_takes_away_a_verb_that_they_lack(thing, sign_in, owner, colleague, stranger):
    for verb in ("view", "share"):
        assign_perm(f"{verb}_connection", colleague, thing)
    sharing.grant(thing, stranger, ["view", "use"], by=owner)
    client = sign_in(colleague)
    page = client.get(url("connection", thing)).content.decode()
    assert "Revoke view from stranger" in page and "Revoke use from stranger" not in page
    taken = {"revoke": f"user:{stranger.pk}", "verb": ["view", "use"]}
    assert client.post(url("connection", thing), taken).status_code == 403
    assert can(stranger, "use", thing) and can(stranger, "view", thing), "all or nothing"
    assert client.post(url("connection", thing), {**taken, "verb": "view"}).status_code == 303
    assert not can(stranger, "view", thing)


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_the_owner_and_administrators_take_away_what_they_like(thing, request, who, stranger, sign_in, owner):
    owner.groups.clear()
    owner.user_permissions.set(Permission.objects.filter(codename__in=["view_connection", "share_connection"]))
    assign_perm("delete_connection", stranger, thing)
    answer = sign_in(request.getfixturevalue(who)).post(
        url("connection", thing), {"revoke": f"user:{stranger.pk}", "verb": "delete"}
    )
    assert answer.status_code == 303 and not sharing.list_grants(thing)


@pytest.mark.extended
def test_the_panel_asks_as_often_for_many_groups_as_for_few(thing, sign_in, owner):
    from django.db import connection as db
    from django.test.utils import CaptureQueriesContext

    builders, client, counts = Group.objects.get(name="Builders"), sign_in(owner), []
    for number in range(12):
        group = Group.objects.create(name=f"team{number}")
        group.permissions.set(builders.permissions.all())
        person = get_user_model().objects.create_user(f"member{number}", password="password-of-tests")
        person.groups.add(group)
        sharing.grant(thing, group, ["view", "use"], by=owner)
        sharing.grant(thing, person, ["view"], by=owner)
        if number in (1, 11):
            with CaptureQueriesContext(db) as queries:
                page = client.get(url("connection", thing)).content.decode()
            counts.append(len(queries))
            assert f"shared with group team{number}" in page
    assert counts[0] == counts[1] <= 60


def test_sharing_with_a_group_says_who_is_in_it_and_who_gains_nothing(thing, sign_in, owner, colleague):
    from tests.support.pages import Page

    team, empty = Group.objects.create(name="Team"), Group.objects.create(name="Empty")
    clerk = get_user_model().objects.create_user("clerk", password="password-of-tests")
    gone = get_user_model().objects.create_user("gone", password="password-of-tests", is_active=False)
    for person in (colleague, clerk, gone):
        person.groups.add(team)
    for group in (team, empty):
        sharing.grant(thing, group, ["view", "use"], by=owner)
    [of_empty, of_team] = sharing.list_grants(thing)
    assert (of_team.members, of_team.roleless, of_team.idle) == (("clerk", "colleague"), ("clerk",), ())
    assert (of_empty.members, of_empty.idle) == ((), ("view", "use"))
    said = Page(sign_in(owner).get(url("connection", thing))).text
    assert "Members: clerk, colleague." in said and "No effect for clerk" in said
    assert "This group has no active members." in said


def proposed(client, thing):
    from tests.support.pages import Page

    page = client.get(url("connection", thing))
    return {attrs["value"] for tag, attrs in Page(page).tags if tag == "option" and "value" in attrs}


def test_names_are_proposed_of_those_whom_one_may_know(thing, sign_in, owner, colleague, stranger, admin):
    mine, other = Group.objects.create(name="mine"), Group.objects.create(name="other")
    owner.groups.add(mine)
    stranger.groups.add(other)
    sharing.grant(thing, colleague, ["view"], by=owner)
    names = proposed(sign_in(owner), thing)
    assert {"mine", "Builders", "owner", "colleague"} <= names and not names & {"other", "stranger"}
    assert {"mine", "other", "owner", "stranger"} <= proposed(sign_in(admin), thing)


def test_the_hint_that_some_people_are_not_suggested_is_for_those_who_may_not_view_all(thing, sign_in, owner, admin):
    for person, hint in ((owner, True), (admin, False)):
        shown = sign_in(person).get(url("connection", thing)).content.decode()
        assert ("Not all people are suggested" in shown) is hint


@pytest.mark.django_db(transaction=True)
def test_grants_on_one_object_come_one_after_another(thing, owner, colleague):
    import threading

    from django.db import connections, transaction

    done = threading.Event()

    def other():
        sharing.grant(thing, colleague, ["view"], by=owner)
        done.set()
        connections.close_all()

    with transaction.atomic():
        sharing.grant(thing, colleague, ["use"], by=owner)
        waiting = threading.Thread(target=other)
        waiting.start()
        wait_for(somebody_waits)
        assert not done.is_set()
    waiting.join(60)
    assert done.is_set() and sharing.list_grants(thing)[0].verbs == ("view", "use")
