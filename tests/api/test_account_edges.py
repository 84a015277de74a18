"""The edges of service accounts: who manages one, which groups it may get, and what its fields hold."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import Q

from automate_api.models import ServiceAccount
from automate_api.tokens import service_accounts
from automate_governance.permissions import NotPermittedError
from tests.support.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def keeper():
    """Administers the site, and is no superuser."""
    person = make_person("keeper", "Builders")
    person.user_permissions.add(Permission.objects.get(codename="administer_site"))
    return person


@pytest.fixture
def account(admin):
    return service_accounts.create_account("ci", by=admin)


@pytest.mark.parametrize("key", ["x", float("inf"), 10**30, "-1", None])
def test_what_is_no_key_finds_no_account(account, key):
    assert service_accounts.find_account(key) is None
    assert service_accounts.find_account(str(account.pk)) == account


def test_accounts_are_told_from_people_and_listed_by_name(account, admin, owner):
    service_accounts.create_account("alarm", by=admin)
    assert service_accounts.is_service_account(account) and not service_accounts.is_service_account(owner)
    assert [each.user.username for each in service_accounts.service_accounts()] == ["alarm", "ci"]


def test_administrators_and_auditors_read_all(keeper, owner):
    auditor = make_person("auditor")
    auditor.user_permissions.add(Permission.objects.get(codename="audit_site"))
    assert [service_accounts.may_read_all(by) for by in (keeper, auditor, owner)] == [True, True, False]
    assert not service_accounts.may_manage(auditor, service_accounts.create_account("ci", by=None))


def test_an_administrator_manages_accounts_alone_and_none_that_is_more_than_they(keeper, owner, account, admin):
    assert service_accounts.manageable_accounts(keeper, [owner, account]) == {account.pk}
    assert service_accounts.manageable_accounts(admin, [owner, account]) == {account.pk}
    assert service_accounts.manageable_accounts(owner, [account]) == set()
    account.is_superuser = True
    account.save()
    assert service_accounts.manageable_accounts(keeper, [account]) == set()
    account.is_superuser = False
    account.save()
    held = Permission.objects.filter(Q(user=keeper) | Q(group__user=keeper)).distinct()
    account.user_permissions.set(held)
    assert service_accounts.manageable_accounts(keeper, [account]) == {account.pk}, "as much as they are"
    account.user_permissions.add(Permission.objects.get(codename="audit_site"))
    assert service_accounts.manageable_accounts(keeper, [account]) == set()


def test_a_group_of_all_that_an_administrator_has_is_granted_and_one_of_more_is_not(keeper):
    team = Group.objects.create(name="team")
    team.permissions.set(Permission.objects.filter(Q(user=keeper) | Q(group__user=keeper)).distinct())
    assert team in service_accounts.grantable_groups(keeper)
    team.permissions.add(Permission.objects.get(codename="audit_site"))
    assert team not in service_accounts.grantable_groups(keeper)


@pytest.mark.parametrize(
    ("name", "answer"), [*((name, "^Enter a name") for name in ("", " ", "a\0b")), ("a b", "valid"), ("x" * 151, "150")]
)
def test_a_name_is_a_user_name(name, answer):
    with pytest.raises(service_accounts.AccountError, match=answer):
        service_accounts.create_account(name, by=None)
    assert service_accounts.create_account(" ci ", by=None).username == "ci"


def test_a_site_whose_users_need_more_than_a_name_creates_accounts_by_itself():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_user ADD CONSTRAINT has_email CHECK (email <> '') NOT VALID")
    with pytest.raises(service_accounts.AccountError, match="need more fields than a username"):
        service_accounts.create_account("ci", by=None)
    assert not ServiceAccount.objects.exists()


def test_a_purpose_has_200_characters():
    made = service_accounts.create_account("ci", by=None, purpose=f" {'x' * 200}y ")
    assert ServiceAccount.objects.get(user=made).purpose == "x" * 200


def test_nobody_else_creates_or_changes_an_account(owner, account):
    acts = (
        lambda: service_accounts.create_account("other", by=owner),
        lambda: service_accounts.change_groups(account, [], by=owner),
        lambda: service_accounts.change_active(account, False, by=owner),
    )
    for act in acts:
        with pytest.raises(NotPermittedError, match="Administer permission"):
            act()
    assert ServiceAccount.objects.count() == 1 and account.is_active


def test_an_account_is_in_exactly_the_groups_that_were_chosen(keeper, account):
    one, two, kept, empty = (Group.objects.create(name=name) for name in ("one", "two", "kept", "empty"))
    account.groups.set([one, kept])
    for chosen in ([two, kept], [two, kept], [kept], []):
        service_accounts.change_groups(account, chosen, by=keeper)
        assert set(account.groups.all()) == set(chosen)
    every = service_accounts.grantable_groups(keeper)
    service_accounts.change_groups(account, every, by=keeper)
    assert set(account.groups.all()) == set(every)
    service_accounts.change_groups(account, [], by=keeper)
    beyond = Group.objects.create(name="beyond")
    beyond.permissions.add(Permission.objects.get(codename="audit_site"))
    with pytest.raises(NotPermittedError, match="only grant permissions that you have"):
        service_accounts.change_groups(account, [empty, beyond], by=keeper)
    assert not account.groups.exists(), "all or nothing"


def test_the_state_is_written_when_it_changes(account, admin, django_assert_num_queries):
    for active in (False, True):
        service_accounts.change_active(account, active, by=admin)
        assert type(account).objects.get(pk=account.pk).is_active is active
    with django_assert_num_queries(3):  # the check, in a transaction of its own
        service_accounts.change_active(account, True, by=admin)
