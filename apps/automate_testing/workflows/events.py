"""The event that starts the run of a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from automate_authoring.test_runs import samples
from automate_core.database import AutomateNow
from automate_core.definition import form_validation
from automate_core.definition.document import Definition, FormTrigger, ManualTrigger, Trigger
from automate_core.definition.parsing import parse
from automate_core.events.matching import Candidate, RuleEngine
from automate_core.events.scope import event_scope
from automate_core.ids import new_trace_id
from automate_core.models import Event, Workflow
from automate_core.outbox import subjects
from automate_core.runs.activation import trigger_columns
from automate_core.triggers import host_events


def store_event(
    workflow: Workflow, inputs: Any, trigger: str, event_type: str | None, headers: Mapping[str, str]
) -> Event:
    """Store the event that starts the run. No job is made for it: no other workflow is matched.

    Raises AnswersError, LookupError for an unknown trigger, and AssertionError when the trigger does not accept it.
    """
    definition = parse(workflow.published.definition if workflow.published else {})
    chosen = _find_trigger(definition, trigger)
    payload = host_events.plain_values(inputs if inputs is not None else {})
    if isinstance(chosen, ManualTrigger | FormTrigger):
        payload = form_validation.check_answers(msgspec.to_builtins(chosen.inputs), payload)
    source, kind = samples.trigger_source(chosen, workflow) if chosen else (f"manual:{workflow.slug}", "")
    document = msgspec.json.decode(host_events.as_json(payload))
    if event_type is None:
        event_type = kind or (str(document.get("operation", "")) if source.startswith("model:") else "")
    event = Event.objects.create(
        source=source,
        type=event_type,
        payload=document,
        headers={name.lower(): value for name, value in headers.items()},
        trace_id=new_trace_id(),
        received_at=AutomateNow(),
        subject=subjects.guess_subject(document),
    )
    event.refresh_from_db()
    if chosen is not None:
        _check_accepted(workflow, chosen, source, kind, event)
    return event


def _find_trigger(definition: Definition, key: str) -> Trigger | None:
    """The trigger of that key, or the first. Raises LookupError."""
    found = [trigger for trigger in definition.triggers if key in {"", trigger.key}]
    if key and not found:
        known = ", ".join(trigger.key for trigger in definition.triggers) or "none"
        raise LookupError(f"{definition.slug} has no trigger {key!r}. Available: {known}.")
    return found[0] if found else None


def _check_accepted(workflow: Workflow, trigger: Trigger, source: str, kind: str, event: Event) -> None:
    """Raise AssertionError when the trigger does not accept the event, by the code that matches events."""
    columns = trigger_columns(trigger)
    candidate = Candidate(
        source=source,
        event_type=kind,
        workflow_id=workflow.pk,
        kind=columns["kind"],
        config=msgspec.json.encode(columns["config"]).decode(),
        filter=None if columns["filter"] is None else msgspec.json.encode(columns["filter"]).decode(),
        slug=workflow.slug,
    )
    scope = event_scope(event)
    if RuleEngine().match_candidates([{"event": scope}], [candidate]) == [True]:
        return
    wanted = f" It accepts events of the type {kind!r}, not {event.type!r}." if kind not in {"", event.type} else ""
    shown = "" if trigger.filter is None else f" Filter: {msgspec.json.encode(trigger.filter).decode()}."
    raise AssertionError(f"The trigger {trigger.key!r} does not accept this event.{wanted}{shown}")
