"""The base of models under the permission rule: an owner, and permissions named by verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


class Governed(models.Model):
    """A model with an owner, which can be shared; `permissions.can` checks verbs on it.

    A model that belongs to a governed one names the path of its relation there in `governed_by`.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


def verbs(model: str, *names: str) -> list[tuple[str, str | StrPromise]]:
    """Return `Meta.permissions` of `model`: verbs within reach (`use_connection`) and for any (`use_any_connection`).

    `add` has no "any" form.
    """
    return [
        (f"{name}{scope}_{model}", f"Can {name.replace('_', ' ')} {'any ' if scope else ''}{model}")
        for scope in ("", "_any")
        for name in names
        if (name, scope) != ("add", "_any")
    ]
