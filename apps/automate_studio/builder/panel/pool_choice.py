"""The choice of an executor pool in a panel: left out where the site declares none and none is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from automate_core.engine.effects.executor_pools import declared_pool_names
from automate_plugins.fields import FieldSpec

FIELD = "runs_on"


def with_pool_choice(specs: Iterable[FieldSpec], present: Any) -> tuple[FieldSpec, ...]:
    """The fields, with the declared pools as choices of `runs_on`. `present` is its current value."""
    names = declared_pool_names()
    found = []
    for spec in specs:
        if spec.name != FIELD:
            found.append(spec)
        elif names or present:
            choices = (*spec.choices, *((name, name) for name in names))
            found.append(replace(spec, choices=choices))
    return tuple(found)
