"""Triggers on a workflow's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from automate_core.definition.document import (
    Definition,
    FormTrigger,
    ModelTrigger,
    PollTrigger,
    ScheduleTrigger,
    ServiceTrigger,
    Trigger,
    WebhookTrigger,
)
from automate_core.models import PollState, ServiceWebhook, WebhookEndpoint, Workflow
from automate_core.triggers import forms, schedules
from automate_core.triggers.model_registry import watched_models
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.permissions import User, permitted
from automate_studio.view_models.connector_status import TriggerStatus, poll_status, webhook_status
from automate_studio.view_models.step_card import trigger_icon
from automate_ui.describe import describe_trigger
from automate_ui.formatting import format_dated


@dataclass(frozen=True, kw_only=True)
class TriggerRow:
    """A trigger with its URL; `unsigned` is a warning. `status` is that of a published poll or webhook.

    `link` is a URL that people open: of a hosted form.
    """

    text: str
    url: str
    scheme: str = ""
    unsigned: bool = False
    status: TriggerStatus | None = None
    is_off: bool = False
    icon: str = "bolt"
    link: str = ""


def trigger_rows(definition: Definition, workflow: Workflow, user: User) -> list[TriggerRow]:
    """Triggers of a workflow; of an endpoint that `user` may not view, only its name."""
    states = {**_polls(definition, workflow), **_services(definition, workflow)}
    listened = [part.endpoint for part in definition.triggers if isinstance(part, WebhookTrigger)]
    endpoints_seen = permitted(user, "view", WebhookEndpoint.objects.filter(slug__in=listened))
    known = {endpoint.slug: endpoint for endpoint in endpoints_seen}
    rows = [_trigger_row(part, known, definition.timezone) for part in definition.triggers]
    return [
        replace(row, status=states.get(part.key), is_off=part.disabled, icon=trigger_icon(part))
        for part, row in zip(definition.triggers, rows, strict=True)
    ]


def _polls(definition: Definition, workflow: Workflow) -> dict[str, TriggerStatus]:
    """The states of its published polls, by key. One query where it has polls."""
    if not any(isinstance(part, PollTrigger) for part in definition.triggers):
        return {}
    states = PollState.objects.filter(workflow=workflow).defer("cursor", "seen", "inputs")
    return {state.key: poll_status(state, workflow.status) for state in states}


def _services(definition: Definition, workflow: Workflow) -> dict[str, TriggerStatus]:
    """The states of its published webhooks at services, by key. One query where it has such triggers."""
    if not any(isinstance(part, ServiceTrigger) for part in definition.triggers):
        return {}
    webhooks = ServiceWebhook.objects.filter(workflow=workflow).exclude(state=ServiceWebhook.State.REMOVING)
    return {webhook.key: webhook_status(webhook) for webhook in webhooks}


def _trigger_row(part: Trigger, known: Mapping[str, WebhookEndpoint], timezone: str) -> TriggerRow:
    kind, which = describe_trigger(part)
    match part:
        case WebhookTrigger() if part.endpoint in known:
            endpoint = known[part.endpoint]
            return TriggerRow(
                text=part.event or _("Any event"),
                url=endpoints.endpoint_url(endpoint),
                scheme=SCHEMES[endpoint.scheme].name,
                unsigned=endpoint.scheme == "unsigned",
            )
        case WebhookTrigger():
            return TriggerRow(
                text=part.event or _("Any event"), url=_("Webhook %(endpoint)s") % {"endpoint": part.endpoint}
            )
        case ScheduleTrigger():
            fires = [format_dated(moment) for moment in schedules.next_fire_times(part, timezone, n=3)]
            return TriggerRow(
                text=_("Schedule: %(schedule)s") % {"schedule": which},
                url=_("Next: %(times)s") % {"times": ", ".join(fires)},
                scheme=part.timezone or timezone,
            )
        case FormTrigger() if part.access != "link":
            url = forms.form_url(part.slug)
            return TriggerRow(text=kind, url=url or which, link=url)
        case ModelTrigger():
            modes = [entry.mode for entry in watched_models() if entry.label == part.model.lower()]
            return TriggerRow(text=kind, url=which, scheme=_watched_by(modes))
    return TriggerRow(text=kind, url=which)


def _watched_by(modes: list[str]) -> str:
    if not modes:
        return _("Not watched")
    return _("Watched by a database trigger") if modes == ["database"] else _("Watched by Django signals")
