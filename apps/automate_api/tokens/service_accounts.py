"""Service accounts: users without a password, for programs that belong to no person.

An administrator who is not a superuser gives an account only permissions and objects that they have themselves: else a
token of the account would give them further ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from automate_api.models import ServiceAccount
from automate_governance.people import names
from automate_governance.people.object_access import groups_beyond, people_beyond
from automate_governance.permissions import SITE, NotPermittedError, Person, User, can
from automate_plugins import text


class AccountError(ValueError):
    """The account cannot be created like this; the message says why."""


def service_accounts() -> QuerySet[ServiceAccount]:
    """All service accounts with their users, by name."""
    return ServiceAccount.objects.select_related("user", "created_by").order_by(f"user__{names.username_field()}")


def is_service_account(user: Person) -> bool:
    """Whether the user is a service account."""
    return ServiceAccount.objects.filter(pk=user.pk).exists()


def find_account(key: Any) -> Person | None:
    """The user of a service account by its primary key, also as text, or None."""
    try:
        found = ServiceAccount.objects.select_related("user").filter(pk=key).first()
    except (ValueError, ValidationError, OverflowError):
        return None
    return found.user if found else None


def may_read_all(by: User) -> bool:
    """Whether `by` may list the tokens and service accounts of everyone: administrators and auditors."""
    return can(by, "administer", SITE) or can(by, "audit", SITE)


def may_manage(by: Person, account: Person) -> bool:
    """Whether `by` may change a service account and issue its tokens."""
    return account.pk in manageable_accounts(by, [account])


def manageable_accounts(by: Person, users: Iterable[Person]) -> set[Any]:
    """Primary keys of those of the users that are service accounts which `by` may manage, in few queries."""
    given = {user.pk: user for user in users}
    if not can(by, "administer", SITE):
        return set()
    found = set(ServiceAccount.objects.filter(pk__in=given).values_list("pk", flat=True))
    if by.is_superuser:
        return found
    own, held = by.get_all_permissions(), _permissions_of(found)
    within = {key for key in found if not given[key].is_superuser and held.get(key, set()) <= own}
    return within - people_beyond(by, within)


def grantable_groups(by: Person) -> list[Group]:
    """Groups to which `by` may add a service account: those whose permissions and shared objects they all have."""
    groups = Group.objects.order_by("name").prefetch_related("permissions__content_type")
    if by.is_superuser:
        return list(groups)
    own = by.get_all_permissions()
    within = [group for group in groups if _labels(group.permissions.all()) <= own]
    beyond = groups_beyond(by, [group.pk for group in within])
    return [group for group in within if group.pk not in beyond]


@transaction.atomic
def create_account(name: str, *, by: Person | None, purpose: str = "", groups: Iterable[Group] = ()) -> Person:
    """Create a service account in these groups; `by` None is the command line.

    Raises NotPermittedError and AccountError.
    """
    if by is not None:
        _check_administers(by)
    if not (name := name.strip()) or "\0" in name:
        raise AccountError(text("Enter a name."))
    user: Any = get_user_model()(**{names.username_field(): name})
    user.set_unusable_password()
    try:
        user.full_clean(exclude=_optional_fields(user))
        with transaction.atomic():
            user.save()
    except ValidationError as error:
        raise AccountError(" ".join(error.messages)) from error
    except IntegrityError as error:
        raise AccountError(
            text(
                "User accounts of this site need more fields than a username. Create the account "
                "with the site's own code."
            )
        ) from error
    ServiceAccount.objects.create(user=user, purpose=purpose.strip()[:200], created_by=by)
    if by is None:
        user.groups.set(groups)
    else:
        change_groups(user, groups, by=by)
    return user  # type: ignore[no-any-return]


@transaction.atomic
def change_groups(account: Person, groups: Iterable[Group], *, by: Person) -> None:
    """Put a service account into exactly these of the groups that `by` may grant; its other groups stay.

    Raises NotPermittedError.
    """
    _check_manages(by, account)
    wanted, grantable = {group.pk for group in groups}, {group.pk for group in grantable_groups(by)}
    if not wanted <= grantable:
        raise NotPermittedError(text("You can only grant permissions that you have."))
    present = set(account.groups.values_list("pk", flat=True)) & grantable
    if removed := present - wanted:
        account.groups.remove(*removed)
    if added := wanted - present:
        account.groups.add(*added)


@transaction.atomic
def change_active(account: Person, active: bool, *, by: Person) -> None:
    """Deactivate a service account, whose tokens are refused from then on, or activate it again.

    Raises NotPermittedError.
    """
    _check_manages(by, account)
    if account.is_active != active:
        account.is_active = active
        account.save(update_fields=["is_active"])


def _optional_fields(user: Any) -> list[str]:
    """Fields that the account leaves empty, such as the email address: the database decides about them."""
    given = {names.username_field(), "password"}
    return [field.name for field in user._meta.fields if field.name not in given]


def _check_administers(by: Person) -> None:
    if not can(by, "administer", SITE):
        raise NotPermittedError(text("You need the Administer permission to manage service accounts."))


def _check_manages(by: Person, account: Person) -> None:
    _check_administers(by)
    if not may_manage(by, account):
        raise NotPermittedError(text("This account has permissions that you do not have. Ask a superuser."))


def _permissions_of(keys: Iterable[Any]) -> dict[Any, set[str]]:
    """Permissions of accounts, active or not, as `get_all_permissions` names them."""
    found: dict[Any, set[str]] = defaultdict(set)
    for path in ("user", "group__user"):
        rows = Permission.objects.filter(**{f"{path}__in": list(keys)})
        for key, label, codename in rows.values_list(path, "content_type__app_label", "codename"):
            found[key].add(f"{label}.{codename}")
    return found


def _labels(permissions: Iterable[Permission]) -> set[str]:
    return {f"{each.content_type.app_label}.{each.codename}" for each in permissions}
