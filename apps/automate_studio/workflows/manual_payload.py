"""The payload of a start by hand where no trigger asks for fields: JSON that begins as the sample of the builder is."""

from __future__ import annotations

import json
from typing import Any

from automate_core.authoring.drafts import commands
from automate_core.models import Workflow
from automate_governance.permissions import Person
from automate_studio.ui.json.editor import parse_storable
from automate_studio.ui.samples.samples import Sample, sample_for_trigger

MOST = 100_000  #: characters that the page shows of a sample


def example_payload(workflow: Workflow, person: Person) -> str:
    """The payload of an event that this person may see, as JSON; empty where there is none, or a large one."""
    state = commands.load_state(workflow)
    for trigger in state.parsed.definition.triggers:
        found = sample_for_trigger(state, trigger.key, person)
        payload = found.scope.get("event", {}).get("payload") if isinstance(found, Sample) else None
        if isinstance(payload, dict):
            text = json.dumps(payload, indent=2, ensure_ascii=False)
            return text if len(text) <= MOST else ""
    return ""


def parse_payload(text: str) -> dict[str, Any]:
    """The payload, without any when the text is empty. Raises ValueError with what to do."""
    value = parse_storable(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError('the payload has to be a mapping, such as {"amount": 12.5}')
    return value
