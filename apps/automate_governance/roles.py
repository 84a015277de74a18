"""The groups that every site starts with. Each app declares its permissions, and `migrate` grants them.

Their stored names are English; `labels.group_label` translates them for screens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, Q, QuerySet
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from automate_governance.people import origin
from automate_plugins import text

VIEWERS = text("Viewers")
BUILDERS = text("Builders")
OPERATORS = text("Operators")
CONNECTION_ADMINS = text("Connection admins")
AUDITORS = text("Auditors")

#: Descriptions of the roles.
DESCRIPTIONS = {
    VIEWERS: _("Take part: view what is shared with them, and run or operate it where it is shared so; create nothing"),
    BUILDERS: _("Build: create, change, test, run, publish and share own workflows, connections and webhooks"),
    OPERATORS: _("Operate: view all workflows and runs; run, re-run, cancel and pause; delegate tasks; manage workers"),
    CONNECTION_ADMINS: _("Administer connections: view, use, change and share all connections and secrets"),
    AUDITORS: _("Audit: view the audit trail and all workflows, webhooks and connections, without changing them"),
}

_shares: dict[str, Mapping[str, tuple[str, ...]]] = {}


def is_migrated(state: Apps | None, *labels: str) -> bool:
    """Return whether the tables of those apps match their models after a `migrate` that gave `state`.

    A handler of `post_migrate` gets that state as `apps`. A partial or backward migration does not match.
    """
    if state is None:
        return True
    models = [model for label in labels for model in apps.get_app_config(label).get_models()]
    return all(_columns(model) == _columns(_of_state(state, model)) for model in models)


def _of_state(state: Apps, model: type[Model]) -> type[Model] | None:
    try:
        return state.get_model(model._meta.label_lower)
    except LookupError:
        return None


def _columns(model: type[Model] | None) -> set[str | None]:
    return {field.column for field in model._meta.local_concrete_fields} if model else set()


def declare(app: AppConfig, shares: Mapping[str, tuple[str, ...]]) -> None:
    """Say which permissions of `app`, by codename, belong to each role; `migrate` grants them."""
    _shares[app.label] = shares
    post_migrate.connect(_seed_after_migrate, sender=app)


def _seed_after_migrate(sender: AppConfig, apps: Apps | None = None, **kwargs: Any) -> None:
    seed(sender, apps)


def permissions_of(role: str) -> QuerySet[Permission]:
    """Return the permissions that make up a role."""
    wanted = Q(pk__in=())
    for label, shares in _shares.items():
        wanted |= Q(content_type__app_label=label, codename__in=shares.get(role, ()))
    return Permission.objects.filter(wanted)


def seed(app: AppConfig, state: Apps | None) -> None:
    """Grant each role its declared permissions of `app`, after a `migrate` that gave `state`.

    Only where the role has none of that app yet: permissions that an administrator revoked stay revoked.
    """
    if not is_migrated(state, "auth", "contenttypes", app.label):
        return
    create_permissions(app, verbosity=0)
    with origin.unrecorded():
        for role, codenames in _shares[app.label].items():
            group = Group.objects.get_or_create(name=role)[0]
            if not group.permissions.filter(content_type__app_label=app.label).exists():
                shared = Permission.objects.filter(content_type__app_label=app.label, codename__in=codenames)
                group.permissions.add(*shared)


def codenames(model: str, *names: str, scope: str = "") -> tuple[str, ...]:
    """Return the codenames of those verbs on `model`; with scope "any", for every object of the kind."""
    return tuple(f"{name}{f'_{scope}' if scope else ''}_{model}" for name in names)
