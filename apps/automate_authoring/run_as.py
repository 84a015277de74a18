"""The user that a workflow runs as: one rule for the builder, publishing and tests, by screens, tokens and agents.

Runs have the permissions of that user, so people choose themselves. A token chooses no more than its owner could.
"""

from __future__ import annotations

from typing import Any

from automate_governance.people import names
from automate_governance.permissions import Person
from automate_plugins import text

REASON = text("A workflow can only run as you, unless a superuser chooses another user.")


def may_choose(person: Person, user_id: Any) -> bool:
    """Whether `person` may make a workflow run as the user with that primary key, and start what runs as them."""
    return user_id == person.pk or person.is_superuser


def find_choosable(person: Person, name: str) -> Person | None:
    """The active user of that name whom `person` may choose; None for any other, which does not say who there is."""
    found: Person | None = names.active_people([name]).first()
    return found if found is not None and may_choose(person, found.pk) else None
