"""The groups every site starts with. Each app hands in its own share when it is migrated."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import AppConfig
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

BUILDERS = "Builders"
OPERATORS = "Operators"
CONNECTION_ADMINS = "Connection admins"
AUDITORS = "Auditors"


def seed(app: AppConfig, shares: Mapping[str, tuple[str, ...]]) -> None:
    """Give each role its permissions of `app`, by codename.

    Only where the role has none of that app yet: what an administrator took away stays away.
    """
    create_permissions(app, verbosity=0)
    for role, codenames in shares.items():
        group, _ = Group.objects.get_or_create(name=role)
        if not group.permissions.filter(content_type__app_label=app.label).exists():
            group.permissions.add(*Permission.objects.filter(content_type__app_label=app.label, codename__in=codenames))


def share(model: str, *names: str, scope: str = "") -> tuple[str, ...]:
    """Codenames of those verbs on `model`; with scope "any", for every object of the kind."""
    return tuple(f"{name}{f'_{scope}' if scope else ''}_{model}" for name in names)
