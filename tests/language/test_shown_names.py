"""Names that the database keeps in English and screens show in a person's language: permissions and shipped groups."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import translation

from automate_connectors.models import Connection
from automate_governance.models import AuditEntry, Preferences
from automate_governance.people.labels import find_group, group_label, permission_label
from tests.conftest import make_person
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db


@pytest.fixture
def in_german(sign_in):
    """Sign a person in who reads German."""

    def make(person):
        Preferences.objects.create(person=person, language="de")
        return sign_in(person)

    yield make
    translation.activate("en")


def read(client, url):
    return tidy(Page(client.get(url)).text)


def test_every_permission_of_ours_and_of_django_has_a_german_name():
    with translation.override("de"):
        english = [
            permission_label(each)
            for each in Permission.objects.select_related("content_type")
            if "Can " in permission_label(each)
        ]
    assert english == []


def test_permissions_are_named_by_what_they_allow():
    view = Permission.objects.get(codename="view_payload_any_workflow")
    assert permission_label(view).endswith(" | Can view payloads of all workflows")
    add = Permission.objects.get(codename="add_group")
    with translation.override("de"):
        assert permission_label(add).endswith(" | Darf Gruppe hinzufügen")


def test_a_group_form_offers_permissions_and_the_list_groups_in_german(in_german, admin):
    client, group = in_german(admin), Group.objects.get(name="Builders")
    form = read(client, reverse("admin:auth_group_change", args=[group.pk]))
    assert "Darf eigene und geteilte Workflows veröffentlichen" in form and "Can publish" not in form
    listed = read(client, reverse("admin:auth_group_changelist"))
    assert "Ersteller" in listed and "Builders" not in listed
    assert "Builders" not in form, "the title and the breadcrumbs name it as the list does"


def test_a_user_form_and_filter_name_shipped_groups_in_german(in_german, admin, owner):
    client = in_german(admin)
    Group.objects.create(name="Accounting")
    form = read(client, reverse("admin:auth_user_change", args=[owner.pk]))
    assert "Verbindungsadministratoren" in form and "Connection admins" not in form and "Accounting" in form
    assert "Can add group" not in form
    assert "Auditoren" in read(client, reverse("admin:auth_user_changelist"))


def test_people_who_may_only_view_read_german_names_as_well(in_german, owner):
    client = in_german(make_person("auditor", "Auditors"))
    user = read(client, reverse("admin:auth_user_change", args=[owner.pk]))
    assert "Ersteller" in user and "Builders" not in user
    group = read(client, reverse("admin:auth_group_change", args=[Group.objects.get(name="Operators").pk]))
    assert "Darf alle Workflows ansehen" in group and "Can view" not in group


def test_sharing_shows_and_accepts_the_german_name_of_a_group(in_german, owner):
    thing = Connection.objects.create(name="Thing", slug="thing", connector="http", owner=owner)
    client, url = in_german(owner), reverse("studio:share", args=["connection", thing.pk])
    client.post(url, {"name": "Ersteller", "verb": ["view"]})
    assert AuditEntry.objects.get(verb="connection.shared").changes["with"] == "group Builders"
    page = read(client, url)
    assert "mit Gruppe Ersteller geteilt" in page and "Builders" not in page


def test_only_shipped_groups_are_translated_and_a_stored_name_wins():
    with translation.override("de"):
        assert [group_label(name) for name in ("Auditors", "auditors", "Browser")] == [
            "Auditoren",
            "auditors",
            "Browser",
        ]
        assert find_group("Auditoren").name == find_group("Auditors").name == "Auditors"
        Group.objects.create(name="Auditoren")
        assert find_group("Auditoren").name == "Auditoren"
        assert find_group("Nowhere") is None


def test_the_trail_names_permissions_in_english_whatever_the_language(owner):
    with translation.override("de"):
        Group.objects.create(name="Curious").permissions.add(Permission.objects.get(codename="audit_site"))
    [added] = AuditEntry.objects.get(verb="group.permissions_changed").changes["added"]
    assert added == str(Permission.objects.get(codename="audit_site")) and "Website" not in added
