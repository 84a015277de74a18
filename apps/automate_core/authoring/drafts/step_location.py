"""Slots in words, as history and messages name them: `in route Otherwise`."""

from __future__ import annotations

from automate_core.authoring.drafts.values import StepNode
from automate_core.definition.document import OTHERWISE, TIMEOUT

_LISTS = {OTHERWISE: "Otherwise", TIMEOUT: "No answer in time", "on_error": "On error", "always": "Always"}
_WAYS = {"branch": "route", "parallel": "track", "approval": "outcome"}


def slot_location(holder: StepNode, slot: str) -> str:
    """A list inside a step."""
    name = next((named_slot.get("name", "") for named_slot in holder.named_slots if named_slot["key"] == slot), "")
    return describe_location(holder.kind, slot, name, holder.label)


def describe_location(kind: str, slot: str, name: str, holder: str) -> str:
    """The list `slot` of a step of that kind, which is called `holder`; `name` is that of a route, track or outcome."""
    shown = name or _LISTS.get(slot) or slot.replace("_", " ").capitalize()
    if kind in _WAYS and slot != TIMEOUT:
        return f"in {_WAYS[kind]} {shown}"
    return f"in {holder}" if slot == "steps" else f"in {shown} of {holder}"
