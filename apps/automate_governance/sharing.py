"""Sharing: verbs on one object, granted to people and groups by whoever may share it, and who may do what and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q, QuerySet
from guardian.shortcuts import assign_perm, remove_perm
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from automate_governance import audit
from automate_governance.governed import Governed
from automate_governance.permissions import Person, can, grants_on, permitted

MOST_PEOPLE = 200

type Grantee = Person | Group


class SharingError(Exception):
    """It cannot be granted or taken away; the message says why."""


class NotPermittedError(SharingError):
    """That person may not share the object, or lacks the verb."""


@dataclass(frozen=True)
class Grant:
    """Verbs that a person or a group was granted. `idle` are those for which they lack the role."""

    grantee: Grantee
    verbs: tuple[str, ...]
    idle: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`user` or `group`."""
        return "group" if isinstance(self.grantee, Group) else "user"

    @property
    def name(self) -> str:
        """How they are called."""
        return self.grantee.name if isinstance(self.grantee, Group) else self.grantee.get_username()


@dataclass
class Access:
    """One person: what they may do, each with the reasons."""

    person: Person
    reasons: dict[str, list[str]] = field(default_factory=dict)

    @property
    def why(self) -> list[str]:
        """Every reason once, in the order in which they were found."""
        return list(dict.fromkeys(reason for reasons in self.reasons.values() for reason in reasons))


def verbs_of(model: type[Governed]) -> list[str]:
    """The verbs that can be granted on one object of `model`."""
    suffix = f"_{model._meta.model_name}"
    names = [codename.removesuffix(suffix) for codename, _ in model._meta.permissions]
    return [name for name in names if name != "add" and not name.endswith("_any")]


def grantable(by: Person, obj: Governed) -> list[str]:
    """The verbs that `by` may grant on `obj`: those that they have themselves."""
    return [verb for verb in verbs_of(type(obj)) if can(by, verb, obj)]


def find(name: str) -> Grantee:
    """The active person of that user name, or the group. Raises SharingError."""
    users = get_user_model()
    person = users._default_manager.filter(is_active=True, **{users.USERNAME_FIELD: name}).first()
    group = Group.objects.filter(name=name).first()
    if person is not None and group is not None:
        raise SharingError(f"{name} is a person and a group: ask an administrator to rename one of them.")
    if person is None and group is None:
        raise SharingError(f"There is no active person and no group called {name[:100]!r}.")
    return person or group  # type: ignore[return-value]


@transaction.atomic
def grant(obj: Governed, grantee: Grantee, verbs: Iterable[str], *, by: Person) -> None:
    """Grant verbs, audited. Raises NotPermittedError, SharingError."""
    wanted = _known(obj, verbs)
    _check_may_share(obj, by)
    if lacking := [verb for verb in wanted if not can(by, verb, obj)]:
        raise NotPermittedError(f"You may not {_words(lacking)} it, so you cannot grant that.")
    for verb in wanted:
        assign_perm(_permission(obj, verb), grantee, obj)
    _record(obj, "shared", grantee, wanted, by)


@transaction.atomic
def revoke(obj: Governed, grantee: Grantee, verbs: Iterable[str], *, by: Person) -> None:
    """Take granted verbs away, audited. Raises NotPermittedError, SharingError."""
    wanted = _known(obj, verbs)
    _check_may_share(obj, by)
    for verb in wanted:
        remove_perm(_permission(obj, verb), grantee, obj)
    _record(obj, "unshared", grantee, wanted, by)


def grants(obj: Governed) -> list[Grant]:
    """What was granted on `obj`, people first, by name."""
    model, holders = type(obj), _Holders(type(obj))
    found: dict[tuple[int, str, int], tuple[Grantee, list[str]]] = {}
    for rank, rows, attribute in _granted(obj):
        for row in rows.select_related(attribute, "permission"):
            grantee = getattr(row, attribute)
            key = (rank, str(grantee), grantee.pk)
            found.setdefault(key, (grantee, []))[1].append(_verb(row.permission.codename, model))
    order = verbs_of(model)
    return [
        Grant(grantee, tuple(sorted(verbs, key=order.index)), tuple(v for v in verbs if holders.lacks(grantee, v)))
        for _, (grantee, verbs) in sorted(found.items(), key=lambda item: item[0])
    ]


def access(obj: Governed) -> list[Access]:
    """Who may do something with `obj`, and why: the owner first, then by name, at most `MOST_PEOPLE`."""
    model, holders = type(obj), _Holders(type(obj))
    people: dict[int, Access] = {}

    def note(person: Person, verb: str, reason: str) -> None:
        people.setdefault(person.pk, Access(person)).reasons.setdefault(verb, []).append(reason)

    for verb in verbs_of(model):
        within = {person.pk for person in holders.people(verb)}
        for person, reason in _reach(obj, verb):
            if person.pk in within and person.is_active:
                note(person, verb, reason)
        for person, reason in holders.because(f"{verb}_any"):
            note(person, verb, reason)
        for person in get_user_model()._default_manager.filter(is_superuser=True, is_active=True)[:MOST_PEOPLE]:
            note(person, verb, "administrator of the site")
    ordered = sorted(people.values(), key=lambda each: (each.person.pk != obj.owner_id, each.person.get_username()))
    return ordered[:MOST_PEOPLE]


class _Holders:
    """Who holds the permissions of a model by role: reach alone gives nothing."""

    def __init__(self, model: type[Governed]) -> None:
        self._model = model
        self._cache: dict[str, list[Person]] = {}

    def people(self, verb: str) -> list[Person]:
        """The active people whose roles give the verb within reach."""
        if verb not in self._cache:
            self._cache[verb] = [person for person, _ in self.because(verb)]
        return self._cache[verb]

    def because(self, verb: str) -> Iterator[tuple[Person, str]]:
        """(person, role) for each active person who holds the verb."""
        held = self._permission(verb)
        users = get_user_model()._default_manager.filter(is_active=True)
        for person in users.filter(user_permissions__in=held).distinct()[:MOST_PEOPLE]:
            yield person, "permission of their own"
        for group in Group.objects.filter(permissions__in=held).distinct():
            for person in users.filter(groups=group)[:MOST_PEOPLE]:
                yield person, f"role {group.name}"

    def lacks(self, grantee: Grantee, verb: str) -> bool:
        """Whether a grant of the verb gives this person nothing; of a group its members decide, each for themselves."""
        if isinstance(grantee, Group) or grantee.is_superuser:
            return False
        held = Q(user=grantee) | Q(group__user=grantee)
        return not grantee.is_active or not self._permission(verb).filter(held).exists()

    def _permission(self, verb: str) -> QuerySet[Permission]:
        meta = self._model._meta
        return Permission.objects.filter(
            codename=f"{verb}_{meta.model_name}",
            content_type__app_label=meta.app_label,
            content_type__model=meta.model_name,
        )


def _reach(obj: Governed, verb: str) -> Iterator[tuple[Person, str]]:
    yield obj.owner, "owner"
    codename = _permission(obj, verb)
    to_people, to_groups = (rows for _, rows, _ in _granted(obj))
    for row in to_people.filter(permission__codename=codename).select_related("user"):
        yield row.user, "shared with them"
    for row in to_groups.filter(permission__codename=codename).select_related("group"):
        for person in row.group.user_set.filter(is_active=True)[:MOST_PEOPLE]:
            yield person, f"shared with the group {row.group.name}"


def _granted(obj: Governed) -> tuple[tuple[int, QuerySet[Any], str], tuple[int, QuerySet[Any], str]]:
    """(rank, rows, who) of the grants to people and to groups."""
    people = grants_on(get_user_obj_perms_model, type(obj)).filter(content_object=obj)
    groups = grants_on(get_group_obj_perms_model, type(obj)).filter(content_object=obj)
    return (0, people, "user"), (1, groups, "group")


def _known(obj: Governed, verbs: Iterable[str]) -> list[str]:
    wanted, there = list(dict.fromkeys(verbs)), verbs_of(type(obj))
    if not wanted:
        raise SharingError("Choose what they may do.")
    if unknown := [verb for verb in wanted if verb not in there]:
        raise SharingError(f"There is no {unknown[0][:50]!r} here; there is {', '.join(there)}.")
    return wanted


def _check_may_share(obj: Governed, by: Person) -> None:
    locked = permitted(by, "share", type(obj)._default_manager.filter(pk=obj.pk))
    if not locked.exists():
        raise NotPermittedError(f"You may not share {obj}.")


def _record(obj: Governed, verb: str, grantee: Grantee, verbs: list[str], by: Person) -> None:
    kind = "group" if isinstance(grantee, Group) else "user"
    name = grantee.name if isinstance(grantee, Group) else grantee.get_username()
    audit.record(by, f"{obj._meta.verbose_name}.{verb}", obj, changes={"with": f"{kind} {name}", "verbs": verbs})


def _permission(obj: Governed, verb: str) -> str:
    return f"{verb}_{obj._meta.model_name}"


def _verb(codename: str, model: type[Governed]) -> str:
    return codename.removesuffix(f"_{model._meta.model_name}")


def _words(verbs: list[str]) -> str:
    return " and ".join(verb.replace("_", " ") for verb in verbs)
