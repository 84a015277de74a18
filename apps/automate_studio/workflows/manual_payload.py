"""Payload of a manual start without input fields: JSON that begins as the builder's sample."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django import forms
from django.utils.translation import gettext as _

from automate_authoring.drafts import commands
from automate_core.definition.document import FormTrigger
from automate_core.definition.published import published_definition
from automate_core.models import Workflow
from automate_core.triggers import manual
from automate_governance.permissions import Person
from automate_studio.samples.samples import Sample, sample_for_trigger
from automate_ui.fields import FormFieldView, build_widget_field
from automate_ui.json.editor import parse_storable

MOST = 100_000  #: characters that the page shows of a sample


_ON_ITS_PAGE = frozenset({"file", "choices"})  #: kinds of fields that only the page of a hosted form shows


def start_fields(workflow: Workflow) -> list[dict[str, Any]]:
    """The documents of the fields of a manual start: the manual trigger's, or those of the hosted form without one.

    None where several triggers start the workflow: their payloads differ.
    """
    if not manual.accepts_any_payload(workflow):
        return manual.manual_form_fields(workflow)
    definition = published_definition(workflow)
    match definition.enabled_triggers if definition else []:
        case [FormTrigger(inputs=inputs)] if not any(each.kind in _ON_ITS_PAGE for each in inputs):
            fields: list[dict[str, Any]] = msgspec.to_builtins(inputs)
            return fields
    return []


def example_payload(workflow: Workflow, person: Person) -> str:
    """Payload of an event that this person may view, as JSON; empty for none or a large one.

    Of a form only its fields: the answer of a person would be acted on a second time.
    """
    state = commands.load_state(workflow)
    for trigger in state.parsed.definition.triggers:
        if isinstance(trigger, FormTrigger):
            empty = {each.name: each.default for each in trigger.inputs if each.kind != "file"}
            return json.dumps(empty, indent=2, ensure_ascii=False)
        found = sample_for_trigger(state, trigger.key, person)
        payload = found.scope.get("event", {}).get("payload") if isinstance(found, Sample) else None
        if isinstance(payload, dict):
            text = json.dumps(payload, indent=2, ensure_ascii=False)
            return text if len(text) <= MOST else ""
    return ""


def payload_field(text: str, fault: str) -> FormFieldView:
    """The field of a payload, with its error."""
    advice = (
        _("Taken from the newest event, or from the sample chosen in the builder. Edit it as required.")
        if text
        else _("The data that an event would send.")
    )
    attrs = {"rows": 8, "spellcheck": "false", "class": "mono", "placeholder": '{"amount": 12.5}'}
    return build_widget_field(
        "payload", _("Payload"), forms.Textarea(attrs), text, mark="JSON", help=advice, error=fault
    )


def parse_payload(text: str) -> dict[str, Any]:
    """The payload; empty for an empty text. Raises ValueError with advice."""
    value = parse_storable(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError(_('The payload must be a JSON object, for example {"amount": 12.5}.'))
    return value
