"""Slots in words, as the history and messages name them: `in route Otherwise`."""

from __future__ import annotations

from automate_authoring.drafts.values import StepNode
from automate_core.definition.document import OTHERWISE, TIMEOUT
from automate_plugins import text
from automate_plugins.texts import marked

_SLOT_LABELS = {
    OTHERWISE: text("Otherwise"),
    TIMEOUT: text("No response in time"),
    "on_error": text("On error"),
    "always": text("Always"),
}


def slot_label(slot: str) -> str:
    """The label of a slot without a name."""
    return marked(_SLOT_LABELS[slot]) if slot in _SLOT_LABELS else slot.replace("_", " ").capitalize()


def slot_location(holder: StepNode, slot: str) -> str:
    """A slot of a step."""
    name = next((named_slot.get("name", "") for named_slot in holder.named_slots if named_slot["key"] == slot), "")
    return describe_location(holder.kind, slot, name, holder.label)


def describe_location(kind: str, slot: str, name: str, holder: str) -> str:
    """The slot of a step of that kind and with the label `holder`; `name` is that of a named slot."""
    shown = name or slot_label(slot)
    if slot != TIMEOUT:
        match kind:
            case "branch":
                return text("in route %(name)s", name=shown)
            case "parallel":
                return text("in parallel branch %(name)s", name=shown)
            case "approval":
                return text("in outcome %(name)s", name=shown)
    if slot == "steps":
        return text("in %(step)s", step=holder)
    return text("in %(name)s of %(step)s", name=shown, step=holder)
