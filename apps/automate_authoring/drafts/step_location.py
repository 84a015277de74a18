"""Slots in words, as the history and messages name them: `in route Otherwise`."""

from __future__ import annotations

from collections import Counter

from automate_authoring.drafts.values import Draft, StepNode
from automate_core.definition.document import OTHERWISE, TIMEOUT
from automate_core.definition.step_names import marked_name
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.texts import marked

_SLOT_LABELS = {
    "steps": text("Steps"),
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


def place_name(slot: str, name: str, step: str) -> str:
    """A list of steps, in words: `slot` is its key and `name` its own name, `step` the label of the step around it."""
    return text("%(slot)s of %(step)s", slot=marked_name(name) if name else slot_label(slot), step=marked_name(step))


def node_place(draft: Draft, node: StepNode) -> str:
    """The list that a step stands in, in words: `Reject of Approval`. Empty at the top."""
    holder = draft.steps.get(node.parent)
    if holder is None:
        return ""
    names = {each["key"]: str(each.get("name") or "") for each in holder.named_slots}
    return place_name(node.slot, names.get(node.slot, ""), holder.label)


def distinct_names(draft: Draft) -> dict[str, str]:
    """The names of the steps as people read them, by key; where several have one name, with the place of each."""
    counts = Counter(node.label for node in draft.steps.values())
    return {
        key: translated(distinct_name(node.label, node_place(draft, node) if counts[node.label] > 1 else ""))
        for key, node in draft.steps.items()
    }


def distinct_name(label: str, place: str) -> str:
    """A step's name with the place that it stands in, for one that shares its name; `place` is empty for others."""
    name = marked_name(label)
    return text("%(step)s (%(place)s)", step=name, place=place) if place else name
