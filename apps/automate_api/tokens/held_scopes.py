"""The scopes that a token of a person could have any effect with."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.db import models

from automate_api.tokens.scopes import EXTRA_SCOPES, all_scopes
from automate_governance.governed import Governed
from automate_governance.permissions import SITE, Person, can, holds_anywhere


def held_scopes(person: Person) -> list[str]:
    """Scopes of permissions that the person has on at least some objects, and those without a permission."""
    return [scope for scope in all_scopes() if scope in EXTRA_SCOPES or _holds(person, *scope.split(":"))]


def _holds(person: Person, kind: str, verb: str) -> bool:
    model = _models().get(kind)
    if model is None:
        return False
    by_class = model is SITE or verb == "add"
    return can(person, verb, model) if by_class else holds_anywhere(person, verb, model)


@cache
def _models() -> dict[str, type[models.Model]]:
    """Models by the kind of their scopes."""
    governed = {str(model._meta.model_name): model for model in apps.get_models() if issubclass(model, Governed)}
    return {"site": SITE, **governed}
