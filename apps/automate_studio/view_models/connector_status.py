"""State of a published poll or service webhook in words: its last and next time, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.models import PollState, ServiceWebhook, Workflow
from automate_governance.texts import translated
from automate_ui.formatting import as_sentence, format_count


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
    elif state.limited_at is not None and not state.failures:
        note = limit_note()
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
    is_registered = webhook.state == ServiceWebhook.State.REGISTERED
    return TriggerStatus(
        registered_at=webhook.registered_at if is_registered else None,
        expires_at=webhook.expires_at if is_registered else None,
        next_at=webhook.next_at if webhook.failures and webhook.lease_until is None else None,
        trouble=_trouble(webhook),
        note=_webhook_note(webhook),
    )


def _webhook_note(webhook: ServiceWebhook) -> str:
    if webhook.failures:
        return ""
    match webhook.state:
        case ServiceWebhook.State.REGISTERING:
            return _("The webhook is being registered at the service.")
        case ServiceWebhook.State.REMOVING:
            return _("The webhook is being removed at the service.")
    return limit_note() if webhook.limited_at is not None else ""


def limit_note() -> str:
    """What is said of a poll or webhook whose service always has more."""
    return _(
        "The service always has more items. They are read with pauses in between, so that they do not fill the"
        " database. Narrow down the trigger, or ask an administrator to raise AUTOMATE_POLL_RATE."
    )


def _trouble(state: PollState | ServiceWebhook) -> str:
    if not state.failures:
        return ""
    said = ngettext("%(count)s failure: %(reason)s", "%(count)s failures in a row: %(reason)s", state.failures)
    reason = as_sentence(translated(state.reason))
    return said % {"count": format_count(state.failures), "reason": reason}
