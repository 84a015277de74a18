"""The form of a trigger as it is drawn: its fields, and what its kind shows besides."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from automate_core.drafts.values import TriggerNode
from automate_studio.builder.forms import is_about


@dataclass(frozen=True, kw_only=True)
class Field:
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
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a trigger's form shows: its fields by name, and what its kind has besides."""

    kind: str
    key: str
    fields: dict[str, Field]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """Of its fields."""
        return f"automate_studio/builder/triggers/{self.kind}.html"

    @property
    def beside(self) -> str:
        """Of what stands below them, which is drawn anew when they have changed; empty for nothing."""
        return f"automate_studio/builder/triggers/{self.kind}_beside.html" if self.kind in _BESIDE else ""

    def has(self, problem: str) -> bool:
        """Whether the field of a problem stands here, so that it is told there."""
        own = ("every", "") if self.kind == "schedule" else ()
        return problem in own or any(is_about(problem, name) for name in (*self.fields, "filter"))


_BESIDE = {"webhook", "schedule", "event"}


def made(node: TriggerNode, *fields: Field, **extra: Any) -> Setup:
    """The setup of a trigger with these fields."""
    return Setup(kind=node.kind, key=node.key, fields={each.name: each for each in fields}, extra=extra)


def drawn(node: TriggerNode, name: str, label: str, **options: Any) -> Field:
    """A field with what the trigger says there, unless `value` says something else."""
    value = options.pop("value", node.config.get(name, ""))
    text = value if isinstance(value, str) else json.dumps(value)
    return Field(id=f"t-{node.key}-{name}", name=name, label=label, value=text, **options)
