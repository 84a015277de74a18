"""Form of a trigger for the template."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from automate_core.authoring.drafts.values import TriggerNode
from automate_plugins.fields import FieldSpec
from automate_studio.builder.panel.forms import FieldView, concerns_field

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
class TriggerFormView:
    """Form of a trigger: its fields by name, and extras of its kind."""

    kind: str
    key: str
    fields: dict[str, FieldView]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """Template of its fields."""
        return f"automate_studio/builder/triggers/{self.kind}.html"

    @property
    def beside(self) -> str:
        """Template below the fields, redrawn when they change; empty for none."""
        return f"automate_studio/builder/triggers/{self.kind}_beside.html" if self.kind in _BESIDE else ""

    def has(self, name: str) -> bool:
        """Whether the form shows a problem's field."""
        return any(concerns_field(name, field) for field in (*self.fields, "filter"))


_BESIDE = {"webhook", "schedule", "event"}


def build_trigger_form(node: TriggerNode, *fields: FieldView, **extra: Any) -> TriggerFormView:
    """Form of a trigger with these fields."""
    return TriggerFormView(kind=node.kind, key=node.key, fields={each.spec.name: each for each in fields}, extra=extra)


def trigger_field_id(node: TriggerNode, name: str) -> str:
    """Element id of a control; rows of a form have fields of their own."""
    return f"field-{node.key}-{name}" if node.kind == "manual" else f"t-{node.key}-{name}"


def build_trigger_field(
    node: TriggerNode,
    name: str,
    widget: str = "text",
    *,
    help: str = "",
    choices: Iterable[tuple[str, str]] = (),
    **options: Any,
) -> FieldView:
    """A field with the trigger's value, unless `text` is given."""
    value = options.pop("text", node.config.get(name, ""))
    spec = FieldSpec(name=name, label=LABELS[node.kind][name], help=help, choices=tuple(choices))
    text = value if isinstance(value, str) else json.dumps(value)
    return FieldView(
        spec=spec, name=name, widget=widget, text=text, id_prefix=f"t-{node.key}", marks_missing=False, **options
    )
