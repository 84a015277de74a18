"""The people of an approval, and the permission to call a workflow: looked up when the run gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.models import Group

from automate_connectors.adapters.base import ConnectorError
from automate_core.models import Workflow, WorkflowVersion
from automate_governance.people.names import people_named, sign_in_name
from automate_governance.permissions import Person, permitted
from automate_plugins import ntext, text

MAX_NAMES = 100


def find_assignees(asks: dict[str, Any], note: Callable[[str], None] = lambda message: None) -> dict[str, list[Any]]:
    """The keys of the users in `assignees`, the groups in `groups`, and the users in `excluded`.

    Excluded users are not asked, and need not exist. An empty name is ignored, so that an expression may leave one out.
    Missing ones are left out, and `note` is called with a sentence about them. When nobody who is active is left, the
    others keep their place: the approval waits until they are active again, or someone else is assigned. Raises
    ConnectorError when there is not even one of them.
    """
    names, named_groups, excluded = (_names(asks[key]) for key in ("assignees", "groups", "excluded"))
    accounts, found_groups = find_accounts([*names, *excluded]), find_groups(named_groups)
    active = [name for name in names if name in accounts and accounts[name].is_active]
    missing = [name for name in names if name not in active]
    if missing:
        note(
            ntext(
                "The approver %(names)s is not an active user. Choose another approver.",
                "The approvers %(names)s are not active users. Choose other approvers.",
                len(missing),
                names=", ".join(map(repr, missing)),
            )
        )
    missing_groups = [name for name in named_groups if name not in found_groups]
    if missing_groups:
        note(
            ntext(
                "The group %(names)s does not exist. Change the groups of the approval.",
                "The groups %(names)s do not exist. Change the groups of the approval.",
                len(missing_groups),
                names=", ".join(map(repr, missing_groups)),
            )
        )
    asked = [name for name in active if name not in excluded]
    if not asked and not found_groups:
        asked = [name for name in names if name in accounts and name not in excluded]
        if not asked:
            raise _nobody_to_ask(active, [*missing, *missing_groups])
        note(text("No approver is active. The approval waits until one is, or until an operator reassigns it."))
    return {
        "users": [accounts[name].pk for name in asked],
        "groups": list(found_groups.values()),
        "excluded": [accounts[name].pk for name in excluded if name in accounts],
    }


def _nobody_to_ask(active: list[str], missing: list[str]) -> ConnectorError:
    if active:
        message = text("All approvers are excluded from the decision. Add an approver who may decide.")
    elif missing:
        message = text(
            "None of the approvers is an active user or an existing group: %(names)s.",
            names=", ".join(map(repr, missing)),
        )
    else:
        message = text("The approval has no approvers. Choose people or groups.")
    return ConnectorError(message, code="nobody_to_ask")


def find_accounts(names: Iterable[str]) -> dict[str, Any]:
    """The users with these names by name, active or not. One query."""
    return {sign_in_name(user): user for user in people_named(*names)}


def find_users(names: Iterable[str]) -> dict[str, Any]:
    """The keys of the active users with these names, by name. One query."""
    return {name: user.pk for name, user in find_accounts(names).items() if user.is_active}


def find_groups(names: Iterable[str]) -> dict[str, int]:
    """The keys of the groups with these names, by name. One query."""
    return dict(Group.objects.filter(name__in=names).values_list("name", "pk"))


def load_run_as(version_id: int) -> Person:
    """The user whom the runs of a version act as."""
    return WorkflowVersion.snapshots.select_related("run_as").only("run_as").get(pk=version_id).run_as


def check_may_call(person: Person, slug: str) -> None:
    """Raises ConnectorError when the run-as user may no longer run the workflow `slug`; a missing one passes."""
    called = Workflow.objects.filter(slug=slug)
    if called.exists() and not permitted(person, "run", called).exists():
        raise ConnectorError(
            text(
                "%(person)s does not have permission to run the workflow %(workflow)s.",
                person=sign_in_name(person),
                workflow=slug,
            ),
            code="not_permitted",
        )


def _names(values: Any) -> list[str]:
    """The names in a list, which may contain lists of names; empty ones are left out."""
    flat: list[str] = []
    for value in values:
        flat += [str(inner) for inner in (value if isinstance(value, list) else [value]) if inner not in (None, "")]
    if len(flat) > MAX_NAMES:
        raise ConnectorError(
            text(
                "An approval can name at most %(maximum)s users or groups, not %(count)s.",
                maximum=MAX_NAMES,
                count=len(flat),
            ),
            code="too_many_people",
        )
    return list(dict.fromkeys(flat))
