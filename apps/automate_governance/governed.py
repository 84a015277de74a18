"""What the permission rule needs of a model: an owner, and permissions named by verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


class Governed(models.Model):
    """Something that has an owner and can be shared; `permissions.can` asks about it by verb.

    A model that belongs to a governed one says so with `governed_by`, the path of its relation there.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


def verbs(model: str, *names: str) -> list[tuple[str, str | StrPromise]]:
    """`Meta.permissions` of `model` for those verbs: within reach (`use_connection`) and any (`use_any_connection`).

    `add` has no "any" form: there is nothing yet to reach.
    """
    return [
        (f"{name}{scope}_{model}", f"Can {name.replace('_', ' ')} {'any ' if scope else ''}{model}")
        for scope in ("", "_any")
        for name in names
        if (name, scope) != ("add", "_any")
    ]
