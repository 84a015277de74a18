"""What people and groups reach beyond their roles: objects that they own, or that were shared with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from django.contrib.auth import get_user_model
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from automate_governance.governed import Governed
from automate_governance.permissions import Person, permitted
from automate_governance.sharing import grants_on, verbs_of


def people_beyond(by: Person, people: Collection[Any]) -> set[Any]:
    """Primary keys of those of the people who reach an object, in a way in which `by` may not use it."""
    memberships = get_user_model()._default_manager.filter(pk__in=people, groups__isnull=False)
    groups = defaultdict(set)
    for person, group in memberships.values_list("pk", "groups"):
        groups[group].add(person)
    found = {member for group in groups_beyond(by, groups) for member in groups[group]}
    for model in _governed():
        granted = grants_on(get_user_obj_perms_model, model).filter(user__in=people)
        reached = _by_verb(model, granted.values_list("user", "permission__codename", "content_object"))
        for owner, key in model._default_manager.filter(owner__in=people).values_list("owner", "pk"):
            for verb in verbs_of(model):
                reached[verb].add((owner, key))
        found |= _beyond(by, model, reached)
    return found


def groups_beyond(by: Person, groups: Collection[int]) -> set[int]:
    """Primary keys of those of the groups with which an object is shared, in a way in which `by` may not use it."""
    found: set[int] = set()
    for model in _governed():
        granted = grants_on(get_group_obj_perms_model, model).filter(group__in=list(groups))
        found |= _beyond(
            by, model, _by_verb(model, granted.values_list("group", "permission__codename", "content_object"))
        )
    return found


def _governed() -> Iterator[type[Governed]]:
    yield from (model for model in Governed.__subclasses__() if not model._meta.abstract)


def _by_verb(model: type[Governed], rows: Any) -> defaultdict[str, set[tuple[Any, Any]]]:
    """(who, object) by verb."""
    found: defaultdict[str, set[tuple[Any, Any]]] = defaultdict(set)
    for who, codename, key in rows:
        found[codename.removesuffix(f"_{model._meta.model_name}")].add((who, key))
    return found


def _beyond(by: Person, model: type[Governed], reached: dict[str, set[tuple[Any, Any]]]) -> set[Any]:
    found: set[Any] = set()
    for verb, pairs in reached.items():
        rows = model._default_manager.filter(pk__in={key for _, key in pairs})
        allowed = set(permitted(by, verb, rows).values_list("pk", flat=True))
        found |= {who for who, key in pairs if key not in allowed}
    return found
