"""Payload of a manual start without input fields: JSON that begins as the builder's sample."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from automate_core.authoring.drafts import commands
from automate_core.models import Workflow
from automate_governance.permissions import Person
from automate_studio.ui.fields import FormFieldView, build_widget_field
from automate_studio.ui.json.editor import parse_storable
from automate_studio.ui.samples.samples import Sample, sample_for_trigger

_HELP = {
    True: "The payload of the newest event, or of the sample chosen in the builder. Change it as you need.",
    False: "What an event would bring.",
}

MOST = 100_000  #: characters that the page shows of a sample


def example_payload(workflow: Workflow, person: Person) -> str:
    """Payload of an event that this person may view, as JSON; empty for none or a large one."""
    state = commands.load_state(workflow)
    for trigger in state.parsed.definition.triggers:
        found = sample_for_trigger(state, trigger.key, person)
        payload = found.scope.get("event", {}).get("payload") if isinstance(found, Sample) else None
        if isinstance(payload, dict):
            text = json.dumps(payload, indent=2, ensure_ascii=False)
            return text if len(text) <= MOST else ""
    return ""


def payload_field(text: str, fault: str) -> FormFieldView:
    """The field of a payload, with what is wrong with it."""
    attrs = {"rows": 8, "spellcheck": "false", "class": "mono", "placeholder": '{"amount": 12.5}'}
    return build_widget_field(
        "payload", "Payload", forms.Textarea(attrs), text, mark="JSON, optional", help=_HELP[bool(text)], error=fault
    )


def parse_payload(text: str) -> dict[str, Any]:
    """The payload; empty for an empty text. Raises ValueError with advice."""
    value = parse_storable(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError('the payload has to be a mapping, such as {"amount": 12.5}')
    return value
