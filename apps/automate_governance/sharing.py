"""Sharing: verbs on one object, granted to people and groups, and the list of who may do what and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.utils.translation import gettext as _
from guardian.shortcuts import assign_perm, remove_perm
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from automate_governance import audit, roles
from automate_governance.governed import Governed
from automate_governance.people import names as people
from automate_governance.people.labels import find_group, group_label
from automate_governance.people.names import sign_in_name
from automate_governance.people.role_giving import Cure, has_staff_status, roles_including
from automate_governance.permissions import NotPermittedError, Person, can, permitted
from automate_plugins.errors import AutomateError

MAX_PEOPLE = 200
MAX_SUGGESTED = 20  # of groups, and of people

type Grantee = Person | Group


class SharingError(AutomateError):
    """A grant that cannot be made or revoked; the message says why."""


@dataclass(frozen=True)
class Grant:
    """Verbs granted to a person or a group. `idle` are those that have no effect, for lack of a role.

    `members` are the active people of a group by name; `roleless` those whom the grant gives nothing, and `outside`
    those without staff status, who cannot open the admin. `cure` is what they need, None when they need nothing.
    """

    grantee: Grantee
    verbs: tuple[str, ...]
    idle: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    roleless: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    cure: Cure | None = None

    @property
    def kind(self) -> str:
        """`user` or `group`."""
        return "group" if isinstance(self.grantee, Group) else "user"

    @property
    def name(self) -> str:
        """The name of the person or group."""
        return _grantee_name(self.grantee)

    @property
    def label(self) -> str:
        """The name as it is shown."""
        return group_label(self.name) if self.kind == "group" else self.name


@dataclass
class Access:
    """What one person may do, each verb with the reasons."""

    person: Person
    reasons: dict[str, list[str]] = field(default_factory=dict)

    @property
    def why(self) -> list[str]:
        """Every reason once, in the order in which they were found."""
        return list(dict.fromkeys(reason for reasons in self.reasons.values() for reason in reasons))


@dataclass(frozen=True)
class Preset:
    """Verbs that are usually granted together. `may` is whether the person may grant the one that it is about."""

    name: str
    verbs: tuple[str, ...]
    may: bool


#: (name of a preset, the verb that it is about, those that go with it). People use a workflow when they run it.
_PRESETS = (
    ("viewer", "view", ()),
    ("user", "use", ("view",)),
    ("user", "run", ("view", "view_payload")),
    ("operator", "operate", ("view", "view_payload", "run")),
    ("editor", "change", ("view", "view_payload", "use", "run", "publish")),
)


def list_presets(by: Person, obj: Governed) -> list[Preset]:
    """Return the presets for `obj`, each with the verbs that `by` may grant, least first."""
    possible, may = verbs_of(type(obj)), grantable(by, obj)
    return [
        Preset(name, tuple(verb for verb in possible if verb == main or (verb in others and verb in may)), main in may)
        for name, main, others in _PRESETS
        if main in possible
    ]


def verbs_of(model: type[Governed]) -> list[str]:
    """Return the verbs that can be granted on one object of `model`."""
    suffix = f"_{model._meta.model_name}"
    names = [codename.removesuffix(suffix) for codename, _ in model._meta.permissions]
    return [name for name in names if name != "add" and not name.endswith("_any")]


def grantable(by: Person, obj: Governed) -> list[str]:
    """Return the verbs that `by` may grant on `obj`: those that they hold themselves."""
    return [verb for verb in verbs_of(type(obj)) if can(by, verb, obj)]


def revocable(by: Person, obj: Governed) -> list[str]:
    """Return the verbs that `by` may revoke on `obj`: those they may grant; for the owner and superusers, all."""
    return verbs_of(type(obj)) if by.is_superuser or by.pk == obj.owner_id else grantable(by, obj)


def find_grantee(name: str) -> Grantee:
    """Return the active person of that username, or the group. Raises SharingError."""
    person = people.active_people([name]).first()
    group = find_group(name)
    if person is not None and group is not None:
        raise SharingError(
            _("%(name)s is both a person and a group. Ask an administrator to rename one of them.") % {"name": name}
        )
    if person is None and group is None:
        message = _("No active person or group is called “%(name)s”. Type the whole username, or name of the group.")
        raise SharingError(message % {"name": name[:100]})
    return person or group  # type: ignore[return-value]


@transaction.atomic
def grant(obj: Governed, grantee: Grantee, verbs: Iterable[str], *, by: Person) -> None:
    """Grant verbs, audited. Raises NotPermittedError, SharingError."""
    wanted = _check_verbs(obj, verbs)
    _check_may_share(obj, by)
    if lacking := [verb for verb in wanted if not can(by, verb, obj)]:
        raise NotPermittedError(
            _("You can grant only your own permissions. You lack: %(permissions)s.") % _named(lacking)
        )
    for verb in wanted:
        assign_perm(_permission(obj, verb), grantee, obj)
    _record(obj, "shared", grantee, wanted, by)


@transaction.atomic
def revoke(obj: Governed, grantee: Grantee, verbs: Iterable[str], *, by: Person) -> None:
    """Revoke verbs, audited. Raises NotPermittedError, SharingError."""
    wanted = _check_verbs(obj, verbs)
    _check_may_share(obj, by)
    if lacking := [verb for verb in wanted if verb not in revocable(by, obj)]:
        raise NotPermittedError(
            _("You can revoke only your own permissions. You lack: %(permissions)s.") % _named(lacking)
        )
    for verb in wanted:
        remove_perm(_permission(obj, verb), grantee, obj)
    _record(obj, "unshared", grantee, wanted, by)


def _grantee_name(grantee: Grantee) -> str:
    return grantee.name if isinstance(grantee, Group) else sign_in_name(grantee)


def list_grants(obj: Governed) -> list[Grant]:
    """Return the grants on `obj`, people first, by name."""
    model = type(obj)
    found: dict[tuple[int, str, int], tuple[Grantee, list[str]]] = {}
    for rank, rows, attribute in _grant_rows(obj):
        for row in rows.select_related(attribute, "permission"):
            grantee = getattr(row, attribute)
            key = (rank, _grantee_name(grantee), grantee.pk)
            found.setdefault(key, (grantee, []))[1].append(_verb(row.permission.codename, model))
    order = verbs_of(model)
    members = _members([grantee for grantee, _ in found.values() if isinstance(grantee, Group)])
    persons = [grantee for grantee, _ in found.values() if not isinstance(grantee, Group)]
    held = _Roles(model, [each.pk for each in (*persons, *(person for team in members.values() for person in team))])
    return [
        _build_grant(grantee, sorted(verbs, key=order.index), members.get(grantee.pk, []), held)
        for _, (grantee, verbs) in sorted(found.items(), key=lambda item: item[0])
    ]


def _build_grant(grantee: Grantee, verbs: list[str], members: list[Person], roles: _Roles) -> Grant:
    is_group = isinstance(grantee, Group)
    each_of: list[Person] = members if isinstance(grantee, Group) else [grantee]
    idle = tuple(verb for verb in verbs if all(roles.lack(person, verb) for person in each_of))
    # Of a group those to whom it gives nothing: members with fewer roles than others are as the group wants them
    enough = all if is_group else any
    roleless = [person for person in each_of if enough(roles.lack(person, verb) for verb in verbs)]
    outside = [person for person in each_of if person.is_active and not has_staff_status(person)]
    return Grant(
        grantee,
        tuple(verbs),
        idle,
        _usernames(members),
        _usernames(roleless),
        _usernames(outside),
        roles.cure(roleless, outside, verbs if is_group else idle),
    )


def _usernames(people: Iterable[Person]) -> tuple[str, ...]:
    return tuple(sign_in_name(person) for person in people)


def _members(groups: list[Group]) -> dict[int, list[Person]]:
    """Return the active people in each group by name, at most MAX_PEOPLE in all, in two queries."""
    users = get_user_model()
    active = users._default_manager.filter(is_active=True, groups__in=groups).order_by(users.USERNAME_FIELD)
    pairs = list(active.values_list("groups", "pk")[:MAX_PEOPLE])
    known = users._default_manager.in_bulk([key for _, key in pairs])
    wanted = {group.pk for group in groups}
    found: dict[int, list[Person]] = {key: [] for key in wanted}
    for group, key in pairs:
        if group in wanted:
            found[group].append(known[key])
    return found


def list_access(obj: Governed) -> list[Access]:
    """Return who may do something with `obj`, and why: the owner first, then by name, at most MAX_PEOPLE.

    Costs the same number of queries for any number of people and groups.
    """
    given = _Grants(obj)
    people = _candidates(obj, given)
    roles = _Roles(type(obj), [person.pk for person in people])
    found = (_build_access(obj, person, given, roles) for person in people)
    ordered = sorted(filter(lambda each: each.reasons, found), key=lambda each: each.person.pk != obj.owner_id)
    return ordered[:MAX_PEOPLE]


def known_groups(by: Person) -> QuerySet[Group]:
    """Return the groups whose names `by` may know: their own, or all for those who may view groups in the admin."""
    groups = Group.objects.all() if by.has_perm("auth.view_group") else Group.objects.filter(user=by)
    return groups.order_by("name")


def known_people(by: Person, obj: Governed | None) -> QuerySet[Any]:
    """Return the active people whose names `by` may know: those whom the panel of `obj` shows, if there is one and `by`
    may share it, and members of their own teams, which are groups that are no shipped role; or all for those who may
    view users in the admin."""
    users = get_user_model()
    persons = users._default_manager.filter(is_active=True).order_by(users.USERNAME_FIELD)
    if people.may_view_all(by):
        return persons
    teams = Group.objects.filter(user=by).exclude(name__in=roles.DESCRIPTIONS)
    shown = []
    if obj is not None and can(by, "share", obj):
        shown = [each.person.pk for each in list_access(obj)]
        shown += [grant.grantee.pk for grant in list_grants(obj) if grant.kind == "user"]
    in_teams = users._default_manager.filter(groups__in=teams)
    return persons.filter(Q(pk__in=shown) | Q(pk__in=in_teams.values("pk")))


def suggest_grantees(by: Person, obj: Governed | None, begun: str = "") -> list[tuple[str, str]]:
    """Return (name, what it is) of known groups and people for what was `begun`, at most MAX_SUGGESTED of each.

    People whom only the panel of `obj` shows are suggested to those who may open it.
    """
    labels = map(group_label, known_groups(by).values_list("name", flat=True))
    groups = [label for label in labels if begun.lower() in label.lower()]
    return [*((label, _("Group")) for label in groups[:MAX_SUGGESTED]), *suggest_people(by, obj, begun)]


def suggest_people(by: Person, obj: Governed | None, begun: str = "") -> list[tuple[str, str]]:
    """Return (name, full name) of known people for what was `begun`, at most MAX_SUGGESTED."""
    is_named = people.names_contain(begun, with_email=people.may_view_all(by))
    persons = known_people(by, obj).filter(is_named)[:MAX_SUGGESTED]
    return [(sign_in_name(each), people.display_name(each)) for each in persons]


class _Grants:
    """The verbs granted on an object, by person and by group."""

    def __init__(self, obj: Governed) -> None:
        (_, people, _), (_, groups, _) = _grant_rows(obj)
        self.to_people = _by_key(people.values_list("user_id", "permission__codename"))
        self.to_groups = _by_key(groups.values_list("group_id", "permission__codename"))
        named = Group.objects.filter(pk__in=self.to_groups).values_list("pk", "name")
        self.names: dict[int, str] = dict(named)


class _Roles:
    """The permissions of a model that people hold, by themselves and by their groups."""

    def __init__(self, model: type[Governed], people: list[int]) -> None:
        users = get_user_model()._default_manager.filter(pk__in=people)
        held = _permissions(model)
        self._model = model
        self.own = _by_key(users.filter(user_permissions__in=held).values_list("pk", "user_permissions__codename"))
        self.groups = _by_key(users.filter(groups__isnull=False).values_list("pk", "groups"))
        in_groups = Group.objects.filter(permissions__in=held)
        self.of_group = _by_key(in_groups.values_list("pk", "permissions__codename"))
        self.names: dict[int, str] = dict(in_groups.values_list("pk", "name"))

    def why(self, person: Person, verb: str) -> list[str]:
        """Return the reasons why a person holds the verb."""
        codename = f"{verb}_{self._model._meta.model_name}"
        reasons = [_("own permission")] if codename in self.own.get(person.pk, ()) else []
        held = [group for group in self.groups.get(person.pk, ()) if codename in self.of_group.get(group, ())]
        return reasons + sorted(_("role %(group)s") % {"group": group_label(self.names[group])} for group in held)

    def lack(self, person: Person, verb: str) -> bool:
        """Return whether a grant of the verb gives the person nothing, for lack of a role."""
        return not person.is_superuser and not (person.is_active and self.why(person, verb))

    def cure(self, roleless: list[Person], outside: list[Person], verbs: Iterable[str]) -> Cure | None:
        """Return what makes a grant of `verbs` take effect for these people, None when there are none."""
        people = {person.pk: person for person in (*roleless, *outside) if person.is_active}
        if not people:
            return None
        needed = {f"{verb}_{self._model._meta.model_name}" for verb in verbs} if roleless else set()
        return Cure(tuple(people.values()), roles_including(needed), staff=bool(outside))


def _candidates(obj: Governed, given: _Grants) -> list[Person]:
    """Return the active people who may do something with `obj`, or could with a role; the owner first."""
    users = get_user_model()
    model = type(obj)
    whole_kind = _permissions(model).filter(codename__endswith=f"_any_{model._meta.model_name}")
    groups = Group.objects.filter(Q(permissions__in=whole_kind) | Q(pk__in=given.to_groups)).values("pk")
    may = Q(is_superuser=True) | Q(pk__in=[obj.owner_id, *given.to_people])
    by_role = Q(pk__in=users._default_manager.filter(user_permissions__in=whole_kind).values("pk"))
    by_group = Q(pk__in=users._default_manager.filter(groups__in=groups).values("pk"))
    found = users._default_manager.filter(may | by_role | by_group, is_active=True)
    first = Case(When(pk=obj.owner_id, then=0), default=1, output_field=IntegerField())
    return list(found.order_by(first, users.USERNAME_FIELD)[:MAX_PEOPLE])


def _build_access(obj: Governed, person: Person, given: _Grants, roles: _Roles) -> Access:
    found = Access(person)
    groups = sorted(roles.groups.get(person.pk, set()) & given.to_groups.keys(), key=given.names.__getitem__)
    for verb in verbs_of(type(obj)):
        codename = _permission(obj, verb)
        reach = [_("owner")] if person.pk == obj.owner_id else []
        reach += [_("shared with this person")] if codename in given.to_people.get(person.pk, ()) else []
        reach += [
            _("shared with group %(group)s") % {"group": group_label(given.names[pk])}
            for pk in groups
            if codename in given.to_groups[pk]
        ]
        reasons = reach if roles.why(person, verb) else []
        reasons = reasons + roles.why(person, f"{verb}_any")
        reasons += [_("superuser")] if person.is_superuser else []
        if reasons:
            found.reasons[verb] = reasons
    return found


def _by_key(pairs: Iterable[tuple[int, Any]]) -> dict[int, set[Any]]:
    found: dict[int, set[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return found


def _permissions(model: type[Governed]) -> QuerySet[Permission]:
    meta = model._meta
    return Permission.objects.filter(content_type__app_label=meta.app_label, content_type__model=meta.model_name)


def _grant_rows(obj: Governed) -> tuple[tuple[int, QuerySet[Any], str], tuple[int, QuerySet[Any], str]]:
    """Return (rank, rows, attribute) of the grants to people and to groups."""
    people = grants_on(get_user_obj_perms_model, type(obj)).filter(content_object=obj)
    groups = grants_on(get_group_obj_perms_model, type(obj)).filter(content_object=obj)
    return (0, people, "user"), (1, groups, "group")


def _check_verbs(obj: Governed, verbs: Iterable[str]) -> list[str]:
    wanted, there = list(dict.fromkeys(verbs)), verbs_of(type(obj))
    if not wanted:
        raise SharingError(_("Select at least one permission."))
    if unknown := [verb for verb in wanted if verb not in there]:
        raise SharingError(
            _("Unknown permission “%(name)s”. Available: %(names)s.")
            % {"name": unknown[0][:50], "names": ", ".join(there)}
        )
    return wanted


def _check_may_share(obj: Governed, by: Person) -> None:
    """Check the permission, and lock the object so that grants on it are serial. Raises NotPermittedError."""
    rows = type(obj)._default_manager.filter(pk=obj.pk).select_for_update(of=("self",), no_key=True)
    if permitted(by, "share", rows).first() is None:
        raise NotPermittedError(_("You need the permission to share %(object)s.") % {"object": obj})


def _record(obj: Governed, verb: str, grantee: Grantee, verbs: list[str], by: Person) -> None:
    kind = "group" if isinstance(grantee, Group) else "user"
    name = _grantee_name(grantee)
    audit.record(by, f"{audit.kind_of(type(obj))}.{verb}", obj, changes={"with": f"{kind} {name}", "verbs": verbs})


def _permission(obj: Governed, verb: str) -> str:
    return f"{verb}_{obj._meta.model_name}"


def _verb(codename: str, model: type[Governed]) -> str:
    return codename.removesuffix(f"_{model._meta.model_name}")


def _named(verbs: list[str]) -> dict[str, str]:
    return {"permissions": ", ".join(verb.replace("_", " ") for verb in verbs)}


def grants_on(grant_model: Any, model: type[Governed]) -> QuerySet[Any]:
    """Return guardian's rows of grants on `model` to users or to groups."""
    grants: QuerySet[Any] = grant_model(model).objects.all()
    return grants
