"""Accounts: roles on their form, people in their list, locks and sessions."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.urls import reverse

from automate_governance.models import AuditEntry
from automate_plugins import text
from automate_ui.formatting import as_sentence
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


@pytest.mark.parametrize("lost", ["is_active", "is_staff", "is_superuser"])
def test_the_last_superuser_stays(admin, sign_in, lost):
    url = reverse("admin:auth_user_change", args=[admin.pk])
    sent = {"username": admin.username, "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": []}
    kept = {name: value for name, value in sent.items() if name != lost}
    client = sign_in(admin)
    assert "This is the only superuser who can open the site." in tidy(client.post(url, kept).content.decode())
    admin.refresh_from_db()
    assert admin.is_active and admin.is_staff and admin.is_superuser
    get_user_model().objects.create_superuser("second")
    client.post(url, kept)
    admin.refresh_from_db()
    assert not getattr(admin, lost)


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
    assert "The user name or password is wrong." in wrong and "Please" not in wrong
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


def _change(client, old, new):
    sent = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(reverse("admin:password_change"), sent)


@pytest.mark.parametrize("is_staff", [True, False])
def test_a_new_person_changes_the_password_before_all_else(admin, sign_in, client, api, is_staff):
    typed = {"password1": "typed-by-the-admin-1", "password2": "typed-by-the-admin-1"}
    add = reverse("admin:auth_user_add")
    assert "Must change the password at the first sign-in" in tidy(sign_in(admin).get(add).content.decode())
    assert sign_in(admin).post(add, {"username": "nina", **typed, "must_change": "on"}).status_code == 302
    get_user_model().objects.filter(username="nina").update(is_staff=is_staff)
    nina = get_user_model().objects.get(username="nina")
    assert AuditEntry.objects.get(verb="user.password_change_required").object == "nina"
    form, tasks = reverse("admin:password_change"), reverse("studio:approval_list")
    assert _try(client, "nina", "typed-by-the-admin-1").status_code == 302
    for url in (tasks, "/admin/", reverse("studio:preferences")):
        assert client.get(url)["Location"] == form and client.post(url)["Location"] == form
    assert "Choose a new one to go on" in tidy(client.get(form).content.decode())
    assert api(nina).get("approvals").status_code == 200, "programs go on"
    same = _change(client, "typed-by-the-admin-1", "typed-by-the-admin-1")
    assert same.status_code == 200 and "that you do not have now" in same.content.decode()
    assert client.get(tasks)["Location"] == form
    assert _change(client, "typed-by-the-admin-1", "known-to-nina-alone-2").status_code == 302
    assert client.get(reverse("admin:password_change_done")).status_code == 200
    assert client.get(tasks).status_code == 200
    client.logout()
    assert _try(client, "nina", "known-to-nina-alone-2").status_code == 302
    assert client.get(tasks).status_code == 200, "once"


def test_an_administrator_requires_a_new_password(admin, owner, stranger, sign_in):
    page, client = reverse("studio:account_sign_in", args=[owner.pk]), sign_in(admin)
    assert sign_in(stranger).post(page, {"do": "require_password"}).status_code == 403
    signed_in = sign_in(owner)
    assert "owner must change the password" in tidy(
        client.post(page, {"do": "require_password"}, follow=True).content.decode()
    )
    assert "Must be changed at the next sign-in" in tidy(client.get(page).content.decode())
    runs = reverse("admin:automate_core_executionrun_changelist")
    assert signed_in.get(runs).status_code == 200, "from the next sign-in on"
    again = sign_in(owner)
    assert again.get(runs)["Location"] == reverse("admin:password_change")
    assert again.post(reverse("admin:logout")).status_code in {200, 302}
