"""State of a published poll in words: its last and next time, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.models import PollState, Workflow
from automate_governance.texts import translated
from automate_studio.ui.formatting import as_sentence, format_count


@dataclass(frozen=True, kw_only=True)
class PollStatus:
    """A poll as it stands. `trouble` is empty while all is well; `next_at` is None while it is not asked."""

    last_at: dt.datetime | None
    found_at: dt.datetime | None
    next_at: dt.datetime | None
    trouble: str = ""
    note: str = ""


def poll_status(state: PollState, workflow_status: str) -> PollStatus:
    """The status of a poll of a workflow in that state."""
    is_active = workflow_status == Workflow.Status.ACTIVE
    note = ""
    if workflow_status == Workflow.Status.PAUSED:
        note = _("The workflow is paused. It is asked again when you resume it.")
    elif state.lease_until is not None:
        note = _("It is being asked now.")
    elif not state.has_baseline and not state.failures:
        note = _("The first call starts nothing: it notes what is there already.")
    return PollStatus(
        last_at=state.polled_at,
        found_at=state.found_at,
        next_at=state.next_at if is_active and state.lease_until is None else None,
        trouble=_trouble(state),
        note=note,
    )


def _trouble(state: PollState) -> str:
    if not state.failures:
        return ""
    said = ngettext("%(count)s failure: %(reason)s", "%(count)s failures in a row: %(reason)s", state.failures)
    reason = as_sentence(translated(state.reason))
    return said % {"count": format_count(state.failures), "reason": reason}
