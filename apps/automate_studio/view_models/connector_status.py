"""State of a published poll or service webhook in words: its last and next time, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.models import PollState, ServiceWebhook, Workflow
from automate_governance.texts import translated
from automate_studio.ui.formatting import as_sentence, format_count


@dataclass(frozen=True, kw_only=True)
class TriggerStatus:
    """A poll or a service webhook as it stands. `trouble` is empty while all is well, `note` says more.

    The times are those of a poll; `next_at` is None while it is not asked. `expires_at` is the end of a webhook.
    """

    last_at: dt.datetime | None = None
    found_at: dt.datetime | None = None
    next_at: dt.datetime | None = None
    registered_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    trouble: str = ""
    note: str = ""
    is_poll: bool = False


def poll_status(state: PollState, workflow_status: str) -> TriggerStatus:
    """The status of a poll of a workflow in that state."""
    is_active = workflow_status == Workflow.Status.ACTIVE
    note = ""
    if workflow_status == Workflow.Status.PAUSED:
        note = _("The workflow is paused. Polling continues when you resume it.")
    elif state.lease_until is not None:
        note = _("A poll is in progress.")
    elif not state.has_baseline and not state.failures:
        note = _("The first poll records the existing items and starts nothing.")
    return TriggerStatus(
        last_at=state.polled_at,
        found_at=state.found_at,
        next_at=state.next_at if is_active and state.lease_until is None else None,
        trouble=_trouble(state),
        note=note,
        is_poll=True,
    )


def webhook_status(webhook: ServiceWebhook) -> TriggerStatus:
    """The status of a webhook at a service. One in trouble may still be registered."""
    notes = {
        ServiceWebhook.State.REGISTERING: _("The webhook is being registered at the service."),
        ServiceWebhook.State.REMOVING: _("The webhook is being removed at the service."),
    }
    is_registered = webhook.state == ServiceWebhook.State.REGISTERED
    return TriggerStatus(
        registered_at=webhook.registered_at if is_registered else None,
        expires_at=webhook.expires_at if is_registered else None,
        next_at=webhook.next_at if webhook.failures and webhook.lease_until is None else None,
        trouble=_trouble(webhook),
        note="" if is_registered or webhook.failures else notes[ServiceWebhook.State(webhook.state)],
    )


def _trouble(state: PollState | ServiceWebhook) -> str:
    if not state.failures:
        return ""
    said = ngettext("%(count)s failure: %(reason)s", "%(count)s failures in a row: %(reason)s", state.failures)
    reason = as_sentence(translated(state.reason))
    return said % {"count": format_count(state.failures), "reason": reason}
