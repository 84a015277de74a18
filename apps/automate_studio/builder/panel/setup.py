"""Form of a trigger for the template."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from automate_authoring.drafts.values import TriggerNode
from automate_plugins import text
from automate_plugins.fields import FieldSpec
from automate_studio.builder.panel.field_messages import concerns_field
from automate_studio.builder.panel.forms import FieldView

#: Names of the kinds of triggers.
TRIGGERS = {
    "webhook": text("Webhook"),
    "schedule": text("Schedule"),
    "model": text("Model change"),
    "manual": text("Manual"),
    "event": text("Event from code"),
    "run": text("Another workflow ends"),
    "poll": text("Poll"),
    "service": text("Service webhook"),
    "form": text("Form"),
    "mail": text("Email"),
}
#: What the fields of each kind are called.
LABELS: dict[str, dict[str, str]] = {
    "webhook": {"endpoint": text("Endpoint"), "event": text("Event type")},
    "schedule": {
        "repeats": text("Repeats"),
        "number": text("Interval"),
        "unit": text("Unit"),
        "days": text("Days"),
        "day": text("Day of the month"),
        "time": text("Time"),
        "cron": text("Cron expression"),
        "timezone": text("Time zone"),
        "missed": text("Missed runs"),
    },
    "model": {
        "model": text("Model"),
        "on": text("Type of change"),
        "fields": text("Only when one of these fields changes"),
        "own_changes": text("Also start on changes by this workflow"),
    },
    "manual": {"inputs": text("Inputs")},
    "event": {"event": text("Event")},
    "run": {"workflow": text("Workflow"), "on": text("Outcome of its run")},
    "poll": {"poll": text("Poll"), "connection": text("Connection"), "every": text("Interval")},
    "service": {
        "webhook": text("Webhook"),
        "connection": text("Connection"),
        "events": text("Event types"),
        "other_events": text("Other event types"),
    },
    "form": {},  # its fields are described in `triggers.form_fields`
    "mail": {},
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

    @property
    def main(self) -> list[FieldView]:
        """The fields that are needed first, and those that are set."""
        return [field for field in self.fields.values() if field.is_main]

    @property
    def more(self) -> list[FieldView]:
        """The other fields."""
        return [field for field in self.fields.values() if not field.is_main]

    def has(self, name: str) -> bool:
        """Whether the form shows a problem's field."""
        return any(concerns_field(name, field) for field in (*self.fields, "filter"))


_BESIDE = {"webhook", "schedule", "event", "poll", "service", "form", "mail"}
_ROWS = {"manual", "form", "mail"}  #: kinds whose form has rows


def build_trigger_form(node: TriggerNode, *fields: FieldView, **extra: Any) -> TriggerFormView:
    """Form of a trigger with these fields."""
    return TriggerFormView(kind=node.kind, key=node.key, fields={each.spec.name: each for each in fields}, extra=extra)


def trigger_field_id(node: TriggerNode, name: str) -> str:
    """Element id of a control; rows of a form have fields of their own."""
    has_rows = node.kind in _ROWS or name.startswith("inputs.")
    return f"{'field' if has_rows else 't'}-{node.key}-{name.replace('.', '-')}"


def build_trigger_field(
    node: TriggerNode,
    name: str,
    widget: str = "text",
    *,
    help: str = "",
    choices: Iterable[tuple[str, str]] = (),
    **options: Any,
) -> FieldView:
    """A field with the trigger's value, unless `text` is given; labels of `choices` are shown as they are."""
    value = options.pop("text", node.config.get(name, ""))
    spec = FieldSpec(name=name, label=LABELS[node.kind][name], help=help, choices=tuple(choices))
    return FieldView(
        spec=spec,
        name=name,
        widget=widget,
        text=value if isinstance(value, str) else json.dumps(value),
        id_prefix=f"t-{node.key}",
        marks_missing=False,
        choices_are_names=True,
        **options,
    )
