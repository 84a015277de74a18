"""Deletion of people: what happens to rows that name them."""

from __future__ import annotations

from typing import Any

from django.db.models import CASCADE, ForeignKey, ProtectedError, Q
from django.utils.translation import gettext as _

from automate_core.states import FINAL_RUN_STATES, WaitStatus


def protect_open_approvals(collector: Any, field: ForeignKey[Any, Any], found: Any, using: str) -> None:
    """Refuse to delete a person whom an open approval waits for; what they were asked before goes with them."""
    is_open = Q(wait__status=WaitStatus.OPEN, excluded=False) & ~Q(wait__run__status__in=FINAL_RUN_STATES)
    keys = [each.pk for each in found]
    waiting = set(field.model._default_manager.using(using).filter(is_open, pk__in=keys).select_related("user"))
    if waiting:
        raise ProtectedError(_("Open approvals wait for this person. Hand them over first."), waiting)
    CASCADE(collector, field, found, using)
