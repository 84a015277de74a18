"""The permission rule, which every screen, fragment, stream, command and API checks.

A user may do a verb on an object when a role gives the verb for any object of that kind (`publish_any_workflow`), or
gives it within reach (`publish_workflow`) and the object is owned by, or granted for that verb to, the user or one of
the user's groups. Superusers may do all. `can` and `permitted` cost one query each; checks of a class are answered from
the permissions that Django reads once a request.

`narrowed_to` limits a person to the scopes of an API token; every function here then answers for the intersection.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import OuterRef, QuerySet
from django.db.models.expressions import Expression, F, Value
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from automate_governance.governed import Governed
from automate_governance.models import SitePermission
from automate_plugins import text
from automate_plugins.errors import AutomateError

if TYPE_CHECKING:
    from django.contrib.auth.models import User as AuthUser  # the site's user model, whichever it is

SITE = SitePermission
type Person = AuthUser
type User = Person | AnonymousUser


_WORKFLOW = "automate_core.workflow"  # the model whose objects a token may be limited to


class NotPermittedError(AutomateError, status=403):
    """The person may not do that; the message says what is missing."""


@dataclass(slots=True)
class _Narrowing:
    """The permissions that a token leaves to a person. `missing` is the scope that the latest check did not find,
    `refused` the first one for whose lack something was refused.

    `token` is the key of the token, by which it is found again.
    """

    person: Any
    scopes: frozenset[str]
    workflows: frozenset[int] | None
    token: str = ""
    missing: str = ""
    refused: str = ""

    def has(self, scope: str) -> bool:
        self.missing = "" if scope in self.scopes else scope
        return not self.missing

    def has_scope(self, verb: str, model: type[models.Model]) -> bool:
        return self.has(f"{'site' if model is SITE else model._meta.model_name}:{verb}")

    def limits(self, model: type[models.Model]) -> bool:
        """Whether only some objects of a governing model are left."""
        return self.workflows is not None and model._meta.label_lower == _WORKFLOW


_narrowing: ContextVar[_Narrowing | None] = ContextVar("automate_narrowing", default=None)


@contextlib.contextmanager
def narrowed_to(
    person: Person, scopes: Iterable[str], workflow_ids: Iterable[int] | None = None, *, token: str = ""
) -> Iterator[None]:
    """Limit what `person` may do to scopes such as `workflow:run`, and to those workflows, in this block and context.

    It limits superusers as well. Rules about other people, such as a run-as user, stay as they are.
    `token` is the key of the token: what a worker does later is limited by it, too (`people.token_limits`).
    """
    limited = None if workflow_ids is None else frozenset(workflow_ids)
    before = _narrowing.set(_Narrowing(person.pk, frozenset(scopes), limited, token))
    try:
        yield
    finally:
        _narrowing.reset(before)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The scopes that a person is limited to, their workflows or None for all, and the key of the token."""

    scopes: frozenset[str]
    workflows: frozenset[int] | None
    token: str


def current_limits(user: User) -> Limits | None:
    """Return what `user` is limited to at the moment, or None."""
    found = _narrowing_of(user)
    return Limits(scopes=found.scopes, workflows=found.workflows, token=found.token) if found else None


def narrowed_person() -> Any:
    """Return the primary key of the person whose permissions are limited at the moment, or None."""
    narrowing = _narrowing.get()
    return narrowing.person if narrowing else None


def is_narrowed(user: User) -> bool:
    """Return whether `user` is limited at the moment. For rules that would look at `is_superuser`."""
    return _narrowing_of(user) is not None


def narrowed_workflows(user: User) -> frozenset[int] | None:
    """Return the ids of the workflows that `user` is limited to, or None."""
    narrowing = _narrowing_of(user)
    return narrowing.workflows if narrowing else None


def missing_scope() -> str:
    """Return the scope that the latest check in this block of `narrowed_to` did not find among its scopes, or ""."""
    narrowing = _narrowing.get()
    return narrowing.missing if narrowing else ""


def scope_refusal(scope: str, name: str) -> str:
    """Return why what is called `name` cannot be used, when the token of this request lacks `scope`; else nothing.

    For reasons that would blame the person, or send them to somebody who could not help.
    """
    narrowing = _narrowing.get()
    if narrowing is None or scope in narrowing.scopes:
        return ""
    narrowing.refused = narrowing.refused or scope
    return text("%(name)s: the token needs the scope %(scope)s.", name=name, scope=scope)


def refused_scope() -> str:
    """Return the first scope that `scope_refusal` named in this block of `narrowed_to`, or ""."""
    narrowing = _narrowing.get()
    return narrowing.refused if narrowing else ""


def scope_message(scope: str) -> str:
    """Return the sentence that names a scope that a token lacks."""
    return text("The token needs the scope %(scope)s.", scope=scope)


def has_scope(user: User, scope: str) -> bool:
    """Return whether `user` is not limited, or limited to scopes with this one. For what no permission covers."""
    narrowing = _narrowing_of(user)
    return narrowing is None or narrowing.has(scope)


def _narrowing_of(user: User) -> _Narrowing | None:
    narrowing = _narrowing.get()
    return narrowing if narrowing is not None and narrowing.person == user.pk else None


def can(user: User, verb: str, obj: models.Model | type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on `obj`. For `add`, and for verbs on `SITE`, `obj` is the model class."""
    narrowing = _narrowing_of(user)
    if isinstance(obj, type):
        if narrowing is not None and (not narrowing.has_scope(verb, obj) or narrowing.limits(obj)):
            return False
        return user.has_perm(f"{obj._meta.app_label}.{_codename(verb, obj)}")
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    if user.is_superuser and narrowing is None:
        return True
    return permitted(user, verb, type(obj)._default_manager.filter(pk=obj.pk)).exists()


def permitted[M: models.Model](user: User, verb: str, queryset: QuerySet[M]) -> QuerySet[M]:
    """Return the objects of `queryset` on which `user` may do `verb`: the rule as a filter, without another query."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return queryset.none()
    if (narrowing := _narrowing_of(user)) is not None:
        path, governing = _governing(queryset.model)
        if not narrowing.has_scope(verb, governing):
            return queryset.none()
        if narrowing.limits(governing):
            queryset = queryset.filter(**{f"{path or 'pk'}__in": narrowing.workflows})
    if user.is_superuser:
        return queryset
    return queryset.filter(_is_permitted(queryset.model, verb, user.pk))


def permitted_to_outer[M: models.Model](person: str, verb: str, subquery: QuerySet[M]) -> QuerySet[M]:
    """Apply the rule to a subquery, for the user at the path `person` of the outer query.

    The outer query checks whether that user is active or a superuser.
    """
    return subquery.filter(_is_permitted(subquery.model, verb, OuterRef(person)))


def _is_permitted(model: type[models.Model], verb: str, user: Any) -> _IsPermitted:
    path, governing = _governing(model)
    any_codename, codename = _codename(f"{verb}_any", governing), _codename(verb, governing)
    return _IsPermitted(governing, path, any_codename=any_codename, codename=codename, user=user)


def holds_anywhere(user: User, verb: str, model: type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on some objects of `model`. For menus, never for an object."""
    _, governing = _governing(model)
    narrowing = _narrowing_of(user)
    if narrowing is not None and not narrowing.has_scope(verb, governing):
        return False
    label = governing._meta.app_label
    return user.has_perm(f"{label}.{_codename(verb, governing)}") or user.has_perm(
        f"{label}.{_codename(f'{verb}_any', governing)}"
    )


def holds_for_any(user: User, verb: str, model: type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on every object of `model`, including those of other owners."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    _, governing = _governing(model)
    narrowing = _narrowing_of(user)
    if narrowing is not None and (not narrowing.has_scope(verb, governing) or narrowing.limits(governing)):
        return False
    return user.is_superuser or user.has_perm(f"{governing._meta.app_label}.{_codename(f'{verb}_any', governing)}")


def _codename(verb: str, model: type[models.Model]) -> str:
    return f"{verb}_{'site' if model is SITE else model._meta.model_name}"


@cache
def _governing(model: type[models.Model]) -> tuple[str, type[models.Model]]:
    """Return the path from `model` to its governing model, and that model: runs inherit from their workflow."""
    path: str = getattr(model, "governed_by", "")
    governing: Any = model
    for name in path.split("__") if path else ():
        governing = governing._meta.get_field(name).related_model
    if not issubclass(governing, Governed):
        raise TypeError(f"{model._meta.label} has neither an owner nor a `governed_by`")
    return path, governing


# The rule as one condition in SQL. Put together from querysets, each use would take 3 ms to build and to compile, more
# than most views need for everything else. Users and groups are separate subqueries, so that neither reads all members
# of a group.
_HOLDS = """(EXISTS (SELECT 1 FROM {permissions} AS rule_permission
        JOIN {types} AS rule_type ON rule_type.id = rule_permission.content_type_id
        JOIN {held_by_users} AS rule_held ON rule_held.{held_by_user} = rule_permission.id
        WHERE rule_permission.codename = <CODENAME> AND rule_type.app_label = <app> AND rule_type.model = <model>
        AND rule_held.{holding_user} = <user>)
    OR EXISTS (SELECT 1 FROM {permissions} AS rule_permission
        JOIN {types} AS rule_type ON rule_type.id = rule_permission.content_type_id
        JOIN {held_by_groups} AS rule_held ON rule_held.{held_by_group} = rule_permission.id
        JOIN {members} AS rule_member ON rule_member.{member_of} = rule_held.{holding_group}
        WHERE rule_permission.codename = <CODENAME> AND rule_type.app_label = <app> AND rule_type.model = <model>
        AND rule_member.{member} = <user>))"""
_REACHES = """(<owner> = <user>
    OR EXISTS (SELECT 1 FROM {user_grants} AS rule_grant
        JOIN {permissions} AS rule_permission ON rule_permission.id = rule_grant.permission_id
        WHERE rule_grant.content_object_id = <pk> AND rule_permission.codename = <codename>
        AND rule_grant.user_id = <user>)
    OR EXISTS (SELECT 1 FROM {group_grants} AS rule_grant
        JOIN {members} AS rule_member ON rule_member.{member_of} = rule_grant.group_id
        JOIN {permissions} AS rule_permission ON rule_permission.id = rule_grant.permission_id
        WHERE rule_grant.content_object_id = <pk> AND rule_permission.codename = <codename>
        AND rule_member.{member} = <user>))"""
_RULE = f"({_HOLDS.replace('CODENAME', 'any_codename')} OR ({_HOLDS.replace('CODENAME', 'codename')} AND {_REACHES}))"
_PLACES = re.compile(r"<(\w+)>")


class _IsPermitted(Expression):
    """Whether a user holds `any_codename`, or holds `codename` and reaches the object, as its owner or by a grant.

    `path` leads from the model of the query to `model`, the governing one; it is "" where they are the same. `user` is
    a primary key, or an OuterRef to one. The condition does not ask whether the user is active or a superuser.
    """

    conditional = True

    def __init__(self, model: type[models.Model], path: str, *, any_codename: str, codename: str, user: Any) -> None:
        super().__init__(output_field=models.BooleanField())
        prefix = f"{path}__" if path else ""
        key = user if isinstance(user, OuterRef) else Value(user, output_field=get_user_model()._meta.pk)
        self._sources: dict[str, Any] = {"user": key, "owner": F(f"{prefix}owner"), "pk": F(f"{prefix}pk")}
        self._names = {"any_codename": any_codename, "codename": codename}
        self._names |= {"app": model._meta.app_label, "model": str(model._meta.model_name)}
        self._parts = _split_rule(model)

    def get_source_expressions(self) -> list[Any]:
        """The user, and the owner and primary key of the object."""
        return list(self._sources.values())

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        """Replace them, by resolved ones for example."""
        self._sources = dict(zip(self._sources, exprs, strict=True))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The rule with its values in their places."""
        values = {name: compiler.compile(each) for name, each in self._sources.items()}
        values |= {name: ("%s", (each,)) for name, each in self._names.items()}
        texts, names = self._parts
        sql, params = [texts[0]], list[Any]()
        for name, part in zip(names, texts[1:], strict=True):
            place, own = values[name]
            sql += [place, part]
            params += own
        return "".join(sql), tuple(params)


@cache
def _split_rule(model: Any) -> tuple[list[str], list[str]]:
    """The texts between the places of the rule for objects of `model`, and the names of these places."""
    user: Any = get_user_model()
    of_users, groups = user._meta.get_field("user_permissions"), user._meta.get_field("groups")
    of_groups: Any = Group._meta.get_field("permissions")
    names = {
        "permissions": Permission._meta.db_table,
        "types": ContentType._meta.db_table,
        "held_by_users": of_users.m2m_db_table(),
        "held_by_user": of_users.m2m_reverse_name(),
        "holding_user": of_users.m2m_column_name(),
        "held_by_groups": of_groups.m2m_db_table(),
        "held_by_group": of_groups.m2m_reverse_name(),
        "holding_group": of_groups.m2m_column_name(),
        "members": groups.m2m_db_table(),
        "member": groups.m2m_column_name(),
        "member_of": groups.m2m_reverse_name(),
        "user_grants": get_user_obj_perms_model(model)._meta.db_table,
        "group_grants": get_group_obj_perms_model(model)._meta.db_table,
    }
    quote = connection.ops.quote_name  # a site's own user model may have any names
    parts = _PLACES.split(_RULE.format(**{name: quote(each) for name, each in names.items()}))
    return parts[::2], parts[1::2]
