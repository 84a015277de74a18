"""Accounts: roles on their form, people in their list, locks and sessions."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.urls import reverse

from automate_governance.models import AuditEntry
from automate_plugins import text
from automate_studio.ui.formatting import as_sentence
from tests.support.pages import tidy
from tests.support.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_form_speaks_of_roles_and_warns_of_one_without_effect(admin, sign_in):
    client, person = sign_in(admin), make_person("olga")
    get_user_model().objects.filter(pk=person.pk).update(is_staff=False)
    url = reverse("admin:auth_user_change", args=[person.pk])
    shown = tidy(client.get(url).content.decode())
    assert "Builders. Build: create" in shown and 'type="checkbox" name="groups"' in shown
    assert "Can open this site (staff status)" in shown and "Staff status" not in shown
    assert shown.index("Roles and groups") < shown.index("Single permissions")
    sent = {"username": "olga", "is_active": "on", "groups": [Group.objects.get(name="Builders").pk]}
    said = tidy(client.post(url, sent, follow=True).content.decode())
    assert "olga has a role, but cannot open this site" in said
    said = tidy(client.post(url, {**sent, "is_staff": "on"}, follow=True).content.decode())
    assert "cannot open this site." not in said
    person.refresh_from_db()
    assert person.is_staff and person.groups.get().name == "Builders"


def test_the_list_shows_roles_state_and_the_last_sign_in(admin, owner, sign_in, django_assert_max_num_queries):
    client = sign_in(admin)
    get_user_model().objects.filter(pk=owner.pk).update(is_active=False)
    url = reverse("admin:auth_user_changelist")
    client.get(url)
    with django_assert_max_num_queries(14):
        shown = tidy(client.get(url).content.decode())
    for title in ("Roles", "Active", "Last sign-in", "Opens this site"):
        assert title in shown
    assert "Builders" in shown and "Never" in shown and "Superuser" in shown


def test_a_person_without_a_role_is_told_why_the_tasks_are_empty(sign_in, owner):
    plain = get_user_model().objects.create_user("plain", password="password-of-tests")
    url = reverse("studio:approval_list")
    assert "Your account has no role yet" in tidy(sign_in(plain).get(url).content.decode())
    plain.groups.add(Group.objects.get(name="Builders"))
    assert "Your account cannot open this site" in tidy(sign_in(plain).get(url).content.decode())
    shown = tidy(sign_in(owner).get(url).content.decode())
    assert "has no role" not in shown and "cannot open this site" not in shown


def _try(client, name, password):
    return client.post(reverse("studio:sign_in"), {"username": name, "password": password})


def test_a_locked_account_is_shown_and_unlocked_by_an_administrator(admin, owner, stranger, sign_in, client):
    wrong = tidy(_try(client, "owner", "wrong").content.decode())
    assert "The user name or password is wrong." in wrong and "Please enter" not in wrong
    for _ in range(6):
        locked = _try(client, "owner", "wrong")
    assert "Too many failed sign-ins" in locked.content.decode()
    browser = sign_in(admin)
    account = tidy(browser.get(reverse("admin:auth_user_change", args=[owner.pk])).content.decode())
    assert "Locked for 15 minutes" in account
    page = reverse("studio:account_sign_in", args=[owner.pk])
    assert "Locked for 15 minutes" in tidy(browser.get(page).content.decode())
    assert sign_in(stranger).post(page, {"do": "unlock"}).status_code == 403
    assert browser.post(page, {"do": "unlock"}).status_code == 303
    assert "Not locked" in tidy(browser.get(page).content.decode())
    entry = AuditEntry.objects.get(verb="user.unlocked")
    assert entry.actor == "root" and entry.object == "owner"
    owner.set_password("password-of-tests")
    owner.save()
    assert _try(client, "owner", "password-of-tests").status_code == 302


def test_a_person_is_signed_out_of_all_sessions(admin, owner, stranger, sign_in):
    browsers, other = [sign_in(owner), sign_in(owner)], sign_in(stranger)
    runs = reverse("admin:automate_core_executionrun_changelist")
    assert [each.get(runs).status_code for each in (*browsers, other)] == [200, 200, 200]
    page, client = reverse("studio:account_sign_in", args=[owner.pk]), sign_in(admin)
    assert "2 sessions" in tidy(client.get(page).content.decode())
    assert other.post(page, {"do": "end_sessions"}).status_code == 403
    assert "2 sessions were ended" in tidy(client.post(page, {"do": "end_sessions"}, follow=True).content.decode())
    assert [each.get(runs).status_code for each in (*browsers, other)] == [302, 302, 200]
    assert Session.objects.count() == 2
    assert AuditEntry.objects.get(verb="user.sessions_ended").changes == {"sessions": 2}
    assert client.get(reverse("studio:account_sign_in", args=["0"])).status_code == 404


def test_names_are_shown_as_they_are_stored():
    refusal = text("%(person)s does not have permission.", person="otto")
    assert as_sentence(refusal) == "otto does not have permission."
    assert as_sentence("not now") == "Not now."
    assert as_sentence(text("no field %(name)s", name="x")) == "No field x."
