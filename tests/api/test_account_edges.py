"""The edges of service accounts: who manages one, which groups it may get, and what its fields hold."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

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
    account.user_permissions.add(Permission.objects.get(codename="audit_site"))
    assert service_accounts.manageable_accounts(keeper, [account]) == set()


@pytest.mark.parametrize("name", ["", " ", "a\0b", "a b", "x" * 151])
def test_a_name_is_a_user_name(name):
    with pytest.raises(service_accounts.AccountError):
        service_accounts.create_account(name, by=None)
    assert service_accounts.create_account(" ci ", by=None).username == "ci"


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
