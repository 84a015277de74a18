"""The form of a trigger as it is drawn: its fields, and what its kind shows besides."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from automate_core.authoring.drafts.values import TriggerNode
from automate_studio.builder.panel.forms import FieldMessage, concerns_field

#: What the fields of each kind are called.
LABELS: dict[str, dict[str, str]] = {
    "webhook": {"endpoint": "Address", "event": "Type of event"},
    "schedule": {
        "repeats": "Repeats",
        "number": "Every",
        "unit": "Unit",
        "days": "On",
        "day": "On the",
        "time": "At",
        "cron": "Cron expression",
        "timezone": "Time zone",
        "missed": "Times missed while nothing ran",
    },
    "model": {
        "model": "Model",
        "on": "When one is",
        "fields": "Only when one of these changed",
        "own_changes": "Also by what this workflow changes itself",
    },
    "manual": {"inputs": "Asked for"},
    "event": {"event": "Event"},
    "run": {"workflow": "Workflow", "on": "When a run of it has"},
}


@dataclass(frozen=True, kw_only=True)
class TriggerField:
    """One field as it is drawn. `kind` is text, number, time, choice, check or checks; `listed` are suggestions."""

    id: str
    name: str
    label: str
    kind: str = "text"
    value: str = ""
    choices: Iterable[tuple[str, str]] = ()
    chosen: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    placeholder: str = ""
    help: str = ""
    told: FieldMessage | None = None


@dataclass(frozen=True, kw_only=True)
class TriggerFormView:
    """What a trigger's form shows: its fields by name, and what its kind has besides."""

    kind: str
    key: str
    fields: dict[str, TriggerField]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """Of its fields."""
        return f"automate_studio/builder/triggers/{self.kind}.html"

    @property
    def beside(self) -> str:
        """Of what stands below them, which is drawn anew when they have changed; empty for nothing."""
        return f"automate_studio/builder/triggers/{self.kind}_beside.html" if self.kind in _BESIDE else ""

    def has(self, name: str) -> bool:
        """Whether a problem's field stands here, so that it is told there."""
        return any(concerns_field(name, field) for field in (*self.fields, "filter"))


_BESIDE = {"webhook", "schedule", "event"}


def build_trigger_form(node: TriggerNode, *fields: TriggerField, **extra: Any) -> TriggerFormView:
    """The setup of a trigger with these fields."""
    return TriggerFormView(kind=node.kind, key=node.key, fields={each.name: each for each in fields}, extra=extra)


def trigger_field_id(node: TriggerNode, name: str) -> str:
    """The id of its control; rows of a form have fields of their own."""
    return f"field-{node.key}-{name}" if node.kind == "manual" else f"t-{node.key}-{name}"


def build_trigger_field(node: TriggerNode, name: str, **options: Any) -> TriggerField:
    """A field with what the trigger says there, unless `value` says something else."""
    value = options.pop("value", node.config.get(name, ""))
    text = value if isinstance(value, str) else json.dumps(value)
    return TriggerField(
        id=trigger_field_id(node, name), name=name, label=LABELS[node.kind][name], value=text, **options
    )
