"""What a published version listens to."""

from __future__ import annotations

from typing import Any

import msgspec

from automate_core.definition.document import Definition, Trigger
from automate_core.models import ActiveTrigger, Workflow, WorkflowVersion
from automate_core.triggers import forms, mail, polling, schedules
from automate_core.triggers.manual import AGENTS, agent_trigger
from automate_core.webhooks.registration.activation import activate_webhooks


def activate_version(workflow: Workflow, version: WorkflowVersion, definition: Definition) -> None:
    """Rebuild the workflow's part of the match index. People and other workflows may always start it."""
    workflow.active_triggers.all().delete()
    for trigger in definition.enabled_triggers:
        source, kind = trigger.matches
        columns = trigger_columns(trigger)
        ActiveTrigger.objects.create(
            workflow=workflow,
            version=version,
            source=source or f"{columns['kind']}:{workflow.slug}",
            event_type=kind,
            priority=definition.priority,
            **columns,
        )
    _activate_agent_tool(workflow, version, definition)
    for kind in ("call", "manual"):
        source = f"{kind}:{workflow.slug}"
        if not workflow.active_triggers.filter(source=source).exists():
            ActiveTrigger.objects.create(
                workflow=workflow, version=version, key=kind, kind=kind, source=source, priority=definition.priority
            )
    schedules.activate_schedules(workflow, definition)
    polling.activate_polls(workflow, definition)
    activate_webhooks(workflow, definition)
    forms.activate_forms(workflow, definition)
    mail.activate_addresses(workflow, definition)


def _activate_agent_tool(workflow: Workflow, version: WorkflowVersion, definition: Definition) -> None:
    """Let agents start it by its first manual trigger, if it is available to them."""
    trigger = agent_trigger(definition)
    if trigger is not None:
        ActiveTrigger.objects.create(
            workflow=workflow,
            version=version,
            source=f"{AGENTS}:{workflow.slug}",
            event_type=trigger.key,
            priority=definition.priority,
            **trigger_columns(trigger),
        )


def trigger_columns(trigger: Trigger) -> dict[str, Any]:
    """A trigger's document as columns: what only its kind has goes to `config`."""
    fields: dict[str, Any] = msgspec.to_builtins(trigger)
    columns = {"kind": fields.pop("kind"), "key": trigger.key, "filter": fields.pop("filter", None)}
    fields.pop("key", None)
    return {**columns, "config": fields}
