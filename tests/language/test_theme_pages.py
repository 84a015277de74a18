"""Pages of the theme, users and groups: whole sentences, verbs on buttons, and nothing of tables that only join others."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import translation

from automate_governance import audit
from automate_governance.models import AuditEntry, Preferences
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(sign_in, admin):
    """Read a page as the superuser, in a language."""

    def read_page(url, language):
        Preferences.objects.update_or_create(person=admin, defaults={"language": language})
        return tidy(Page(sign_in(admin).get(url)).text)

    yield read_page
    translation.activate("en")


def test_the_button_that_deletes_is_one_sentence(read):
    url = reverse("admin:auth_group_change", args=[Group.objects.first().pk])
    assert "Delete group" in read(url, "en")
    page = read(url, "de")
    assert "Gruppe löschen" in page and "Löschen Gruppe" not in page


def test_a_page_that_deletes_names_what_people_know(read, admin):
    group = Group.objects.get(name="Builders")
    admin.groups.add(group)
    page = read(reverse("admin:auth_group_delete", args=[group.pk]), "en")
    assert "Group: Builders" in page and "relationship" not in page
    assert "Delete" in page and "Cancel" in page and "take me back" not in page


def test_an_empty_list_says_what_to_do(read):
    users = reverse("admin:auth_user_changelist")
    for language, words in {
        "en": ("No entries match these filters", "Reset filters"),
        "de": ("Kein Eintrag passt zu diesen Filtern", "Filter zurücksetzen"),
    }.items():
        page = read(f"{users}?q=nothing", language)
        assert all(word in page for word in words) and "yielded" not in page


def test_the_page_of_an_entry_shows_time_and_kind_as_the_list_does(read, admin):
    entry = audit.record(admin, "workflow.edited", admin, changes={"what": "Added Note"})
    entry = AuditEntry.objects.get(pk=entry.pk)
    page = read(reverse("admin:automate_governance_auditentry_change", args=[entry.pk]), "en")
    assert f"{entry.at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "a.m." not in page and "p.m." not in page


@pytest.mark.extended
def test_people_sign_in_and_out_in_the_words_of_the_glossary(client, read):
    page = tidy(Page(client.get(reverse("admin:login"))).text)
    assert page.startswith("Sign in | ") and "Log in" not in page
    home = reverse("studio:preferences")
    assert "Sign out" in read(home, "en") and "Abmelden" in read(home, "de")


@pytest.mark.extended
def test_the_page_after_signing_out_says_what_to_do(sign_in, admin):
    for language, words in {"en": "You are signed out", "de": "Melden Sie sich erneut an"}.items():
        Preferences.objects.update_or_create(person=admin, defaults={"language": language})
        signed_in = sign_in(admin)
        signed_in.get(reverse("studio:preferences"))
        page = tidy(Page(signed_in.post(reverse("admin:logout"), headers={"accept-language": language})).text)
        assert words in page and "quality time" not in page
    translation.activate("en")


def test_tables_that_only_share_objects_offer_no_permissions(read, admin):
    for url in (
        reverse("admin:auth_user_change", args=[admin.pk]),
        reverse("admin:auth_group_change", args=[Group.objects.first().pk]),
    ):
        page = read(url, "de")
        assert "Darf Workflows erstellen" in page and "group permission" not in page and "user permission" not in page


def test_a_shipped_group_is_named_as_in_the_list(read):
    group = Group.objects.get(name="Auditors")
    assert "Wird als „Auditoren“ angezeigt." in read(reverse("admin:auth_group_change", args=[group.pk]), "de")
    assert "Shown as" not in read(reverse("admin:auth_group_change", args=[group.pk]), "en")
    assert "Verlauf von Auditoren" in read(reverse("admin:auth_group_history", args=[group.pk]), "de")


def test_times_on_the_page_of_a_user_are_those_of_other_pages(read, admin):
    page = read(reverse("admin:auth_user_change", args=[admin.pk]), "en")
    assert f"{admin.date_joined:%H:%M:%S} UTC" in page and "Last sign-in" in page
    assert "a.m." not in page and "p.m." not in page and "log into" not in page
